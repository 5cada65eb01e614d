//! Clients as they are shown. Secrets never are, nor their hashes.

use serde_json::{Value, json};
use symbolon_core::UnixMillis;
use symbolon_core::client::{Client, ClientPolicy, ClientType};

use super::super::args::PageArgs;
use super::super::context::Context;
use super::super::error::CliError;
use super::super::output::{Output, duration, fields, list, rfc3339, table};

/// The name that cursors of this list are made for.
const LIST: &str = "clients";

fn view(client: &Client) -> Value {
    let policy = &client.policy;
    let methods: Vec<_> = policy.auth_methods.iter().map(|m| m.as_str()).collect();
    let serves: Vec<_> = policy
        .serves
        .iter()
        .map(|served| json!({ "audience": served.indicator, "signing_alg": served.signing_alg }))
        .collect();
    json!({
        "uid": client.uid,
        "client_id": client.client_id,
        "name": policy.name,
        "type": type_name(policy),
        "active": client.active,
        "auth_methods": methods,
        "grants": policy.grants,
        "scope": policy.scope,
        "default_scope": policy.default_scope,
        "audiences": policy.audiences,
        "serves": serves,
        "access_token_lifetime": policy.access_token_lifetime,
        "session_lifetime": policy.session_lifetime,
        "refresh_idle_lifetime": policy.refresh_idle_lifetime,
        "rotation": policy.rotation.as_str(),
        "late_recoveries": policy.late_recoveries,
        "signing_alg": policy.signing_alg,
        "cors_origins": policy.cors_origins,
        "created": rfc3339(client.created),
        "created_ms": client.created.0,
    })
}

/// Writes what was done and the client as it stands now.
pub(super) fn done(out: &mut Output<'_>, done: &'static str, client: &Client) -> Result<(), CliError> {
    let mut object = view(client);
    object["done"] = json!(done);
    let text = format!("client {} ({}) is {done}", client.client_id, client.policy.name);
    out.result(&object, &text)
}

/// `client show`.
pub(super) fn show_client(out: &mut Output<'_>, client: &Client, now: UnixMillis) -> Result<(), CliError> {
    let live: Vec<_> = client
        .secrets
        .iter()
        .filter(|hash| hash.expires.is_none_or(|end| now < end))
        .map(|hash| hash.expires)
        .collect();
    let mut object = view(client);
    object["secrets"] = live
        .iter()
        .map(|end| json!({ "expires": end.map(rfc3339), "expires_ms": end.map(|end| end.0) }))
        .collect();
    let dead: Vec<_> = client
        .audiences
        .iter()
        .filter(|audience| !audience.active)
        .map(|audience| audience.indicator.as_str())
        .collect();
    object["inactive_audiences"] = json!(dead);
    let secrets = live
        .iter()
        .map(|end| format!("until {}", end.map_or_else(|| "replaced".to_owned(), rfc3339)));
    let mut pairs = policy_fields(client);
    pairs.push(("live secrets", joined(secrets)));
    pairs.push(("inactive audiences", list(dead)));
    pairs.push(("created", rfc3339(client.created)));
    out.result(&object, &fields(&pairs))
}

fn policy_fields(client: &Client) -> Vec<(&'static str, String)> {
    let policy = &client.policy;
    let lifetime = |value: Option<u32>| value.map_or_else(|| "as the server's".to_owned(), duration);
    let or_server = |value: Option<String>| value.unwrap_or_else(|| "as the server's".to_owned());
    let serves = policy.serves.iter().map(|served| match served.signing_alg {
        Some(alg) => format!("{} signed with {alg}", served.indicator),
        None => served.indicator.to_string(),
    });
    vec![
        ("client_id", client.client_id.to_string()),
        ("uid", client.uid.to_string()),
        ("name", policy.name.clone()),
        ("type", type_name(policy).to_owned()),
        ("state", state(client).to_owned()),
        (
            "auth methods",
            list(policy.auth_methods.iter().map(|m| m.as_str())),
        ),
        ("grants", list(&policy.grants)),
        ("scope", list(policy.scope.iter())),
        ("default scope", list(policy.default_scope.iter())),
        ("audiences", list(&policy.audiences)),
        ("serves", joined(serves)),
        ("access token lifetime", lifetime(policy.access_token_lifetime)),
        ("session lifetime", lifetime(policy.session_lifetime)),
        ("refresh idle lifetime", lifetime(policy.refresh_idle_lifetime)),
        ("rotation", policy.rotation.as_str().to_owned()),
        (
            "late recoveries",
            or_server(policy.late_recoveries.map(|n| n.to_string())),
        ),
        (
            "signing algorithm",
            or_server(policy.signing_alg.map(|alg| alg.to_string())),
        ),
        ("CORS origins", list(&policy.cors_origins)),
    ]
}

/// `client list`.
pub(super) async fn list_clients(
    context: &Context<'_>,
    out: &mut Output<'_>,
    page: &PageArgs,
) -> Result<(), CliError> {
    let after = page.position(context.cursors, LIST)?;
    let found = context
        .admin
        .clients(&Default::default(), after.as_deref(), page.limit)
        .await?;
    let next = found.next.map(|position| context.cursors.seal(LIST, &position));
    let views: Vec<_> = found.items.iter().map(view).collect();
    let row = |client: &Client| {
        [
            client.client_id.to_string(),
            client.policy.name.clone(),
            type_name(&client.policy).to_owned(),
            state(client).to_owned(),
            list(&client.policy.grants),
            list(client.policy.serves.iter().map(|served| &served.indicator)),
            rfc3339(client.created),
        ]
    };
    let rows: Vec<_> = found.items.iter().map(row).collect();
    let headers = [
        "CLIENT ID",
        "NAME",
        "TYPE",
        "STATE",
        "GRANTS",
        "SERVES",
        "CREATED",
    ];
    let mut text = table(headers, &rows);
    if let Some(cursor) = &next {
        text.push_str(&format!("\nthere are more: --after {cursor}"));
    }
    out.result(&json!({ "clients": views, "next": next }), &text)
}

fn type_name(policy: &ClientPolicy) -> &'static str {
    match policy.client_type {
        ClientType::Confidential => "confidential",
        ClientType::Public => "public",
    }
}

fn state(client: &Client) -> &'static str {
    if client.active { "active" } else { "disabled" }
}

/// Items that may hold spaces, separated by commas, `-` where there are none.
fn joined(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        "-".to_owned()
    } else {
        items.join(", ")
    }
}
