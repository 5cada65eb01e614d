//! `POST /users/{subject}/disable` and `/enable`.

use serde_json::json;
use symbolon_core::revocation::LEASE;
use symbolon_oauth_types::revocation::Effect;
use symbolon_testkit::{FakeClock, user};

use super::{path, recorded};
use crate::bench::{Bench, Call};

#[tokio::test]
async fn a_disabled_user_is_blocked_until_enabled() {
    let bench = Bench::new().await;
    let alice = bench.user(user("alice")).await;
    let before = recorded(&bench, &alice).await;
    let disable = Call::post(&format!("{}/disable?reason=left", path(&alice)));
    let disabled = disable.clone().to(&bench).await.expect(200);
    assert_eq!(disabled.body["active"], false);
    assert_eq!(disabled.etag(), Call::get(&path(&alice)).to(&bench).await.etag());
    let entry = bench.revoked(alice.subject).await.unwrap();
    assert_eq!(entry.logged.entry.effect, Effect::Block);
    assert_eq!((&*entry.actor, &*entry.reason), ("client:console", "left"));
    let event = changed(&bench, "user.disabled").await;
    assert_eq!(
        event,
        json!({ "before": before, "after": recorded(&bench, &alice).await })
    );
    assert_eq!(bench.settled.times(), 1);

    // Again: nothing changes.
    let state = bench.state().await;
    disable.to(&bench).await.expect(200);
    assert_eq!(bench.state().await, state);

    let enabled = Call::post(&format!("{}/enable", path(&alice)))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(enabled.body["active"], true);
    let entry = bench.revoked(alice.subject).await.unwrap();
    // What begins by facts that are about to be old is dead, too.
    let lease = u64::try_from(LEASE.as_millis()).unwrap();
    assert_eq!(
        entry.logged.entry.effect,
        Effect::Lift(FakeClock::START.plus(lease))
    );
    changed(&bench, "user.enabled").await;
}

/// The details of the last change on the trail, which is of that kind.
async fn changed(bench: &Bench, kind: &str) -> serde_json::Value {
    let trail = bench.trail().await;
    let event = trail.iter().rfind(|event| event["event"] == kind).expect(kind);
    let mut details = event["details"].clone();
    let members = details.as_object_mut().unwrap();
    members.retain(|name, _| ["before", "after"].contains(&&**name));
    details
}
