//! `PATCH /users/{subject}`.

use serde_json::{Value, json};
use symbolon_testkit::user;

use super::{path, recorded};
use crate::bench::{Bench, Call};

#[tokio::test]
async fn renames_a_user_and_leaves_the_rest() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    let alice = bench
        .user(user("alice").email("alice@example.com").roles(&["staff"]))
        .await;
    let before = recorded(&bench, &alice).await;
    let read = Call::get(&path(&alice)).to(&bench).await.etag();
    let renamed = Call::patch(
        &format!("{}?reason=married", path(&alice)),
        &json!({ "username": "Anna" }),
    );
    let renamed = renamed.if_match(&read).to(&bench).await.expect(200);
    let after = recorded(&bench, &alice).await;
    assert_eq!(
        (&renamed.body["username"], &after["username"]),
        (&json!("Anna"), &json!("Anna"))
    );
    assert_eq!(after["email"], "alice@example.com");
    assert_eq!(renamed.etag(), Call::get(&path(&alice)).to(&bench).await.etag());
    let event = bench.last_event().await;
    assert_eq!(
        (&event["event"], &event["reason"]),
        (&json!("user.updated"), &json!("married"))
    );
    assert_eq!(event["details"], json!({ "before": before, "after": after }));
    assert!(bench.logs_in("anna", "password").await);
    assert!(!bench.logs_in("alice", "password").await);
    assert_eq!(bench.settled.times(), 1);

    let without = Call::patch(&path(&alice), &json!({ "email": null }))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(
        (&without.body["email"], &without.body["roles"]),
        (&Value::Null, &json!(["staff"]))
    );
    assert!(!bench.logs_in("alice@example.com", "password").await);
    // The name is free again.
    bench.user(user("alice")).await;
}

#[tokio::test]
async fn replaces_the_roles_of_a_user() {
    let bench = Bench::new().await;
    bench.role("clerks", "invoices:read").await;
    bench.role("staff", "orders:read").await;
    let alice = bench.user(user("alice").roles(&["staff"])).await;
    let before = recorded(&bench, &alice).await;
    let set = Call::patch(&path(&alice), &json!({ "roles": ["staff", "clerks", "staff"] }));
    let set = set.to(&bench).await.expect(200);
    assert_eq!(set.body["roles"], json!(["clerks", "staff"]));
    assert_eq!(set.body["scope"], "invoices:read orders:read");
    assert_eq!(set.etag(), Call::get(&path(&alice)).to(&bench).await.etag());
    let event = bench.last_event().await;
    assert_eq!(event["event"], "user.roles_set");
    assert_eq!(
        event["details"],
        json!({ "before": before, "after": recorded(&bench, &alice).await })
    );
    let none = Call::patch(&path(&alice), &json!({ "roles": [] }))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(
        (&none.body["roles"], &none.body["scope"]),
        (&json!([]), &json!(""))
    );
}

#[tokio::test]
async fn names_and_roles_change_in_one_request() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    bench.role("rotators", "keys:rotate").await;
    let alice = bench.user(user("alice")).await;
    bench.gate.lacking(&["keys:rotate"]);
    let before = bench.state().await;
    let patch = |roles: &str| Call::patch(&path(&alice), &json!({ "username": "anna", "roles": [roles] }));
    patch("rotators").to(&bench).await.expect(403);
    assert_eq!(bench.state().await, before);
    let changed = patch("staff").to(&bench).await.expect(200);
    assert_eq!(
        (&changed.body["username"], &changed.body["roles"]),
        (&json!("anna"), &json!(["staff"]))
    );
    assert_eq!(changed.etag(), Call::get(&path(&alice)).to(&bench).await.etag());
    assert!(bench.logs_in("anna", "password").await);
    assert_eq!(bench.settled.times(), 1);
}

#[tokio::test]
async fn a_patch_that_changes_nothing_leaves_no_trace() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    let alice = bench.user(user("alice").roles(&["staff"])).await;
    let before = bench.state().await;
    for patch in [
        json!({}),
        json!({ "username": "alice" }),
        json!({ "roles": ["staff"], "email": null }),
    ] {
        Call::patch(&path(&alice), &patch).to(&bench).await.expect(200);
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn a_patch_that_breaks_a_rule_changes_nothing() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    let alice = bench.user(user("alice")).await;
    bench.user(user("bob").email("bob@example.com")).await;
    let before = bench.state().await;
    for (patch, status, field) in [
        (json!({ "username": null }), 422, "username"),
        (json!({ "username": "a\r\nb" }), 422, "username"),
        (json!({ "username": "\u{1b}[2J" }), 422, "username"),
        (json!({ "username": "BOB" }), 409, "username"),
        (json!({ "email": "Bob@example.com" }), 409, "email"),
        (json!({ "email": "bob" }), 422, "email"),
        (json!({ "roles": null }), 422, "roles"),
        (json!({ "roles": ["staff", 1] }), 422, "roles[1]"),
        (json!({ "roles": ["A"] }), 422, "roles[0]"),
        (json!({ "roles": ["nobody-made-it"] }), 422, "roles"),
        (json!({ "username": "BOB", "roles": ["staff"] }), 409, "username"),
        (
            json!({ "username": "anna", "roles": ["nobody-made-it"] }),
            422,
            "roles",
        ),
        (json!({ "active": false }), 422, "active"),
        (json!({ "password": "another one" }), 422, "password"),
        (
            json!({ "subject": "0190c7a0-0000-7000-8000-000000000000" }),
            422,
            "subject",
        ),
    ] {
        let answer = Call::patch(&path(&alice), &patch).to(&bench).await;
        assert_eq!(
            (answer.status, answer.fields()),
            (status, vec![field]),
            "{patch}: {}",
            answer.text
        );
    }
    let no_object = Call::patch(&path(&alice), &json!(["username"]));
    no_object.to(&bench).await.expect(400);
    assert_eq!(bench.state().await, before);
}
