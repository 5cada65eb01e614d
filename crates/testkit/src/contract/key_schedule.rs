//! The schedule of signing keys: its lease, its time, and the nodes that publish.

use std::time::Duration;

use symbolon_core::UnixMillis;
use symbolon_core::keys::{KeyAuthority, KeyChangeOutcome, KeyLease, KeyNode, KeySchedule, ScheduleTime};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::keys::{adding, make, picture};
use crate::{FakeClock, Fixture};

const NOW: UnixMillis = FakeClock::START;
const TTL_MS: u64 = 30_000;
const TTL: Duration = Duration::from_millis(TTL_MS);
const DAY_MS: u64 = 24 * 3_600_000;
const ONE: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

async fn take(fixture: &Fixture, holder: Uuid, now: UnixMillis) -> Option<KeyLease> {
    take_for(fixture, holder, now, TTL).await
}

async fn take_for(fixture: &Fixture, holder: Uuid, now: UnixMillis, ttl: Duration) -> Option<KeyLease> {
    let elapsed = ScheduleTime(0);
    fixture
        .keys
        .take_key_lease(holder, now, ttl, elapsed)
        .await
        .unwrap()
}

async fn schedule(fixture: &Fixture) -> KeySchedule {
    fixture.keys.key_schedule().await.unwrap()
}

/// A node that was stopped for longer than its lease plans by a time that is no longer, even where nobody has acted since.
pub async fn a_lease_that_has_ended_changes_no_keys(fixture: &Fixture) {
    let long_ago = UnixMillis(NOW.0 - 24 * 3_600_000);
    let lease = take(fixture, ONE, long_ago).await.unwrap();
    let before = picture(fixture).await;
    let late = adding("a", KeyAuthority::Lease(lease));
    assert_eq!(make(fixture, &late).await, KeyChangeOutcome::Fenced);
    assert_eq!(picture(fixture).await, before);
}

/// Nobody has ever acted, and no time has been seen to pass.
pub async fn a_new_schedule_has_seen_nothing(fixture: &Fixture) {
    let expected = KeySchedule {
        fence: 0,
        holder: None,
        lease_ends: UnixMillis(0),
        elapsed: ScheduleTime(0),
        seen: UnixMillis(0),
    };
    assert_eq!(schedule(fixture).await, expected);
    assert!(fixture.keys.key_nodes().await.unwrap().is_empty());
}

/// Until it ends nobody else gets it, and asking changes nothing; facts are no matter of the lease.
pub async fn a_lease_is_held_until_it_ends(fixture: &Fixture) {
    let head = fixture.log.head().await.unwrap();
    let first = take(fixture, ONE, NOW).await.unwrap();
    let taken = schedule(fixture).await;
    assert_eq!(
        (taken.fence, taken.holder, taken.lease_ends),
        (first.fence, Some(ONE), NOW.plus(TTL_MS))
    );
    for after in [0, 1, TTL_MS - 1] {
        let refused = fixture
            .keys
            .take_key_lease(OTHER, NOW.plus(after), TTL, ScheduleTime(DAY_MS))
            .await;
        assert_eq!(refused.unwrap(), None, "{after} ms later");
        assert_eq!(schedule(fixture).await, taken);
    }
    let second = take(fixture, OTHER, NOW.plus(TTL_MS)).await.unwrap();
    assert!(second.fence > first.fence);
    assert_eq!(schedule(fixture).await.holder, Some(OTHER));
    assert_eq!(fixture.log.head().await.unwrap(), head);
}

/// A clock that was ahead takes the lease for longer than anybody can: it counts as ended.
pub async fn a_lease_that_ends_too_late_is_not_honoured(fixture: &Fixture) {
    take(fixture, ONE, NOW.plus(1)).await.unwrap();
    assert!(take(fixture, OTHER, NOW).await.is_some(), "1 ms too late");
    take(fixture, ONE, NOW.plus(DAY_MS)).await.unwrap();
    assert!(take(fixture, OTHER, NOW).await.is_some(), "a day too late");
    assert!(take(fixture, ONE, NOW).await.is_none(), "at the latest moment");
    let (shorter, longer) = (TTL - Duration::from_millis(1), Duration::MAX);
    assert!(take_for(fixture, ONE, NOW, longer).await.is_none());
    assert!(take_for(fixture, ONE, NOW, shorter).await.is_some());
}

