//! `/clients`.

mod active;
mod create;
mod import;
mod list;
mod secrets;
mod update;

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use symbolon_core::UnixMillis;
use symbolon_core::client::Client;
use symbolon_core::ports::FactStore as _;
use symbolon_core::secret::{ClientSecrets, ServerSecret};
use symbolon_core::view::ClientView;
use zeroize::Zeroizing;

use crate::bench::{Answer, Bench, Call};

/// A resource server, `urn:orders`.
pub(crate) fn orders() -> Value {
    json!({ "client_id": "orders", "name": "Orders", "serves": [{ "audience": "urn:orders" }] })
}

/// A client that may ask tokens for `urn:orders`.
pub(crate) fn app() -> Value {
    json!({
        "client_id": "app",
        "name": "App",
        "grants": ["client_credentials"],
        "scope": "orders:read",
        "audiences": ["urn:orders"],
    })
}

/// The same with that in the place of what it had.
pub(crate) fn with(mut client: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        client[name] = value.clone();
    }
    client
}

/// Makes a client.
pub(crate) async fn made(bench: &Bench, client: &Value) -> Answer {
    Call::post("/clients").json(client).to(bench).await.expect(201)
}

/// With the clients `orders` and `app`.
pub(crate) async fn bench() -> Bench {
    let bench = Bench::new().await;
    made(&bench, &orders()).await;
    bench.clock.advance(Duration::from_millis(1));
    made(&bench, &app()).await;
    bench
}

/// The client as the database has it.
pub(crate) async fn stored(bench: &Bench, client_id: &str) -> Option<Client> {
    bench.store.client(&client_id.parse().unwrap()).await.unwrap()
}

/// The same as administrators see it.
pub(crate) async fn viewed(bench: &Bench, client_id: &str) -> Value {
    let client = stored(bench, client_id).await.expect("it is there");
    serde_json::to_value(ClientView::from(&client)).unwrap()
}

/// Whether the client gets in with that secret.
async fn accepts(bench: &Bench, client_id: &str, secret: &str) -> bool {
    let client = stored(bench, client_id).await.expect("it is there");
    let secrets = ClientSecrets::new(vec![ServerSecret {
        id: 1,
        active_from: UnixMillis(0),
        key: Zeroizing::new([1; 32]),
    }]);
    let now = symbolon_core::Clock::now(&*bench.clock);
    secrets.matches(client.uid, &SecretString::from(secret), &client.secrets, now)
}

/// That no answer to a question, and nothing on the trail, holds the secret.
async fn is_nowhere(bench: &Bench, client_id: &str, secret: &str) {
    assert!(secret.len() >= 32, "{secret}");
    let path = format!("/clients/{client_id}");
    for path in ["/clients", &path, &format!("{path}/secrets")] {
        let answer = Call::get(path).to(bench).await.expect(200);
        assert!(!answer.text.contains(secret), "{path}");
    }
    assert!(!format!("{:?}", bench.trail().await).contains(secret));
}

/// Every change of a client there is, of the one at that path.
fn changes(path: &str, secret: &str) -> Vec<Call> {
    vec![
        Call::patch(path, &json!({ "name": "Renamed" })),
        Call::post(&format!("{path}/disable")),
        Call::post(&format!("{path}/enable")),
        Call::post(&format!("{path}/secrets")).json(&json!({ "expire_others_in": 60 })),
        Call::post(&format!("{path}/secrets/{secret}/expire")).json(&json!({ "in": 30 })),
        Call::delete(&format!("{path}/secrets/{secret}")),
        Call::delete(path),
    ]
}

/// The id of the first secret of a client.
async fn secret_id(bench: &Bench, client_id: &str) -> String {
    stored(bench, client_id).await.unwrap().secrets[0].id()
}

#[tokio::test]
async fn what_is_not_there_can_not_be_changed() {
    let bench = bench().await;
    let before = bench.state().await;
    for nobody in ["nobody", "%00", "a%3Ab", "0190c7a0-0000-7000-8000-000000000000"] {
        let path = format!("/clients/{nobody}");
        Call::get(&path).to(&bench).await.expect(404);
        let secrets = format!("{path}/secrets");
        Call::get(&secrets).to(&bench).await.expect(404);
        for call in changes(&path, "000000000000") {
            call.to(&bench).await.expect(404);
        }
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn an_audience_that_nobody_serves_is_named() {
    let bench = bench().await;
    let before = bench.state().await;
    let audiences = json!({ "client_id": "new", "audiences": ["urn:orders", "urn:nobody"] });
    for call in [
        Call::post("/clients").json(&with(app(), audiences.clone())),
        Call::patch("/clients/app", &json!({ "audiences": audiences["audiences"] })),
    ] {
        let refused = call.to(&bench).await.expect_fields(422, &["audiences"]);
        assert!(
            refused.text.contains("nobody serves urn:nobody: "),
            "{}",
            refused.text
        );
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn what_has_changed_meanwhile_is_left_alone() {
    let bench = bench().await;
    let old = Call::get("/clients/app").to(&bench).await.etag();
    let patch = Call::patch("/clients/app", &json!({ "name": "Another" }));
    patch.to(&bench).await.expect(200);
    let (before, secret) = (bench.state().await, secret_id(&bench, "app").await);
    for call in changes("/clients/app", &secret) {
        assert_eq!(call.if_match(&old).to(&bench).await.expect(412).kind(), "stale");
    }
    assert_eq!(bench.state().await, before);

    for call in changes("/clients/app", &secret) {
        let now = Call::get("/clients/app/secrets").to(&bench).await.etag();
        let answer = call.if_match(&now).to(&bench).await;
        assert!([200, 201, 204].contains(&answer.status), "{}", answer.text);
    }
}

#[tokio::test]
async fn nobody_touches_what_holds_more_than_they_do() {
    let bench = bench().await;
    let audiences = json!(["urn:symbolon:admin"]);
    let rotator = with(
        app(),
        json!({ "client_id": "rotator", "scope": "keys:rotate", "audiences": audiences }),
    );
    made(&bench, &rotator).await;
    let secret = secret_id(&bench, "rotator").await;
    bench.gate.lacking(&["keys:rotate"]);
    let before = bench.state().await;
    let mut refused = changes("/clients/rotator", &secret);
    refused.push(Call::patch(
        "/clients/rotator",
        &json!({ "scope": "orders:read" }),
    ));
    refused.push(Call::patch(
        "/clients/app",
        &json!({ "scope": "orders:read keys:rotate" }),
    ));
    let new = with(rotator, json!({ "client_id": "new" }));
    refused.push(Call::post("/clients").json(&new));
    let serve = Call::put("/resource-servers/urn:new");
    refused.push(serve.json(&json!({ "client_id": "rotator" })));
    for call in refused {
        let answer = call.clone().to(&bench).await;
        let (status, kind) = (answer.status, answer.kind());
        assert_eq!((status, kind), (403, "beyond-your-rights"), "{call:?}");
        assert!(answer.body["detail"].as_str().unwrap().contains("keys:rotate"));
    }
    assert_eq!(bench.state().await, before);
    // What the caller has, they may give.
    let patch = Call::patch("/clients/app", &json!({ "scope": "orders:read users:read" }));
    patch.to(&bench).await.expect(200);
}
