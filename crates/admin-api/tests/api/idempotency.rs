//! Requests that are repeated under one key.

use serde_json::json;

use crate::bench::{Bench, Call};

fn make(username: &str) -> Call {
    Call::post("/users").json(&json!({ "username": username, "password": "correct horse" }))
}

#[tokio::test]
async fn a_repeated_request_has_one_effect_and_gets_the_first_answer() {
    let bench = Bench::new().await;
    let first = make("alice").key("k1").to(&bench).await.expect(201);
    let after = bench.state().await;
    let again = make("alice").key("k1").to(&bench).await.expect(201);
    assert_eq!(again.body, first.body);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert!(!first.headers.contains_key("idempotency-replayed"));
    assert_eq!(bench.state().await, after);
}

#[tokio::test]
async fn racing_requests_under_one_key_have_one_effect() {
    let bench = Bench::new().await;
    let (one, other) = tokio::join!(
        make("alice").key("k1").to(&bench),
        make("alice").key("k1").to(&bench)
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    // The second was answered in place of the first, or came while that was under way.
    assert!([[201, 201], [201, 409]].contains(&statuses), "{statuses:?}");
    let made = bench.trail().await;
    assert_eq!(made.iter().filter(|it| it["event"] == "user.created").count(), 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let bench = Bench::new().await;
    let made = make("alice").key("k1").to(&bench).await.expect(201);
    let after = bench.state().await;
    let disable = format!("/users/{}/disable", made.body["subject"].as_str().unwrap());
    for other in [make("bob"), Call::post("/users?reason=x"), Call::post(&disable)] {
        let answer = other.key("k1").to(&bench).await.expect(422);
        assert_eq!(answer.kind(), "idempotency-key-reused");
    }
    assert_eq!(bench.state().await, after);
}

#[tokio::test]
async fn a_key_belongs_to_one_caller() {
    let bench = Bench::new().await;
    make("alice").key("k1").to(&bench).await.expect(201);
    bench.gate.as_client("other");
    make("bob").key("k1").to(&bench).await.expect(201);
}

#[tokio::test]
async fn a_client_gets_no_answer_of_one_that_had_its_name() {
    let bench = Bench::new().await;
    let made = make("alice").key("k1").to(&bench).await.expect(201);
    bench.gate.as_namesake();
    let refused = make("alice").key("k1").to(&bench).await.expect(409);
    assert_eq!(refused.kind(), "taken", "it was tried by itself");
    assert!(!refused.text.contains(made.body["subject"].as_str().unwrap()));
}

#[tokio::test]
async fn an_answer_is_for_the_scope_that_it_was_made_for() {
    let bench = Bench::new().await;
    bench.gate.holding("users:read users:write");
    make("alice").key("k1").to(&bench).await.expect(201);
    let after = bench.state().await;
    for other in ["users:write", "users:read users:write roles:read"] {
        bench.gate.holding(other);
        let answer = make("alice").key("k1").to(&bench).await.expect(422);
        assert_eq!(answer.kind(), "idempotency-key-reused");
    }
    bench.gate.holding("users:write users:read");
    let again = make("alice").key("k1").to(&bench).await.expect(201);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(bench.state().await, after);
}

/// Neither is kept: the database would grow by each, and there is no effect that could be had twice.
#[tokio::test]
async fn what_changes_nothing_leaves_its_key_free() {
    let bench = Bench::new().await;
    let line = |name: &str| json!({ "username": name, "password_hash": "x" });
    let good = json!({ "username": "alice", "password": "correct horse" });
    for (path, body) in [
        ("/users/import", json!({ "users": [line("alice"), line("bob")] })),
        ("/users/import", json!({ "users": [good], "dry_run": true })),
        ("/clients/import", json!({ "clients": [{ "client_id": "app" }] })),
        (
            "/revocations",
            json!({ "filter": { "all": {} }, "reason": "x", "dry_run": true }),
        ),
        ("/audit/verify", json!({})),
    ] {
        let ask = || Call::post(path).json(&body).key("k1").to(&bench);
        for _ in 0..2 {
            let answer = ask().await.expect(200);
            assert!(!answer.headers.contains_key("idempotency-replayed"), "{path}");
        }
    }
    make("alice").key("k1").to(&bench).await.expect(201);
}

#[tokio::test]
async fn an_import_that_adds_somebody_has_one_effect() {
    let bench = Bench::new().await;
    let good = json!({ "username": "alice", "password": "correct horse" });
    let body = json!({ "users": [good, { "username": "bob" }] });
    let ask = || Call::post("/users/import").json(&body).key("k1").to(&bench);
    let first = ask().await.expect(200);
    let again = ask().await.expect(200);
    assert_eq!((&again.body, &again.body["added"]), (&first.body, &json!(1)));
    assert_eq!(again.headers["idempotency-replayed"], "true");
}

#[tokio::test]
async fn a_caller_has_ten_thousand_keys_at_a_time() {
    let bench = Bench::new().await;
    make("alice").key("k1").to(&bench).await.expect(201);
    bench
        .sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
             INSERT INTO idempotency_keys (key, request, begun_ms) \
             SELECT unhex(substr(hex(key), 1, 32) || printf('%032d', i)), request, begun_ms \
             FROM idempotency_keys, n",
        )
        .await;
    let after = bench.state().await;
    let refused = make("bob").key("k2").to(&bench).await.expect(429);
    assert_eq!(refused.kind(), "too-many-idempotency-keys");
    assert_eq!(bench.state().await, after);
    let again = make("alice").key("k1").to(&bench).await.expect(201);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    make("bob").to(&bench).await.expect(201);
    bench.gate.as_client("other");
    make("carol").key("k2").to(&bench).await.expect(201);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let bench = Bench::new().await;
    bench.gate.holding("users:write");
    let make = || {
        let body = json!({ "username": "alice", "password": "correct horse", "roles": ["staff"] });
        Call::post("/users").json(&body).key("k1")
    };
    make().to(&bench).await.expect_fields(422, &["roles"]);
    bench.role("staff", "orders:read").await;
    make().to(&bench).await.expect(201);
}

#[tokio::test]
async fn what_could_not_be_done_for_so_much_that_changes_leaves_its_key_free() {
    let bench = Bench::new().await;
    bench.gate.judged_elsewhere(true);
    let before = bench.state().await;
    let busy = make("alice").key("k1").to(&bench).await.expect(503);
    assert_eq!(busy.kind(), "busy");
    assert_eq!(busy.headers["retry-after"], "2");
    assert_eq!(bench.state().await, before);
    bench.gate.judged_elsewhere(false);
    make("alice").key("k1").to(&bench).await.expect(201);
}

#[tokio::test]
async fn a_key_without_the_scope_gets_no_answer_of_others() {
    let bench = Bench::new().await;
    make("alice").key("k1").to(&bench).await.expect(201);
    bench.gate.lacking(&["users:write"]);
    make("alice").key("k1").to(&bench).await.expect(403);
}

#[tokio::test]
async fn keys_are_bounded_and_single() {
    let bench = Bench::new().await;
    make("alice").key("").to(&bench).await.expect(400);
    make("alice").key(&"k".repeat(256)).to(&bench).await.expect(400);
    make("alice").key("k1").key("k2").to(&bench).await.expect(400);
    make("alice").key(&"k".repeat(255)).to(&bench).await.expect(201);
}