/// The holder may take it at any time; what it planned before is refused, since it may have read before others wrote.
pub async fn a_lease_that_is_taken_again_fences_the_first(fixture: &Fixture) {
    let first = take(fixture, ONE, NOW).await.unwrap();
    let again = take(fixture, ONE, NOW.plus(10)).await.unwrap();
    assert!(again.fence > first.fence);
    assert_eq!(schedule(fixture).await.lease_ends, NOW.plus(10 + TTL_MS));
    let before = picture(fixture).await;
    let outcome = make(fixture, &adding("a", KeyAuthority::Lease(first))).await;
    assert_eq!(outcome, KeyChangeOutcome::Fenced);
    assert_eq!(picture(fixture).await, before);
    let outcome = make(fixture, &adding("a", KeyAuthority::Lease(again))).await;
    assert_eq!(outcome, KeyChangeOutcome::Done);
}

/// A node that slept past its lease changes nothing once another has taken it, and may go on where nobody has.
pub async fn a_lease_that_changed_hands_changes_no_keys(fixture: &Fixture) {
    let first = take(fixture, ONE, NOW).await.unwrap();
    let outcome = make(fixture, &adding("a", KeyAuthority::Lease(first))).await;
    assert_eq!(outcome, KeyChangeOutcome::Done);
    let second = take(fixture, OTHER, NOW.plus(TTL_MS)).await.unwrap();
    let before = picture(fixture).await;
    let mut late = adding("b", KeyAuthority::Lease(first));
    late.entries = vec![symbolon_core::revocation::NewRevocation::all(NOW)];
    assert_eq!(make(fixture, &late).await, KeyChangeOutcome::Fenced);
    assert_eq!(picture(fixture).await, before);

    late.add.clear();
    late.authority = KeyAuthority::Lease(second);
    assert_eq!(make(fixture, &late).await, KeyChangeOutcome::Done);
    let (_, head, schedule) = picture(fixture).await;
    assert_eq!((head.seq, head.facts), (before.1.seq + 1, before.1.facts + 1));
    assert_eq!(schedule, before.2, "a change under the lease keeps it");
}

/// What was planned before an operator's change is planned again; one that was not made fences nobody.
pub async fn an_operators_change_fences_the_lease(fixture: &Fixture) {
    let lease = take(fixture, ONE, NOW).await.unwrap();
    let done = make(fixture, &adding("a", KeyAuthority::Operator)).await;
    assert_eq!(done, KeyChangeOutcome::Done);
    let after = schedule(fixture).await;
    assert_eq!((after.fence, after.holder), (lease.fence + 1, None));
    let before = picture(fixture).await;
    let outcome = make(fixture, &adding("b", KeyAuthority::Lease(lease))).await;
    assert_eq!(outcome, KeyChangeOutcome::Fenced);
    assert_eq!(picture(fixture).await, before);

    let lease = take(fixture, OTHER, NOW).await.unwrap();
    let conflict = make(fixture, &adding("a", KeyAuthority::Operator)).await;
    assert_eq!(conflict, KeyChangeOutcome::Conflict);
    let mut alone = adding("b", KeyAuthority::Lease(lease));
    alone.add[0].alg = symbolon_jose::SigningAlg::EdDsa;
    assert_eq!(make(fixture, &alone).await, KeyChangeOutcome::Done);
}

