//! `/scopes`.

use http::header::LOCATION;
use serde_json::json;

use crate::bench::{Bench, Call};

fn put(path: &str, description: &str) -> Call {
    Call::put(path).json(&json!({ "description": description }))
}

#[tokio::test]
async fn a_scope_is_registered_shown_replaced_and_deleted() {
    let bench = Bench::new().await;
    let made = put("/scopes/orders%3Aread?reason=new", "Read orders")
        .to(&bench)
        .await
        .expect(201);
    let first = json!({ "name": "orders:read", "description": "Read orders" });
    assert_eq!(made.body, first);
    assert_eq!(made.headers[LOCATION], "/admin/v1/scopes/orders%3Aread");
    let event = bench.last_event().await;
    assert_eq!(
        (&event["event"], &event["reason"]),
        (&json!("scope.put"), &json!("new"))
    );
    assert_eq!(event["details"], json!({ "after": first }));
    let shown = Call::get("/scopes/orders:read").to(&bench).await.expect(200);
    assert_eq!((&shown.body, shown.etag()), (&first, made.etag()));

    let replaced = put("/scopes/orders:read", "Read all orders")
        .to(&bench)
        .await
        .expect(200);
    assert_ne!(replaced.etag(), made.etag());
    let event = bench.last_event().await;
    assert_eq!(
        event["details"],
        json!({ "before": first, "after": replaced.body })
    );
    let listed = Call::get("/scopes").to(&bench).await.expect(200);
    assert_eq!(listed.body, json!({ "items": [replaced.body], "next": null }));

    let before = bench.state().await;
    put("/scopes/orders:read", "Read all orders")
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(bench.state().await, before);

    Call::delete("/scopes/orders:read").to(&bench).await.expect(204);
    let event = bench.last_event().await;
    assert_eq!(event["event"], "scope.deleted");
    assert_eq!(event["details"], json!({ "before": replaced.body }));
    Call::get("/scopes/orders:read").to(&bench).await.expect(404);
}

#[tokio::test]
async fn what_is_no_scope_is_not_found() {
    let bench = Bench::new().await;
    let long = format!("/scopes/{}", "a".repeat(129));
    for path in [
        "/scopes/nobody",
        "/scopes/a%20b",
        "/scopes/%22",
        "/scopes/%FF",
        &long,
    ] {
        Call::get(path).to(&bench).await.expect(404);
        Call::delete(path).to(&bench).await.expect(404);
    }
    put(&long, "").to(&bench).await.expect(404);
}

#[tokio::test]
async fn what_breaks_a_rule_is_not_registered() {
    let bench = Bench::new().await;
    let before = bench.state().await;
    for (body, field) in [
        (json!({ "description": "x".repeat(201) }), "description"),
        (json!({ "description": "a\r\nb" }), "description"),
        (json!({ "description": null }), "description"),
        (json!({ "description": "a", "name": "b" }), "name"),
    ] {
        let call = Call::put("/scopes/a").json(&body);
        call.to(&bench).await.expect_fields(422, &[field]);
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn a_scope_that_has_changed_meanwhile_is_left_alone() {
    let bench = Bench::new().await;
    let old = put("/scopes/a", "one").to(&bench).await.etag();
    let now = put("/scopes/a", "two").to(&bench).await.etag();
    let before = bench.state().await;
    for call in [
        put("/scopes/a", "three"),
        Call::delete("/scopes/a"),
        put("/scopes/b", "new"),
    ] {
        assert_eq!(call.if_match(&old).to(&bench).await.expect(412).kind(), "stale");
    }
    assert_eq!(bench.state().await, before);
    let call = put("/scopes/a", "three").if_match(&now);
    let now = call.to(&bench).await.expect(200).etag();
    Call::delete("/scopes/a")
        .if_match(&now)
        .to(&bench)
        .await
        .expect(204);
}
