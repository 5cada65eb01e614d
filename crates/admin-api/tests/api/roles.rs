//! `/roles`.

use http::header::LOCATION;
use serde_json::json;
use symbolon_core::audit::MAX_REASON;
use symbolon_testkit::user;

use crate::bench::{ADDRESS, Bench, Call, REQUEST};

#[tokio::test]
async fn a_role_is_made_shown_replaced_and_deleted() {
    let bench = Bench::new().await;
    let made = Call::put("/roles/staff?reason=hired").json(&json!({ "scope": "orders:write orders:read" }));
    let made = made.to(&bench).await.expect(201);
    let first = json!({ "name": "staff", "scope": "orders:read orders:write" });
    assert_eq!(made.body, first);
    assert_eq!(made.headers[LOCATION], "/admin/v1/roles/staff");
    let event = bench.last_event().await;
    assert_eq!(event["event"], "role.put");
    assert_eq!(event["actor"], "client:console");
    assert_eq!(event["reason"], "hired");
    assert_eq!(event["request_id"], REQUEST.to_string());
    assert_eq!(event["address"], ADDRESS.to_string());
    assert_eq!(event["target"]["id"], "staff");
    assert_eq!(event["details"], json!({ "after": first }));

    let shown = Call::get("/roles/staff").to(&bench).await.expect(200);
    assert_eq!((&shown.body, shown.etag()), (&first, made.etag()));

    let replaced = Call::put("/roles/staff").json(&json!({ "scope": "orders:read" }));
    let replaced = replaced.to(&bench).await.expect(200);
    assert_eq!(replaced.body["scope"], "orders:read");
    assert_ne!(replaced.etag(), made.etag());
    let event = bench.last_event().await;
    assert_eq!(
        event["details"],
        json!({ "before": first, "after": replaced.body })
    );
    let listed = Call::get("/roles").to(&bench).await.expect(200);
    assert_eq!(listed.body, json!({ "items": [replaced.body], "next": null }));

    let alice = bench.user(user("alice").roles(&["staff"])).await;
    Call::delete("/roles/staff").to(&bench).await.expect(204);
    let event = bench.last_event().await;
    assert_eq!(event["event"], "role.deleted");
    assert_eq!(event["details"], json!({ "before": replaced.body }));
    Call::get("/roles/staff").to(&bench).await.expect(404);
    assert_eq!(bench.stored(alice.subject).await.unwrap().roles, []);
    // Whoever held it may have cached facts.
    assert_eq!(bench.settled.times(), 3);
}

#[tokio::test]
async fn what_is_no_role_is_not_found() {
    let bench = Bench::new().await;
    for path in [
        "/roles/nobody",
        "/roles/No%20Role",
        "/roles/a%0D%0Ab",
        "/roles/%FF",
    ] {
        Call::get(path).to(&bench).await.expect(404);
        Call::delete(path).to(&bench).await.expect(404);
    }
}

#[tokio::test]
async fn a_role_that_breaks_a_rule_is_not_made() {
    let bench = Bench::new().await;
    let before = bench.state().await;
    for (body, field) in [
        (json!({ "scope": "" }), "scope"),
        (json!({ "scope": "a\r\nb" }), "scope"),
        (json!({ "scope": "\u{1b}[0m" }), "scope"),
        (json!({ "scope": "a ".repeat(65) }), "scope"),
        (json!({ "scope": 1 }), "scope"),
        (json!({ "scope": "a", "scopes": "b" }), "scopes"),
        (json!({}), ""),
    ] {
        let put = Call::put("/roles/staff").json(&body);
        let answer = put.to(&bench).await.expect(422);
        assert!(
            answer.fields()[0] == field || field.is_empty(),
            "{body}: {}",
            answer.text
        );
    }
    let long = format!("/roles/staff?reason={}", "x".repeat(MAX_REASON + 1));
    for path in [
        &*long,
        "/roles/staff?reason=a%0D%0Ab",
        "/roles/staff?reason=%1B%5B0m",
    ] {
        let put = Call::put(path).json(&json!({ "scope": "a" }));
        put.to(&bench).await.expect_fields(422, &["reason"]);
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn a_role_that_has_changed_meanwhile_is_left_alone() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    let old = Call::get("/roles/staff").to(&bench).await.etag();
    bench.role("staff", "orders:write").await;
    let before = bench.state().await;
    for call in [
        Call::put("/roles/staff")
            .json(&json!({ "scope": "a" }))
            .if_match(&old),
        Call::put("/roles/new")
            .json(&json!({ "scope": "a" }))
            .if_match(&old),
        Call::delete("/roles/staff").if_match(&old),
        Call::delete("/roles/staff").if_match("W/\"x\""),
    ] {
        assert_eq!(call.to(&bench).await.expect(412).kind(), "stale");
    }
    assert_eq!(bench.state().await, before);
    let now = Call::get("/roles/staff").to(&bench).await.etag();
    Call::delete("/roles/staff")
        .if_match(&now)
        .to(&bench)
        .await
        .expect(204);
}

#[tokio::test]
async fn nobody_gives_or_takes_a_role_beyond_their_own_rights() {
    let bench = Bench::new().await;
    bench.role("rotators", "keys:rotate").await;
    bench.role("staff", "orders:read").await;
    bench.gate.holding("roles:read roles:write users:read");
    let before = bench.state().await;
    for call in [
        Call::put("/roles/new").json(&json!({ "scope": "keys:rotate" })),
        Call::put("/roles/staff").json(&json!({ "scope": "orders:read keys:rotate" })),
        Call::put("/roles/rotators").json(&json!({ "scope": "orders:read" })),
        Call::delete("/roles/rotators"),
    ] {
        let answer = call.to(&bench).await.expect(403);
        assert_eq!(answer.kind(), "beyond-your-rights");
        assert!(answer.body["detail"].as_str().unwrap().contains("keys:rotate"));
    }
    assert_eq!(bench.state().await, before);
    let put = Call::put("/roles/new").json(&json!({ "scope": "users:read invoices:read" }));
    put.to(&bench).await.expect(201);
}
