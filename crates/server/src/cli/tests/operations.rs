//! Every operation of the admin API has a command.

use std::collections::BTreeSet;

use serde_json::json;
use symbolon_admin_api::{PREFIX, catalogue};

use super::*;

const KID: &str = "nosuchkeynosuchkeynosuchkeynosuchkeynosuchk";
/// RFC 8037 appendix A.1.
const ED_JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const SID: &str = "0197a0f0-0000-7000-8000-000000000000";

/// What each command asks for, whether there is anything or not.
fn lines(users: &str, clients: &str, key: &str) -> Vec<String> {
    [
        "audit checkpoint",
        "audit export",
        "audit follow",
        "audit keys",
        "audit list",
        "audit show 1",
        "audit verify",
        "client add --client-id app --name App --serves urn:app",
        "client disable app",
        "client enable app",
        "client export",
        "client list",
        "client rotate-secret app",
        "client secret add app",
        "client secret delete app 0123456789ab --yes",
        "client secret expire app 0123456789ab --in 0s",
        "client secret list app",
        "client show app",
        "client update app --name Application",
        "client delete app --yes",
        "keys compromise --all --reason x --yes",
        "keys export-public",
        "keys export-public --format pem",
        "keys generate --alg ES256",
        "keys list",
        "keys rewrap",
        "keys rotate",
        "resource-server delete urn:x --yes",
        "resource-server list",
        "resource-server put urn:x --client app",
        "resource-server show urn:x",
        "revocations list",
        "revocations show 1",
        "revoke all --reason x --yes",
        "role list",
        "role put staff --scope a",
        "role show staff",
        "role delete staff --yes",
        "scope list",
        "scope put a --description A",
        "scope show a",
        "scope delete a --yes",
        "server configuration",
        "server health",
        "server show",
        "session list",
        "user add alice --password-stdin",
        "user disable alice",
        "user enable alice",
        "user list",
        "user set-password alice --password-stdin",
        "user show alice",
        "user update alice --email a@example.org",
        "user delete alice --yes",
        "verifiers list",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        format!("client import {clients}"),
        format!("keys activate {KID}"),
        format!("keys compromise {KID} --reason x --yes"),
        format!("keys import {key}"),
        format!("keys retire {KID}"),
        format!("keys show {KID}"),
        format!("session revoke {SID} --reason x"),
        format!("session show {SID}"),
        format!("user import {users}"),
        format!("user show {SID}"),
    ])
    .collect()
}

/// Whether a path is one of those that the template stands for.
fn is_of(template: &str, path: &str) -> bool {
    let (templates, parts) = (template.split('/'), path.split('/'));
    template.split('/').count() == path.split('/').count()
        && templates
            .zip(parts)
            .all(|(template, part)| template.starts_with('{') || template == part)
}

#[tokio::test]
async fn every_operation_has_a_command() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let file = |name: &str, content: String| {
        let path = bench.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let users = file(
        "users",
        json!({ "username": "bob", "password": "correct horse" }).to_string(),
    );
    let clients = file(
        "clients",
        json!({ "client_id": "web", "name": "Web", "client_type": "public" }).to_string(),
    );
    let key = file("key", ED_JWK.to_owned());
    for line in lines(&users, &clients, &key) {
        bench.run_typed("correct horse battery", &line).await;
    }
    let asked: BTreeSet<_> = bench.requests.lock().unwrap().drain(..).collect();
    let operations = catalogue();
    assert!(operations.len() > 60);
    let missing: Vec<_> = operations
        .iter()
        .filter(|operation| {
            !asked.iter().any(|request| {
                let (method, path) = request.split_once(' ').unwrap();
                let path = path.strip_prefix(PREFIX).unwrap_or(path);
                // What has a name of its own is not what stands beside it.
                let literal = operations
                    .iter()
                    .any(|other| other.path == path && other.path != operation.path);
                method == operation.method.as_str() && !literal && is_of(&operation.path, path)
            })
        })
        .map(|operation| format!("{} {}", operation.method, operation.path))
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "asked: {asked:#?}");
}
