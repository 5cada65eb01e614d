//! A database that has lost what it had committed, and one that a version before writes, too.

use sea_orm::ConnectionTrait;
use symbolon_core::revocation::{Head, NewRevocation};
use symbolon_core::rotation::Rotation;
use symbolon_core::user::Role;

use super::*;

on_each_database!(
    a_fact_that_changed_again_is_another,
    a_log_that_counts_on_from_earlier_is_another,
    entries_of_a_version_without_tips_have_none,
);

const NOW: UnixMillis = FakeClock::START;

async fn meddle(store: &SqlStore, sql: &str) {
    store.inner.write.execute_unprepared(sql).await.unwrap();
}

async fn append(store: &SqlStore) -> Head {
    let revocation = NewRevocation::subject(fresh_subject(), NOW);
    store.append(&revocation, NOW).await.unwrap().head
}

async fn assert_turned_back(store: &SqlStore, request: &RotationRequest, applied: Head) {
    let behind = RotationRequest { applied, ..*request };
    assert_eq!(store.rotate(&behind).await.unwrap(), Rotation::CatchUp);
    let begin = store.begin(&new_session(NOW), applied).await.unwrap();
    assert_eq!(begin, Begin::CatchUp);
}

async fn a_log_that_counts_on_from_earlier_is_another(place: &Place) {
    let store = migrated_at(&place.url).await;
    let request = begun(&store).await;
    let revocation = NewRevocation::subject(fresh_subject(), NOW);
    let common = append(&store).await;
    let lost = store.append(&revocation, NOW).await.unwrap().head;
    meddle(&store, "DELETE FROM revocation_log WHERE seq = 2").await;
    let back = "UPDATE revocation_head SET seq = 1, tip = (SELECT tip FROM revocation_log WHERE seq = 1)";
    meddle(&store, back).await;
    assert_eq!(store.head().await.unwrap(), common);
    assert_turned_back(&store, &request, lost).await;

    // The same entry, word for word, at the same time.
    let again = store.append(&revocation, NOW).await.unwrap().head;
    assert_eq!(
        (again.log, again.seq, again.facts),
        (lost.log, lost.seq, lost.facts)
    );
    assert_ne!(again.tip, lost.tip);
    assert_eq!(store.tip_at(2).await.unwrap(), Some(again.tip));
    assert_turned_back(&store, &request, lost).await;
    append(&store).await;
    assert_turned_back(&store, &request, lost).await;
    for applied in [common, again] {
        let begin = store.begin(&new_session(NOW), applied).await.unwrap();
        assert_eq!(begin, Begin::Begun, "what came behind it is about others");
    }
}

async fn a_fact_that_changed_again_is_another(place: &Place) {
    let store = migrated_at(&place.url).await;
    let request = begun(&store).await;
    let put = async |name: &str| {
        let role = Role {
            name: name.parse().unwrap(),
            scope: Default::default(),
        };
        admin(&store).put_role(&role).await.unwrap();
        store.head().await.unwrap()
    };
    let lost = put("clerk").await;
    meddle(&store, "DELETE FROM roles").await;
    meddle(&store, "UPDATE revocation_head SET facts = 0").await;
    let again = put("auditor").await;
    assert_eq!((again.seq, again.facts), (lost.seq, lost.facts));
    assert_turned_back(&store, &request, lost).await;
}

async fn entries_of_a_version_without_tips_have_none(place: &Place) {
    let store = migrated_at(&place.url).await;
    let request = begun(&store).await;
    let applied = append(&store).await;
    let copy = "INSERT INTO revocation_log (seq, kind, digest, effect, moment_ms, owner, reason, actor, at_ms, expires_ms) \
        SELECT 2, kind, digest, effect, moment_ms, owner, reason, actor, at_ms, expires_ms FROM revocation_log";
    meddle(&store, copy).await;
    meddle(&store, "UPDATE revocation_head SET seq = 2").await;
    let head = store.head().await.unwrap();
    assert_eq!(head, Head { seq: 2, ..applied });
    assert_eq!(store.tip_at(2).await.unwrap(), None);
    assert_eq!(store.begin(&new_session(NOW), head).await.unwrap(), Begin::Begun);
    append(&store).await;
    assert_turned_back(&store, &request, head).await;
    meddle(&store, "UPDATE revocation_head SET tip = NULL").await;
    let unknown = store.head().await.unwrap();
    assert_eq!(unknown.tip, [0; 16]);
    let known = Head {
        tip: [1; 16],
        ..unknown
    };
    for applied in [unknown, known] {
        let begin = store.begin(&new_session(NOW), applied).await.unwrap();
        assert_eq!(begin, Begin::Begun, "who does not know tells nothing apart");
    }
    // The next to bring the schema up to date gives it one.
    store.migrate(&SeqRng::new()).await.unwrap();
    assert_ne!(store.head().await.unwrap().tip, [0; 16]);
}

/// What is looked through while everybody waits is bounded.
#[tokio::test]
async fn who_is_far_behind_must_catch_up() {
    let store = migrated_at("sqlite::memory:").await;
    let request = begun(&store).await;
    let far = append(&store).await;
    let near = append(&store).await;
    for _ in 0..1_000 {
        append(&store).await;
    }
    let near = RotationRequest {
        applied: near,
        ..request
    };
    assert_turned_back(&store, &request, far).await;
    assert!(matches!(
        store.rotate(&near).await.unwrap(),
        Rotation::Rotated { .. }
    ));
}
