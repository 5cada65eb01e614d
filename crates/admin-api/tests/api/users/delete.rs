//! `DELETE /users/{subject}`.

use serde_json::json;
use symbolon_oauth_types::revocation::Effect;
use symbolon_testkit::user;

use super::{path, recorded};
use crate::bench::{Bench, Call};

#[tokio::test]
async fn a_deleted_user_is_gone_and_all_sessions_with_it() {
    let bench = Bench::new().await;
    let alice = bench.user(user("alice")).await;
    let before = recorded(&bench, &alice).await;
    let delete = Call::delete(&format!("{}?reason=asked%20for%20it", path(&alice)));
    let deleted = delete.clone().to(&bench).await.expect(204);
    assert_eq!(deleted.text, "");
    assert!(bench.stored(alice.subject).await.is_none());
    let entry = bench.revoked(alice.subject).await.unwrap();
    assert_eq!(entry.logged.entry.effect, Effect::Block);
    assert_eq!(entry.reason, "asked for it");
    let trail = bench.trail().await;
    let event = trail
        .iter()
        .rfind(|event| event["event"] == "user.deleted")
        .unwrap();
    assert_eq!(
        (&event["details"]["before"], &event["details"]["after"]),
        (&before, &json!(null))
    );
    assert_eq!(bench.settled.times(), 1);
    delete.to(&bench).await.expect(404);
    // The name is free, and leads to somebody else.
    let other = bench.user(user("alice")).await;
    assert_ne!(other.subject, alice.subject);
}
