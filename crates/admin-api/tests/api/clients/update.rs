//! `PATCH /clients/{client_id}`.

use serde_json::json;

use super::{bench, stored, viewed, with};
use crate::bench::Call;

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let bench = bench().await;
    let before = Call::get("/clients/app").to(&bench).await;
    let settled = bench.settled.times();
    let change = json!({ "scope": "orders:read orders:write", "access_token_lifetime": 60 });
    let answer = Call::patch("/clients/app?reason=more", &change)
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(answer.body, with(before.body.clone(), change));
    assert_ne!(answer.etag(), before.etag());
    let shown = Call::get("/clients/app").to(&bench).await;
    assert_eq!((&shown.body, shown.etag()), (&answer.body, answer.etag()));
    let event = bench.last_event().await;
    assert_eq!(
        (&event["event"], &event["reason"]),
        (&json!("client.updated"), &json!("more"))
    );
    assert_eq!(
        event["details"],
        json!({ "before": before.body, "after": answer.body })
    );
    assert_eq!(bench.settled.times(), settled + 1);

    let back = json!({ "access_token_lifetime": null, "scope": "orders:read" });
    let answer = Call::patch("/clients/app", &back).to(&bench).await.expect(200);
    assert_eq!(answer.body, before.body);
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_event() {
    let bench = bench().await;
    let before = bench.state().await;
    for patch in [
        json!({}),
        json!({ "name": "App", "client_id": "app", "type": "confidential" }),
    ] {
        Call::patch("/clients/app", &patch).to(&bench).await.expect(200);
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn a_patch_that_breaks_a_rule_changes_nothing() {
    let bench = bench().await;
    let before = bench.state().await;
    for (patch, field) in [
        (json!({ "client_id": "other" }), "client_id"),
        (json!({ "client_id": null }), "client_id"),
        (json!({ "type": "public" }), "type"),
        (json!({ "name": null }), "name"),
        (json!({ "grants": ["password", "password"] }), "grants[1]"),
        (json!({ "auth_methods": ["none"] }), "auth_methods"),
        (json!({ "audiences": ["urn:nobody"] }), "audiences"),
        (
            json!({ "serves": [{ "audience": "urn:a", "signing_alg": "RS256" }] }),
            "serves[0].signing_alg",
        ),
        (json!({ "uid": "0190c7a0-0000-7000-8000-000000000000" }), "uid"),
        (json!({ "secrets": [] }), "secrets"),
        (json!({ "active": false }), "active"),
    ] {
        let answer = Call::patch("/clients/app", &patch).to(&bench).await;
        answer.expect_fields(422, &[field]);
    }
    let taken = json!({ "serves": [{ "audience": "urn:orders" }] });
    let answer = Call::patch("/clients/app", &taken).to(&bench).await;
    answer.expect_fields(409, &["audience"]);
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn of_two_admins_at_once_exactly_one_wins() {
    let bench = bench().await;
    let read = Call::get("/clients/app").to(&bench).await.etag();
    let rename = |to: &str| {
        let call = Call::patch("/clients/app", &json!({ "name": to })).if_match(&read);
        call.to(&bench)
    };
    let (one, other) = tokio::join!(rename("One"), rename("Other"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let winner = if one.status == 200 { one } else { other };
    assert_eq!(winner.body, viewed(&bench, "app").await);
}

#[tokio::test]
async fn an_audience_that_is_gone_may_stay_on_the_list() {
    let bench = bench().await;
    Call::delete("/clients/orders").to(&bench).await.expect(204);
    let answer = Call::patch("/clients/app", &json!({ "name": "Still" }))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(answer.body["inactive_audiences"], json!(["urn:orders"]));
    assert_eq!(stored(&bench, "app").await.unwrap().policy.name, "Still");
}
