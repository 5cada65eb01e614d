//! `/resource-servers`.

use http::header::LOCATION;
use serde_json::{Value, json};

use crate::bench::{Bench, Call};
use crate::clients::{app, bench, made, orders, viewed, with};

const ENCODED: &str = "/resource-servers/https%3A%2F%2Fapi.example%2Fv1";

fn put(path: &str, body: Value) -> Call {
    Call::put(path).json(&body)
}

/// What a client serves.
async fn serves(bench: &Bench, client_id: &str) -> Value {
    viewed(bench, client_id).await["serves"].clone()
}

#[tokio::test]
async fn a_resource_server_is_made_shown_replaced_and_deleted() {
    let bench = bench().await;
    let before = viewed(&bench, "orders").await;
    let call = put(&format!("{ENCODED}?reason=new"), json!({ "client_id": "orders" }));
    let answer = call.to(&bench).await.expect(201);
    assert_eq!(answer.headers[LOCATION], format!("/admin/v1{ENCODED}"));
    let first = json!({
        "audience": "https://api.example/v1",
        "client_id": "orders",
        "client_uid": before["uid"],
        "active": true,
        "signing_alg": null,
        "access_token_lifetime": null,
    });
    assert_eq!(answer.body, first);
    let shown = Call::get(ENCODED).to(&bench).await.expect(200);
    assert_eq!((&shown.body, shown.etag()), (&first, answer.etag()));
    let event = bench.last_event().await;
    assert_eq!(
        (&event["event"], &event["reason"]),
        (&json!("client.updated"), &json!("new"))
    );
    let after = viewed(&bench, "orders").await;
    assert_eq!(event["details"], json!({ "before": before, "after": after }));

    let body = json!({ "client_id": "orders", "signing_alg": "ES256", "access_token_lifetime": 60 });
    let replaced = put(ENCODED, body).to(&bench).await.expect(200);
    assert_ne!(replaced.etag(), shown.etag());
    let kept = json!([
        { "audience": "urn:orders", "signing_alg": null, "access_token_lifetime": null },
        { "audience": "https://api.example/v1", "signing_alg": "ES256", "access_token_lifetime": 60 },
    ]);
    assert_eq!(serves(&bench, "orders").await, kept);

    Call::delete(ENCODED).to(&bench).await.expect(204);
    Call::get(ENCODED).to(&bench).await.expect(404);
    assert_eq!(serves(&bench, "orders").await, before["serves"]);
    assert_eq!(bench.last_event().await["details"]["after"], before);
}

#[tokio::test]
async fn resource_servers_are_listed_by_audience() {
    let bench = bench().await;
    for audience in ["urn:b", "urn:a", "urn:a:b"] {
        let path = format!("/resource-servers/{audience}");
        put(&path, json!({ "client_id": "orders" }))
            .to(&bench)
            .await
            .expect(201);
        Call::get(&path).to(&bench).await.expect(200);
    }
    Call::post("/clients/orders/disable").to(&bench).await.expect(200);
    let mut found = Vec::new();
    let mut path = "/resource-servers?limit=3".to_owned();
    loop {
        let page = Call::get(&path).to(&bench).await.expect(200);
        for item in page.items() {
            assert_eq!(item["active"], false);
            found.push(item["audience"].as_str().unwrap().to_owned());
        }
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        path = format!("/resource-servers?limit=3&after={next}");
    }
    assert_eq!(found, ["urn:a", "urn:a:b", "urn:b", "urn:orders"]);
    let of_another = format!("/clients?{}", path.split_once('?').unwrap().1);
    Call::get(&of_another).to(&bench).await.expect(400);
}

#[tokio::test]
async fn what_nobody_serves_is_not_found() {
    let bench = bench().await;
    for path in [
        "urn:nobody",
        "urn:order",
        "urn:orders!",
        "orders",
        "%FF",
        "urn:symbolon:admin",
    ] {
        let path = format!("/resource-servers/{path}");
        Call::get(&path).to(&bench).await.expect(404);
        Call::delete(&path).to(&bench).await.expect(404);
    }
    let call = put("/resource-servers/orders", json!({ "client_id": "orders" }));
    call.to(&bench).await.expect(404);
}

