//! Bodies that can't be read, or not now.

use std::convert::Infallible;
use std::task::Poll;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request};
use http_body_util::Limited;
use serde_json::json;
use symbolon_testkit::user;
use tokio::sync::oneshot;

use crate::bench::{Bench, Call, MAX_BODY};
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
        (400, Call::get(&format!("/clients?{secret}"))),
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

/// A request whose body never comes, of which no more than the length is known; the other half is told when it is waited for.
fn unfinished(length: Option<usize>) -> (Request<Body>, oneshot::Receiver<()>) {
    let (begun, waited_for) = oneshot::channel();
    let mut begun = Some(begun);
    let never = stream::poll_fn(move |_| {
        begun.take().map(|begun| begun.send(()));
        Poll::<Option<Result<Bytes, Infallible>>>::Pending
    });
    let mut request = Call::put("/roles/staff").json(&json!({})).into_request();
    *request.body_mut() = match length {
        Some(length) => Body::new(Limited::new(Body::from_stream(never), length)),
        None => Body::from_stream(never),
    };
    (request, waited_for)
}

#[tokio::test]
async fn bodies_that_do_not_come_fill_half_of_the_room_and_shut_nobody_else_out() {
    let bench = Bench::new().await;
    let half = 32 << 20;
    let beside = 32 << 10;
    for (length, counts_for) in [
        (None, MAX_BODY + beside),
        (Some(MAX_BODY), MAX_BODY + beside),
        (Some(usize::MAX), MAX_BODY + beside),
        (Some(1), beside + 1),
    ] {
        bench.gate.as_client("console");
        let mut held = Vec::new();
        let refused = loop {
            let (request, waited_for) = unfinished(length);
            let mut answer = Box::pin(bench.send_request(request));
            tokio::select! {
                response = &mut answer => break response,
                Ok(()) = waited_for => held.push(answer),
            }
        };
        assert_eq!(held.len(), half / counts_for, "{length:?}");
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key(RETRY_AFTER));
        let put = || Call::put("/roles/staff").json(&json!({ "scope": "orders:read" }));
        let answer = put().to(&bench).await.expect(503);
        assert_eq!(answer.kind(), "unavailable");
        // What needs no body to be waited for is open to them.
        Call::get("/roles").to(&bench).await.expect(200);
        bench.gate.as_client("another");
        let answer = put().to(&bench).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        bench.gate.as_client("console");
        held.truncate(held.len() - 4);
        put().to(&bench).await.expect(200);
    }
}
