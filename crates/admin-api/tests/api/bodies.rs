//! Bodies that can't be read.

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::json;
use symbolon_testkit::user;

use crate::bench::{Bench, Call};
use crate::clients::bench;

#[tokio::test]
async fn a_member_that_is_given_twice_is_named_and_nothing_is_changed() {
    let bench = bench().await;
    let alice = bench.user(user("alice")).await;
    let path = format!("/users/{}", alice.subject);
    let before = bench.state().await;
    for (method, path, body, field) in [
        (
            Method::PATCH,
            "/clients/app",
            r#"{"name":"A","name":"B"}"#,
            "name",
        ),
        (
            Method::PATCH,
            "/clients/app",
            r#"{"serves":[{"audience":"urn:a","audience":"urn:b"}]}"#,
            "serves[0].audience",
        ),
        (
            Method::PATCH,
            &*path,
            r#"{"username":"bob","email":null,"usernam\u0065":"eve"}"#,
            "username",
        ),
        (
            Method::POST,
            "/clients",
            r#"{"name":"A","client_id":"a","client_id":"b"}"#,
            "client_id",
        ),
        (
            Method::POST,
            "/users",
            r#"{"username":"bob","password_hash":{"value":"a","value":"b"}}"#,
            "password_hash.value",
        ),
        (
            Method::POST,
            "/keys/import",
            r#"{"key":"x","dry_run":true,"dry_run":false}"#,
            "dry_run",
        ),
        (
            Method::PUT,
            "/roles/staff",
            r#"{"scope":"a","scope":"b"}"#,
            "scope",
        ),
    ] {
        let kind = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let call = Call::new(method, path).header(CONTENT_TYPE, kind).raw(body);
        let answer = call.to(&bench).await.expect_fields(400, &[field]);
        assert_eq!(answer.kind(), "malformed");
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn of_many_clients_the_one_that_names_a_member_twice_is_refused() {
    let bench = Bench::new().await;
    let body = r#"{"clients":[
        {"client_id":"a","name":"A","serves":[{"audience":"urn:c"}]},
        {"client_id":"b","name":"B","serves":[{"audience":"urn:a","audience":"urn:b"}]}
    ]}"#;
    let import = Call::post("/clients/import").header(CONTENT_TYPE, "application/json");
    let done = import.raw(body).to(&bench).await.expect(200);
    let [made, refused] = done.body["clients"].as_array().unwrap().as_slice() else {
        panic!("{}", done.text);
    };
    assert_eq!(made["outcome"], "added");
    assert_eq!(
        (&refused["outcome"], &refused["field"]),
        (&json!("refused"), &json!("serves[0].audience"))
    );
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_repeated() {
    let bench = bench().await;
    let secret = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
    let before = bench.state().await;
    for (status, call) in [
        (
            422,
            Call::post("/revocations").json(&json!({ "filter": { "token": secret }, "reason": "x" })),
        ),
        (
            422,
            Call::post("/revocations").json(&json!({ "filter": { secret: {} }, "reason": "x" })),
        ),
        (
            422,
            Call::post("/revocations").json(&json!({ "filter": secret, "reason": "x" })),
        ),
        (
            422,
            Call::post("/clients").json(&json!({ "name": "A", "type": secret })),
        ),
        (422, Call::patch("/clients/app", &json!({ "grants": secret }))),
        (422, Call::patch("/clients/app", &json!({ secret: null }))),
        (422, Call::put("/roles/staff").json(&json!(secret))),
        (400, Call::get(&format!("/clients?active={secret}"))),
        (404, Call::get(&format!("/sessions/{secret}"))),
    ] {
        let what = format!("{} {}", call.method, call.path);
        let answer = call.to(&bench).await.expect(status);
        assert!(!answer.text.contains("eyJ"), "{what}: {}", answer.text);
    }
    let import = json!({ "clients": [{ "name": "A", "grants": secret }, { "name": "A", secret: 1 }] });
    let done = Call::post("/clients/import")
        .json(&import)
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(done.body["refused"], 2);
    assert!(!done.text.contains("eyJ"), "{}", done.text);
    assert_eq!(bench.state().await, before);
}