#[tokio::test]
async fn what_breaks_a_rule_changes_nothing() {
    let bench = bench().await;
    let public = json!({ "client_id": "spa", "type": "public", "grants": ["password"] });
    made(&bench, &with(app(), public)).await;
    let before = bench.state().await;
    for (path, body, field) in [
        ("urn:new", json!({ "client_id": "nobody" }), "client_id"),
        ("urn:new", json!({ "client_id": "spa" }), "client_id"),
        (
            "urn:new",
            json!({ "client_id": "orders", "signing_alg": "RS256" }),
            "signing_alg",
        ),
        (
            "urn:new",
            json!({ "client_id": "orders", "signing_alg": "none" }),
            "signing_alg",
        ),
        (
            "urn:new",
            json!({ "client_id": "orders", "access_token_lifetime": 9 }),
            "access_token_lifetime",
        ),
        (
            "urn:orders",
            json!({ "client_id": "orders", "access_token_lifetime": 3601 }),
            "access_token_lifetime",
        ),
        ("urn:new", json!({ "client_id": "orders", "alg": "ES256" }), "alg"),
        ("urn:symbolon:admin", json!({ "client_id": "orders" }), "audience"),
    ] {
        let call = put(&format!("/resource-servers/{path}"), body);
        call.to(&bench).await.expect_fields(422, &[field]);
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn a_resource_server_is_not_moved() {
    let bench = bench().await;
    let before = bench.state().await;
    let call = put("/resource-servers/urn:orders", json!({ "client_id": "app" }));
    let answer = call.to(&bench).await.expect_fields(409, &["client_id"]);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("orders") && detail.contains("delete"), "{detail}");
    // It is all that its client is.
    let answer = Call::delete("/resource-servers/urn:orders")
        .to(&bench)
        .await
        .expect(409);
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .contains("delete the client")
    );
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn a_resource_server_that_has_changed_meanwhile_is_left_alone() {
    let bench = bench().await;
    let path = "/resource-servers/urn:new";
    let body = json!({ "client_id": "orders" });
    let old = put(path, body.clone()).to(&bench).await.etag();
    let changed = json!({ "client_id": "orders", "access_token_lifetime": 60 });
    let now = put(path, changed).to(&bench).await.expect(200).etag();
    let before = bench.state().await;
    let calls = [
        put(path, body.clone()),
        put("/resource-servers/urn:other", body.clone()),
        Call::delete(path),
    ];
    for call in calls {
        assert_eq!(call.if_match(&old).to(&bench).await.expect(412).kind(), "stale");
    }
    assert_eq!(bench.state().await, before);
    let now = put(path, body).if_match(&now).to(&bench).await.expect(200).etag();
    Call::delete(path).if_match(&now).to(&bench).await.expect(204);
}

#[tokio::test]
async fn nobody_touches_the_resource_servers_of_a_client_beyond_their_rights() {
    let bench = Bench::new().await;
    let change = json!({
        "client_id": "rotator",
        "scope": "keys:rotate",
        "audiences": ["urn:symbolon:admin"],
        "serves": [{ "audience": "urn:keys" }],
    });
    made(&bench, &with(app(), change)).await;
    made(&bench, &orders()).await;
    bench.gate.lacking(&["keys:rotate"]);
    let before = bench.state().await;
    for call in [
        put(
            "/resource-servers/urn:keys",
            json!({ "client_id": "rotator", "access_token_lifetime": 60 }),
        ),
        put("/resource-servers/urn:new", json!({ "client_id": "rotator" })),
        Call::delete("/resource-servers/urn:keys"),
    ] {
        assert_eq!(call.to(&bench).await.expect(403).kind(), "beyond-your-rights");
    }
    assert_eq!(bench.state().await, before);
}
