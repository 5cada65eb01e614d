//! `POST /clients`.

use http::header::LOCATION;
use serde_json::json;

use super::{accepts, app, bench, is_nowhere, made, orders, stored, viewed, with};
use crate::bench::{Bench, Call};

#[tokio::test]
async fn a_client_is_made_with_a_secret_that_is_shown_once() {
    let bench = Bench::new().await;
    made(&bench, &orders()).await;
    let call = Call::post("/clients?reason=new").json(&app());
    let answer = call.to(&bench).await.expect(201);
    assert_eq!(answer.headers[LOCATION], "/admin/v1/clients/app");
    let shown = Call::get("/clients/app").to(&bench).await.expect(200);
    assert_eq!(
        (&shown.body, shown.etag()),
        (&answer.body["client"], answer.etag())
    );
    let view = &shown.body;
    assert_eq!(view["type"], "confidential");
    assert_eq!(view["active"], true);
    assert_eq!(view["auth_methods"], json!(["client_secret_basic"]));
    assert_eq!(view["grants"], json!(["client_credentials"]));
    assert_eq!(view["audiences"], json!(["urn:orders"]));
    assert_eq!(view["inactive_audiences"], json!([]));
    assert_eq!(view["secrets"][0]["id"], answer.body["secret_id"]);

    let event = bench.last_event().await;
    assert_eq!(
        (&event["event"], &event["reason"]),
        (&json!("client.created"), &json!("new"))
    );
    assert_eq!(event["target"]["id"], view["uid"]);
    assert_eq!(event["details"], json!({ "after": view }));

    let secret = answer.body["client_secret"].as_str().unwrap();
    assert!(accepts(&bench, "app", secret).await);
    is_nowhere(&bench, "app", secret).await;
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let bench = bench().await;
    let public = json!({ "client_id": "spa", "type": "public", "grants": ["password", "refresh_token"] });
    let answer = made(&bench, &with(app(), public)).await;
    assert_eq!(answer.body["client_secret"], json!(null));
    assert_eq!(answer.body["secret_id"], json!(null));
    assert_eq!(answer.body["client"]["secrets"], json!([]));
    assert_eq!(answer.body["client"]["auth_methods"], json!(["none"]));
}

#[tokio::test]
async fn everything_that_is_decided_is_kept() {
    let bench = bench().await;
    let decided = json!({
        "name": "All of it",
        "auth_methods": ["client_secret_basic", "client_secret_post"],
        "grants": ["client_credentials", "password", "refresh_token"],
        "scope": "a b c",
        "default_scope": "a b",
        "audiences": ["urn:orders", "urn:all"],
        "serves": [{ "audience": "urn:all", "signing_alg": "ES256", "access_token_lifetime": 60 }],
        "access_token_lifetime": 120,
        "session_lifetime": 3600,
        "refresh_idle_lifetime": 600,
        "rotation": "always",
        "late_recoveries": 3,
        "signing_alg": "ES256",
        "cors_origins": ["https://app.example"],
    });
    made(&bench, &with(decided.clone(), json!({ "client_id": "all" }))).await;
    let view = viewed(&bench, "all").await;
    for (name, value) in decided.as_object().unwrap() {
        assert_eq!(&view[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_client_id_is_made_where_none_is_given() {
    let bench = bench().await;
    let answer = made(&bench, &with(app(), json!({ "client_id": null }))).await;
    let view = &answer.body["client"];
    assert_eq!(view["client_id"], view["uid"]);
    let path = format!("/clients/{}", view["uid"].as_str().unwrap());
    Call::get(&path).to(&bench).await.expect(200);
}

#[tokio::test]
async fn every_client_id_leads_to_its_client() {
    let bench = bench().await;
    let odd = made(&bench, &with(app(), json!({ "client_id": "a/b?c=%20&d" }))).await;
    let location = odd.headers[LOCATION].to_str().unwrap();
    assert_eq!(location, "/admin/v1/clients/a%2Fb%3Fc%3D%2520%26d");
    let path = location.strip_prefix("/admin/v1").unwrap();
    let shown = Call::get(path).to(&bench).await.expect(200);
    assert_eq!(shown.body["client_id"], "a/b?c=%20&d");
    // Clients of HTTP take a path apart that holds this, whether or not it is encoded.
    let dots = made(&bench, &with(app(), json!({ "client_id": ".." }))).await;
    let path = format!("/clients/{}", dots.body["client"]["uid"].as_str().unwrap());
    assert_eq!(Call::get(&path).to(&bench).await.body["client_id"], "..");
}

#[tokio::test]
async fn a_repeated_request_makes_one_client_and_shows_its_secret_once() {
    let bench = Bench::new().await;
    let call = Call::post("/clients").json(&orders()).key("k1");
    let first = call.clone().to(&bench).await.expect(201);
    let after = bench.state().await;
    let again = call.to(&bench).await.expect(409);
    assert!(!again.text.contains(first.body["client_secret"].as_str().unwrap()));
    assert_eq!(bench.state().await, after);
}

#[tokio::test]
async fn names_are_taken_once() {
    let bench = bench().await;
    let before = bench.state().await;
    let post = |client| Call::post("/clients").json(&client);
    let twice = post(with(app(), json!({ "name": "Another" })));
    twice.to(&bench).await.expect_fields(409, &["client_id"]);
    let serves = post(with(orders(), json!({ "client_id": "another" })));
    serves.to(&bench).await.expect_fields(409, &["audience"]);
    let unknown = post(with(
        app(),
        json!({ "client_id": "another", "audiences": ["urn:nobody"] }),
    ));
    unknown.to(&bench).await.expect_fields(422, &["audiences"]);
    assert_eq!(bench.state().await, before);
    assert!(stored(&bench, "another").await.is_none());
}

#[tokio::test]
async fn a_client_that_breaks_a_rule_is_not_made() {
    let bench = bench().await;
    let before = bench.state().await;
    for (change, field) in [
        (
            json!({ "client_id": "0190c7a0-0000-7000-8000-000000000000" }),
            "client_id",
        ),
        (json!({ "client_id": "a b" }), "client_id"),
        (json!({ "name": "" }), "name"),
        (json!({ "type": "trusted" }), "type"),
        (json!({ "grants": ["implicit"] }), "grants[0]"),
        (json!({ "scope": "" }), "scope"),
        (json!({ "default_scope": "orders:write" }), "default_scope"),
        (json!({ "audiences": ["orders"] }), "audiences[0]"),
        (json!({ "signing_alg": "RS256" }), "signing_alg"),
        (json!({ "access_token_lifetime": 5 }), "access_token_lifetime"),
        (json!({ "access_token_lifetime": "5m" }), "access_token_lifetime"),
        (
            json!({ "serves": [{ "audience": "urn:symbolon:admin" }] }),
            "serves",
        ),
        (
            json!({ "serves": [{ "audience": "urn:a", "alg": "ES256" }] }),
            "serves[0].alg",
        ),
        (
            json!({ "cors_origins": ["https://app.example/"] }),
            "cors_origins",
        ),
        (json!({ "redirect_uris": [] }), "redirect_uris"),
        (json!({ "client_secret": "mine" }), "client_secret"),
        (json!({ "active": false }), "active"),
    ] {
        let client = with(with(app(), json!({ "client_id": "new" })), change);
        let answer = Call::post("/clients").json(&client).to(&bench).await;
        answer.expect_fields(422, &[field]);
    }
    let nameless = Call::post("/clients").json(&json!({}));
    nameless.to(&bench).await.expect_fields(422, &["name"]);
    assert_eq!(bench.state().await, before);
}
