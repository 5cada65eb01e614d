//! Clients, their policies and secrets, and the entries that go on the revocation log.

use secrecy::SecretString;
use symbolon_core::client::Client;
use symbolon_core::ports::{FactStore as _, RevocationLog as _};
use symbolon_core::revocation::NewRevocation;
use symbolon_oauth_types::revocation::Entry;

use super::*;

const SERVER: &str = "client add --name Orders --client-id orders --serves https://orders.example";
const APP: &str = "client add --name App --client-id app --grant client_credentials --scope read --scope write \
                   --default-scope read --audience https://orders.example";

async fn with_app() -> (Bench, SecretString) {
    let bench = Bench::new().await;
    bench.json("", SERVER).await;
    // Lists tell the older from the newer.
    bench.clock.0.fetch_add(1, Ordering::Relaxed);
    let added = bench.json("", APP).await;
    let secret = added["client_secret"].as_str().unwrap().into();
    (bench, secret)
}

async fn client(bench: &Bench, id: &str) -> Client {
    bench.store.client(&id.parse().unwrap()).await.unwrap().unwrap()
}

async fn accepts(bench: &Bench, secret: &SecretString) -> bool {
    let client = client(bench, "app").await;
    let secrets = bench.server_keys().await.client_secrets;
    secrets.matches(client.uid, secret, &client.secrets, bench.clock.now())
}

async fn last_entry(bench: &Bench) -> Entry {
    let entries = bench.store.entries(0, UnixMillis(START), 1000).await.unwrap();
    entries.last().unwrap().entry
}

#[tokio::test]
async fn the_secret_is_shown_once_and_works() {
    let bench = Bench::new().await;
    bench.json("", SERVER).await;
    let added = bench.run(APP).await;
    assert_eq!(added.error, None);
    let secret = added
        .out
        .lines()
        .find_map(|line| line.strip_prefix("client_secret: "))
        .unwrap();
    assert!(accepts(&bench, &secret.into()).await);
    assert!(
        added.err.contains("shown this once") && !added.err.contains(secret),
        "{}",
        added.err
    );
    for command in [
        "client show app",
        "client list",
        "client show app --json",
        "client list --json",
    ] {
        let shown = bench.run(command).await;
        assert_eq!(shown.error, None);
        assert!(!shown.out.contains("sbs_"), "{}", shown.out);
    }
}

#[tokio::test]
async fn a_client_without_chosen_id_goes_by_its_uid() {
    let bench = Bench::new().await;
    let added = bench
        .json("", "client add --name Orders --serves urn:orders=ES256")
        .await;
    assert_eq!(added["client_id"], added["uid"]);
    let id = added["uid"].as_str().unwrap();
    let shown = bench.json("", &format!("client show {id}")).await;
    assert_eq!(
        shown["serves"][0],
        serde_json::json!({ "audience": "urn:orders", "signing_alg": "ES256", "access_token_lifetime": null })
    );
}

#[tokio::test]
async fn a_public_client_gets_no_secret_and_the_password_grant_a_warning() {
    let bench = Bench::new().await;
    bench.json("", SERVER).await;
    let line = "client add --name Phone --client-id phone --public --grant password --grant refresh_token \
                --scope read --audience https://orders.example --cors-origin https://app.example";
    let added = bench.run(&format!("{line} --json")).await;
    let object = added.json();
    assert_eq!(
        (&object["type"], &object["auth_methods"][0]),
        (&"public".into(), &"none".into())
    );
    assert_eq!(object.get("client_secret"), None);
    let warning: Value = serde_json::from_str(&added.err).unwrap();
    assert!(
        warning["warning"].as_str().unwrap().contains("RFC 9700"),
        "{}",
        added.err
    );
    bench
        .run("client rotate-secret phone")
        .await
        .refused(2, "a public client has no secret");
}

