//! `POST /users/{subject}/password`.

use serde_json::json;
use symbolon_core::revocation::LEASE;
use symbolon_oauth_types::revocation::Effect;
use symbolon_testkit::{FakeClock, password_hash, user};

use super::path;
use crate::bench::{Bench, Call};

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_began() {
    let bench = Bench::new().await;
    let alice = bench.user(user("alice")).await;
    let path = format!("{}/password", path(&alice));
    let set = Call::post(&format!("{path}?reason=lost")).json(&json!({ "password": "another one" }));
    let set = set.to(&bench).await.expect(200);
    assert_eq!(set.body["subject"], alice.subject.to_string());
    assert!(bench.logs_in("alice", "another one").await);
    assert!(!bench.logs_in("alice", "password").await);
    let entry = bench.revoked(alice.subject).await.unwrap();
    let lease = u64::try_from(LEASE.as_millis()).unwrap();
    assert_eq!(
        entry.logged.entry.effect,
        Effect::Cutoff(FakeClock::START.plus(lease))
    );
    assert_eq!((&*entry.actor, &*entry.reason), ("client:console", "lost"));
    let trail = bench.trail().await;
    let event = trail
        .iter()
        .rfind(|event| event["event"] == "user.password_set")
        .unwrap();
    assert_eq!(event["target"]["id"], alice.subject.to_string());
    let text = serde_json::to_string(&trail).unwrap();
    assert!(
        !text.contains("another one") && !text.contains("argon2"),
        "{text}"
    );
    assert_eq!(bench.settled.times(), 1);

    let hash = password_hash("a third one");
    let set = Call::post(&path).json(&json!({ "password_hash": hash.as_str() }));
    set.to(&bench).await.expect(200);
    assert!(bench.logs_in("alice", "a third one").await);
}

#[tokio::test]
async fn a_password_that_breaks_a_rule_is_not_set() {
    let bench = Bench::new().await;
    let alice = bench.user(user("alice")).await;
    let before = bench.state().await;
    let set = |body: &serde_json::Value| Call::post(&format!("{}/password", path(&alice))).json(body);
    for (body, field) in [
        (json!({}), "password_hash"),
        (json!({ "password": null }), "password_hash"),
        (json!({ "password": "seven77" }), "password"),
        (json!({ "password": ["hunter2hunter2"] }), "password"),
        (
            json!({ "password": "hunter2hunter2", "password_hash": "x" }),
            "password",
        ),
        (
            json!({ "password_hash": "$2b$31$hunter2hunter2" }),
            "password_hash",
        ),
        (json!({ "password_hash": 7 }), "password_hash"),
        (json!({ "pasword": "hunter2hunter2" }), "pasword"),
    ] {
        let answer = set(&body).to(&bench).await.expect_fields(422, &[field]);
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
    set(&json!({ "password": "no room for this one" }))
        .to(&bench)
        .await
        .expect(503);
    assert_eq!(bench.state().await, before);
    assert!(bench.logs_in("alice", "password").await);
}
