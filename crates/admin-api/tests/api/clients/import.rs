//! `POST /clients/import`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{accepts, app, bench, is_nowhere, made, orders, stored, viewed, with};
use crate::bench::{Answer, Bench, Call};

const GIVEN: &str = "0123456789abcdef0123456789abcdef";

async fn import(bench: &Bench, clients: &[Value], dry_run: bool) -> Answer {
    let body = json!({ "clients": clients, "dry_run": dry_run });
    Call::post("/clients/import")
        .json(&body)
        .to(bench)
        .await
        .expect(200)
}

/// What came of each: the outcome and the field.
fn outcomes(answer: &Answer) -> Vec<(&str, Option<&str>)> {
    let clients = answer.body["clients"].as_array().unwrap();
    for (line, client) in (1..).zip(clients) {
        assert_eq!(client["line"], line);
        assert_eq!(
            client["rule"].is_null(),
            ["added", "exists"].contains(&client["outcome"].as_str().unwrap())
        );
    }
    clients
        .iter()
        .map(|client| (client["outcome"].as_str().unwrap(), client["field"].as_str()))
        .collect()
}

#[tokio::test]
async fn one_that_is_refused_holds_no_other_up() {
    let bench = Bench::new().await;
    bench.gate.lacking(&["keys:rotate"]);
    let named = |id: &str, change: Value| with(with(app(), json!({ "client_id": id })), change);
    let clients = [
        named("first", json!({})),
        named("bad scope", json!({})),
        json!("no object"),
        named("a", json!({ "redirect_uris": [] })),
        named("b", json!({ "scope": "keys:rotate" })),
        named("c", json!({ "audiences": ["urn:nobody"] })),
        orders(),
        named("d", json!({ "client_secret": "short" })),
        named(
            "e",
            json!({ "type": "public", "grants": ["password"], "client_secret": GIVEN }),
        ),
        named("f", json!({ "active": "no" })),
        named("first", json!({ "name": "Again" })),
        with(orders(), json!({ "client_id": "g" })),
        named("last", json!({ "client_id": null })),
    ];
    let expected = [
        ("added", None),
        ("refused", Some("client_id")),
        ("refused", None),
        ("refused", Some("redirect_uris")),
        ("refused", None),
        ("refused", Some("audiences")),
        ("added", None),
        ("refused", Some("client_secret")),
        ("refused", Some("client_secret")),
        ("refused", Some("active")),
        ("exists", None),
        ("refused", Some("audience")),
        ("added", None),
    ];
    let before = bench.state().await;
    let foreseen = import(&bench, &clients, true).await;
    assert_eq!(outcomes(&foreseen), expected);
    assert_eq!(foreseen.body["clients"][12]["client_id"], json!(null));
    assert_eq!(bench.state().await, before);

    let done = import(&bench, &clients, false).await;
    assert_eq!(outcomes(&done), expected);
    for answer in [&foreseen, &done] {
        let counts = ["added", "existing", "refused"].map(|name| answer.body[name].as_u64().unwrap());
        assert_eq!(counts, [3, 1, 9]);
        assert!(!answer.text.contains("short") && !answer.text.contains(GIVEN));
    }
    assert_eq!(
        (&foreseen.body["dry_run"], &done.body["dry_run"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(viewed(&bench, "first").await["name"], "App");
    let events = bench.trail().await;
    let created = events.iter().filter(|event| event["event"] == "client.created");
    assert_eq!(created.count(), 3);
    assert_eq!(events[0]["actor"], "client:console");
    let last = done.body["clients"][12]["client_id"].as_str().unwrap();
    assert!(stored(&bench, last).await.is_some());
}

#[tokio::test]
async fn secrets_are_taken_or_made() {
    let bench = bench().await;
    let clients = [
        with(app(), json!({ "client_id": "own", "client_secret": GIVEN })),
        with(app(), json!({ "client_id": "new" })),
    ];
    let foreseen = import(&bench, &clients, true).await;
    assert_eq!(foreseen.body["clients"][1]["client_secret"], json!(null));
    let answer = import(&bench, &clients, false).await;
    let [own, new] = [0, 1].map(|index| answer.body["clients"][index]["client_secret"].clone());
    assert_eq!(own, json!(null));
    assert!(accepts(&bench, "own", GIVEN).await);
    assert!(accepts(&bench, "new", new.as_str().unwrap()).await);
    is_nowhere(&bench, "own", GIVEN).await;
    is_nowhere(&bench, "new", new.as_str().unwrap()).await;
}

#[tokio::test]
async fn what_one_server_lists_another_takes() {
    let from = bench().await;
    let change = json!({ "access_token_lifetime": 60, "default_scope": "orders:read" });
    Call::patch("/clients/app", &change).to(&from).await.expect(200);
    Call::post("/clients/app/disable").to(&from).await.expect(200);
    let mut listed = Call::get("/clients").to(&from).await.items().to_vec();
    // Those who wait for others may come first.
    listed.reverse();
    let to = Bench::new().await;
    to.clock.advance(Duration::from_secs(1));
    let answer = import(&to, &listed, false).await;
    assert_eq!(outcomes(&answer), [("added", None); 2]);
    for id in ["app", "orders"] {
        let [mut one, mut other] = [viewed(&from, id).await, viewed(&to, id).await];
        assert_ne!(one["uid"], other["uid"]);
        for view in [&mut one, &mut other] {
            for own in ["uid", "created", "created_ms", "secrets"] {
                view.as_object_mut().unwrap().remove(own);
            }
        }
        assert_eq!(one, other);
    }
    assert!(!stored(&to, "app").await.unwrap().active);
    let again = import(&to, &listed, false).await;
    assert_eq!(outcomes(&again), [("exists", None); 2]);
}

#[tokio::test]
async fn clients_that_wait_for_each_other_are_refused() {
    let bench = Bench::new().await;
    let one = json!({ "client_id": "one", "serves": [{ "audience": "urn:one" }], "audiences": ["urn:two"] });
    let two = json!({ "client_id": "two", "serves": [{ "audience": "urn:two" }], "audiences": ["urn:one"] });
    let ring = [with(app(), one), with(app(), two)];
    for dry_run in [true, false] {
        let answer = import(&bench, &ring, dry_run).await;
        assert_eq!(outcomes(&answer), [("refused", Some("audiences")); 2]);
    }
}

#[tokio::test]
async fn an_import_is_bounded() {
    let bench = Bench::new().await;
    let post = |body: Value| Call::post("/clients/import").json(&body);
    let many = post(json!({ "clients": vec![json!({}); 501] }));
    many.to(&bench).await.expect_fields(422, &["clients"]);
    let unknown = post(json!({ "clients": [], "mode": "x" }));
    unknown.to(&bench).await.expect_fields(422, &["mode"]);
    assert_eq!(import(&bench, &[], false).await.body["clients"], json!([]));
    made(&bench, &orders()).await;
}