#[tokio::test]
async fn each_rule_is_refused_with_its_words() {
    let bench = Bench::new().await;
    bench.json("", SERVER).await;
    for (line, exit_code, said) in [
        ("client add --name X", 2, "allow at least one grant"),
        (
            "client add --name X --grant password",
            2,
            "needs at least one scope",
        ),
        (
            "client add --name X --grant password --scope a",
            2,
            "needs at least one audience",
        ),
        (
            "client add --name X --public --grant client_credentials",
            2,
            "public client can't use client_credentials",
        ),
        (
            "client add --name X --serves urn:x --public",
            2,
            "must be a confidential client",
        ),
        (
            "client add --name X --serves urn:x --auth-method none",
            2,
            "never with `none`",
        ),
        (
            "client add --name X --serves urn:x --cors-origin https://a/",
            2,
            "a CORS origin is",
        ),
        (
            "client add --name X --serves urn:x --signing-alg RS256",
            2,
            "has no RS256 key: add the algorithm",
        ),
        ("client add --name X --serves urn:x=PS256", 2, "has no PS256 key"),
        (
            "client add --name X --serves urn:x --access-token-lifetime 2h",
            2,
            "10 seconds to 1 hour",
        ),
        (
            "client add --name X --serves urn:x --scope users:write --default-scope users:write",
            2,
            "admin scope",
        ),
        (
            "client add --name X --grant password --scope a --audience urn:nobody",
            2,
            "nobody serves",
        ),
        (
            "client add --name X --serves https://orders.example",
            4,
            "another client serves that audience",
        ),
        (
            "client add --name X --serves urn:x --client-id orders",
            4,
            "--client-id: it is taken",
        ),
    ] {
        bench.run(line).await.refused(exit_code, said);
    }
    let many: String = (0..33).map(|i| format!(" --serves urn:s{i}")).collect();
    bench
        .run(&format!("client add --name X{many}"))
        .await
        .refused(2, "at most 32");
    let hostile = ["client", "add", "--serves", "urn:x", "--name", "a\u{1b}[31m"];
    bench
        .run_args(&mut Script::default(), &hostile)
        .await
        .refused(2, "without control characters");
    assert_eq!(
        bench.json("", "client list").await["clients"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn what_is_given_replaces_and_the_rest_stays() {
    let (bench, _) = with_app().await;
    let line = "client update app --scope other --access-token-lifetime 1m --clear default-scope";
    let updated = bench.json("", line).await;
    assert_eq!(
        (&updated["scope"], &updated["default_scope"]),
        (&"other".into(), &"".into())
    );
    assert_eq!(updated["access_token_lifetime"], 60);
    let shown = bench.json("", "client show app").await;
    assert_eq!(
        (&shown["scope"], &shown["name"]),
        (&"other".into(), &"App".into())
    );
    assert_eq!(shown["audiences"][0], "https://orders.example");
    bench
        .json("", "client update app --clear access-token-lifetime")
        .await;
    assert_eq!(
        bench.json("", "client show app").await["access_token_lifetime"],
        Value::Null
    );
    bench
        .run("client update app")
        .await
        .refused(2, "that changes nothing");
    bench
        .run("client update app --clear audience")
        .await
        .refused(2, "needs at least one audience");
    bench
        .run("client update app --audience urn:nobody")
        .await
        .refused(2, "nobody serves");
    bench
        .run("client update nobody --name X")
        .await
        .refused(3, "there is no client \"nobody\"");
}

#[tokio::test]
async fn an_update_may_be_repeated() {
    let (bench, _) = with_app().await;
    let line = "client update app --name Shop --grant client_credentials --json";
    let first = bench.run(line).await.json();
    let again = bench.run(line).await.json();
    assert_eq!(again["done"], "updated");
    assert_eq!(again, first);
}

#[tokio::test]
async fn two_secrets_live_until_the_overlap_ends() {
    let (bench, first) = with_app().await;
    let now = bench.clock.now();
    let rotated = bench.json("", "client rotate-secret app --overlap 1h").await;
    let second: SecretString = rotated["client_secret"].as_str().unwrap().into();
    assert_eq!(
        rotated["old_secret_until_ms"].as_u64(),
        Some(now.plus(3_600_000).0)
    );
    assert!(accepts(&bench, &first).await && accepts(&bench, &second).await);
    let line = "client rotate-secret app --overlap 1h";
    bench
        .run(line)
        .await
        .refused(2, "would end at once; wait until then");
    assert!(accepts(&bench, &first).await && accepts(&bench, &second).await);
    bench
        .run("client rotate-secret app --overlap 0s")
        .await
        .refused(2, "would end at once; wait until then, or give --yes");
    assert!(accepts(&bench, &first).await && accepts(&bench, &second).await);
    let third = bench.run(&format!("{line} --yes --json")).await;
    assert!(third.err.contains("has ended at once"), "{}", third.err);
    let third = third.json();
    let third: SecretString = third["client_secret"].as_str().unwrap().into();
    assert!(!accepts(&bench, &first).await, "a third secret ends the first");
    assert!(accepts(&bench, &second).await && accepts(&bench, &third).await);
    bench.clock.0.fetch_add(3_600_000, Ordering::Relaxed);
    assert!(!accepts(&bench, &second).await && accepts(&bench, &third).await);
    let last = bench.json("", "client rotate-secret app --overlap 0s").await;
    let last: SecretString = last["client_secret"].as_str().unwrap().into();
    assert!(!accepts(&bench, &third).await && accepts(&bench, &last).await);
}

#[tokio::test]
async fn secrets_are_added_listed_and_ended_one_by_one() {
    let (bench, first) = with_app().await;
    let listed = async || {
        let list = bench.json("", "client secret list app").await;
        list["secrets"].as_array().unwrap().clone()
    };
    let old = listed().await[0]["id"].as_str().unwrap().to_owned();
    let added = bench.json("", "client secret add app").await;
    assert_eq!(
        (added["done"].as_str(), &added["old_secret_until"]),
        (Some("secret_added"), &Value::Null)
    );
    let second: SecretString = added["client_secret"].as_str().unwrap().into();
    assert!(accepts(&bench, &first).await && accepts(&bench, &second).await);
    bench
        .run("client secret add app")
        .await
        .refused(2, "two secrets are live already");

    let line = format!("client secret expire app {old} --in 1m");
    let ends = bench.json("", &line).await;
    let end = bench.clock.now().plus(60_000).0 - LEASE.as_millis() as u64;
    assert!(
        ends["expires_ms"].as_u64().unwrap().abs_diff(end) < 1000,
        "{ends}"
    );
    assert!(accepts(&bench, &first).await);
    bench.clock.0.fetch_add(60_000, Ordering::Relaxed);
    assert!(!accepts(&bench, &first).await && accepts(&bench, &second).await);
    let table = bench.run("client secret list app").await.out;
    assert!(table.contains(&format!("{old}  ended")), "{table}");

    let live = listed().await;
    let live = live.iter().find(|secret| secret["id"] != *old).unwrap();
    let line = format!("client secret delete app {}", live["id"].as_str().unwrap());
    bench.run(&line).await.refused(2, "give --yes");
    bench.json("", &format!("{line} --yes")).await;
    assert!(!accepts(&bench, &second).await);
    bench
        .run(&format!("{line} --yes"))
        .await
        .refused(3, "see `symbolon client secret list`");
    bench
        .run("client secret list nobody")
        .await
        .refused(3, "there is no client \"nobody\"");
}

#[test]
fn a_secret_is_not_taken_for_its_id() {
    let line = "symbolon client secret delete app sbs_0123456789abcdef";
    let error = Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
    assert!(error.contains("12 hexadecimal digits"), "{error}");
}

#[tokio::test]
async fn each_change_is_logged_with_its_entry() {
    let (bench, _) = with_app().await;
    let id = "app".parse().unwrap();
    let now = || bench.clock.now();
    assert_eq!(bench.json("", "client disable app").await["active"], false);
    assert_eq!(last_entry(&bench).await, NewRevocation::client_blocked(&id).entry);
    assert_eq!(bench.json("", "client enable app").await["active"], true);
    assert_eq!(
        last_entry(&bench).await,
        NewRevocation::client_lifted(&id, now()).entry
    );
    bench.run("client delete app").await.refused(2, "give --yes");
    bench.json("", "client delete app --yes").await;
    assert_eq!(
        last_entry(&bench).await,
        NewRevocation::client_deleted(&id, now()).entry
    );
    bench
        .run("client show app")
        .await
        .refused(3, "there is no client");
    bench.json("", APP).await;
    assert_eq!(
        last_entry(&bench).await,
        NewRevocation::client_lifted(&id, now().plus(LEASE.as_millis() as u64)).entry
    );
}

#[tokio::test]
async fn deleting_a_resource_server_says_what_goes_with_it() {
    let (bench, _) = with_app().await;
    let mut script = Script {
        answers: ["yes\n"].into(),
        terminal: true,
        ..Script::default()
    };
    let deleted = bench.run_with(&mut script, "client delete orders").await;
    assert_eq!(deleted.error, None);
    assert!(
        deleted.asked[0].contains("and what it serves, https://orders.example, for good?"),
        "{:?}",
        deleted.asked
    );
    let shown = bench.json("", "client show app").await;
    assert_eq!(shown["inactive_audiences"][0], "https://orders.example");
}

#[tokio::test]
async fn lists_refuse_cursors_of_others() {
    let (bench, _) = with_app().await;
    let page = bench.json("", "client list --limit 1").await;
    let cursor = page["next"].as_str().unwrap();
    let rest = bench
        .json("", &format!("client list --limit 1 --after {cursor}"))
        .await;
    assert_eq!(
        (&rest["clients"][0]["client_id"], &rest["next"]),
        (&"app".into(), &Value::Null)
    );
    bench
        .run(&format!("user list --after {cursor}"))
        .await
        .refused(2, "not one that this list gave out");
}

#[tokio::test]
async fn lists_are_narrowed() {
    let (bench, _) = with_app().await;
    bench.json("", "client disable app").await;
    let ids = async |options: &str| {
        let listed = bench.json("", &format!("client list{options}")).await;
        let clients = listed["clients"].as_array().unwrap().iter();
        clients
            .map(|client| client["client_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, ["orders", "app"]);
    assert_eq!(ids(" --active").await, ["orders"]);
    assert_eq!(ids(" --active=false").await, ["app"]);
    assert_eq!(ids(" --prefix a").await, ["app"]);
    assert_eq!(ids(" --prefix a --active").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_served_audience_has_a_lifetime_of_its_own() {
    let bench = Bench::new().await;
    let line = "client add --name Orders --client-id orders --serves urn:orders=ES256,lifetime=60s";
    bench.json("", line).await;
    let shown = bench.run("client show orders").await;
    let serves = "urn:orders signed with ES256 for at most 1m";
    assert!(shown.out.contains(serves), "{}", shown.out);
    bench
        .run("client update orders --serves urn:orders,lifetime=2h")
        .await
        .refused(2, "10 seconds to 1 hour");
    bench
        .run("client add --name X --serves urn:x --serves urn:x=ES256")
        .await
        .refused(2, "serves[1]: it is named twice");
}

#[tokio::test]
async fn each_change_says_why_on_the_trail() {
    let bench = Bench::new().await;
    bench.json("", &format!("{SERVER} --reason new")).await;
    for change in [
        "update orders --name O --reason renamed",
        "rotate-secret orders --reason leaked",
        "disable orders --reason left",
        "enable orders --reason back",
        "delete orders --yes --reason gone",
    ] {
        bench.json("", &format!("client {change}")).await;
    }
    let listed = bench.json("", "audit list --target-kind client").await;
    let records = listed["records"].as_array().unwrap().iter();
    let said: Vec<_> = records
        .map(|record| record["event"]["reason"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["gone", "back", "left", "leaked", "renamed", "new"]);
}