/// Others need not wait for its end, and a lease that is somebody else's by now is left alone.
pub async fn a_lease_is_given_back(fixture: &Fixture) {
    let first = take(fixture, ONE, NOW).await.unwrap();
    fixture.keys.release_key_lease(first).await.unwrap();
    let released = schedule(fixture).await;
    assert_eq!((released.fence, released.holder), (first.fence, None));
    let second = take(fixture, OTHER, NOW).await.unwrap();
    let taken = schedule(fixture).await;
    fixture.keys.release_key_lease(first).await.unwrap();
    assert_eq!(schedule(fixture).await, taken);
    assert!(take(fixture, ONE, NOW).await.is_none());
    assert!(second.fence > first.fence);
}

/// The time is advanced together with the moment at which it was, and never goes back.
pub async fn time_that_was_seen_to_pass_stays(fixture: &Fixture) {
    for (after, elapsed, expected) in [
        (0, 5_000, (5_000, 0)),
        (10, 5_000, (5_000, 0)),
        (20, 4_999, (5_000, 0)),
        (30, 5_001, (5_001, 30)),
        (25, 6_000, (6_000, 25)),
    ] {
        let elapsed = ScheduleTime(elapsed);
        let lease = fixture
            .keys
            .take_key_lease(ONE, NOW.plus(after), TTL, elapsed)
            .await;
        assert!(lease.unwrap().is_some());
        let kept = schedule(fixture).await;
        let (elapsed, seen) = expected;
        assert_eq!((kept.elapsed, kept.seen), (ScheduleTime(elapsed), NOW.plus(seen)));
    }
}

/// Fifty nodes at once: one acts.
pub async fn racing_nodes_get_one_lease(fixture: &Fixture) {
    let mut tasks = JoinSet::new();
    for i in 1..=50 {
        let (keys, holder) = (fixture.keys.clone(), Uuid::from_u128(i));
        tasks.spawn(async move {
            let lease = keys.take_key_lease(holder, NOW, TTL, ScheduleTime(1)).await;
            lease.unwrap().map(|lease| (holder, lease))
        });
    }
    let taken: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let [(holder, lease)] = taken[..] else {
        panic!("one node must get the lease: {taken:?}");
    };
    let kept = schedule(fixture).await;
    assert_eq!((kept.fence, kept.holder), (lease.fence, Some(holder)));
    assert_eq!(lease.fence, 1);
}

/// The last word of each counts, the latest comes first, and who says nothing for a day is forgotten.
pub async fn nodes_are_known_by_their_last_word(fixture: &Fixture) {
    let before = picture(fixture).await;
    let node = |node, seen, complete: Option<u64>| KeyNode {
        node,
        name: format!("host-{}/7", node.as_u128()),
        seen: ScheduleTime(seen),
        complete_since: complete.map(ScheduleTime),
        opens: vec!["key-of-now".into(), "key-before".into()],
    };
    let report = async |node: &KeyNode| fixture.keys.report_key_node(node).await.unwrap();
    let known = async || fixture.keys.key_nodes().await.unwrap();
    let (one, other) = (node(ONE, 1_000, Some(400)), node(OTHER, 2_000, None));
    report(&one).await;
    report(&other).await;
    assert_eq!(known().await, [other.clone(), one]);
    let one = KeyNode {
        name: "renamed".into(),
        opens: Vec::new(),
        ..node(ONE, 3_000, None)
    };
    report(&one).await;
    assert_eq!(known().await, [one.clone(), other.clone()]);

    let third = node(Uuid::from_u128(3), 2_000 + DAY_MS, Some(0));
    report(&third).await;
    assert_eq!(
        known().await,
        [third.clone(), one.clone(), other],
        "a day and no more"
    );
    let third = node(third.node, 2_001 + DAY_MS, Some(1));
    report(&third).await;
    assert_eq!(known().await, [third.clone(), one.clone()]);

    for _ in 0..2 {
        fixture.keys.forget_key_node(third.node).await.unwrap();
        assert_eq!(known().await, std::slice::from_ref(&one));
    }
    assert_eq!(
        picture(fixture).await,
        before,
        "neither facts nor the schedule change"
    );
}
