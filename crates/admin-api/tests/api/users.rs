//! `/users`.

mod active;
mod create;
mod delete;
mod import;
mod list;
mod password;
mod show;
mod update;

use serde_json::{Value, json};
use symbolon_core::user::User;
use symbolon_testkit::user;

use crate::bench::{Bench, Call};

/// Where the user is.
fn path(user: &User) -> String {
    format!("/users/{}", user.subject)
}

/// Every change of a user there is, of the one at that path.
fn changes(path: &str) -> [Call; 6] {
    [
        Call::patch(path, &json!({ "username": "renamed" })),
        Call::patch(path, &json!({ "roles": [] })),
        Call::post(&format!("{path}/disable")),
        Call::post(&format!("{path}/enable")),
        Call::post(&format!("{path}/password")).json(&json!({ "password": "another one" })),
        Call::delete(path),
    ]
}

/// The user on the trail as it is kept now.
async fn recorded(bench: &Bench, user: &User) -> Value {
    let now = bench.stored(user.subject).await.unwrap();
    serde_json::to_value(symbolon_core::view::UserView::from(&now)).unwrap()
}

#[tokio::test]
async fn who_is_not_there_can_not_be_changed() {
    let bench = Bench::new().await;
    let before = bench.state().await;
    for nobody in ["0190c7a0-0000-7000-8000-000000000000", "alice", "%00"] {
        for call in changes(&format!("/users/{nobody}")) {
            call.to(&bench).await.expect(404);
        }
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn who_has_changed_meanwhile_is_left_alone() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    let alice = bench.user(user("alice")).await;
    let old = Call::get(&path(&alice)).to(&bench).await.etag();
    let staff = user("alice").roles(&["staff"]).profile();
    bench.admin().update_user(alice.subject, &staff).await.unwrap();
    let before = bench.state().await;
    for call in changes(&path(&alice)) {
        assert_eq!(call.if_match(&old).to(&bench).await.expect(412).kind(), "stale");
    }
    assert_eq!(bench.state().await, before);
    assert!(bench.logs_in("alice", "password").await);

    for call in changes(&path(&alice)) {
        let now = Call::get(&path(&alice)).to(&bench).await.etag();
        let answer = call.if_match(&now).to(&bench).await;
        assert!([200, 204].contains(&answer.status), "{}", answer.text);
    }
}

#[tokio::test]
async fn of_two_admins_at_once_exactly_one_wins() {
    let bench = Bench::new().await;
    let alice = bench.user(user("alice")).await;
    let read = Call::get(&path(&alice)).to(&bench).await.etag();
    let rename = |to: &str| {
        let call = Call::patch(&path(&alice), &json!({ "username": to })).if_match(&read);
        call.to(&bench)
    };
    let (one, other) = tokio::join!(rename("anna"), rename("alma"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let winner = if one.status == 200 { &one } else { &other };
    assert_eq!(
        winner.body["username"],
        bench.stored(alice.subject).await.unwrap().username
    );
    let renamed = bench.trail().await;
    assert_eq!(
        renamed.iter().filter(|it| it["event"] == "user.updated").count(),
        1
    );
}

#[tokio::test]
async fn nobody_touches_who_holds_more_than_they_do() {
    let bench = Bench::new().await;
    bench.role("rotators", "keys:rotate orders:read").await;
    let root = bench.user(user("root").roles(&["rotators"])).await;
    let alice = bench.user(user("alice")).await;
    bench.gate.lacking(&["keys:rotate"]);
    let before = bench.state().await;
    let mut refused = changes(&path(&root)).to_vec();
    refused.push(Call::patch(&path(&root), &json!({ "email": "evil@example.com" })));
    refused.push(Call::patch(&path(&alice), &json!({ "roles": ["rotators"] })));
    let new = json!({ "username": "eve", "password": "correct horse", "roles": ["rotators"] });
    refused.push(Call::post("/users").json(&new));
    for call in refused {
        let answer = call.clone().to(&bench).await;
        assert_eq!(
            (answer.status, answer.kind()),
            (403, "beyond-your-rights"),
            "{call:?}"
        );
        assert!(answer.body["detail"].as_str().unwrap().contains("keys:rotate"));
    }
    assert_eq!(bench.state().await, before);
    assert!(bench.logs_in("root", "password").await);
    assert!(!bench.logs_in("eve", "correct horse").await);
    // Rights that open no admin door do not count.
    bench.role("rotators", "orders:read").await;
    Call::post("/users").json(&new).to(&bench).await.expect(201);
}
