//! Databases that lose what they had committed.

use symbolon_core::revocation::FactsVersion;
use symbolon_oauth_types::revocation::{Cutoffs, Revocable};
use symbolon_testkit::Written;

use super::*;

/// Appends an entry in one of several worlds, whose steps leave different tips.
fn append(past: &mut Written, world: u8, entry: &NewRevocation) {
    past.world = world;
    past.append(entry, FakeClock::START);
}

fn change(past: &mut Written, world: u8) {
    past.world = world;
    past.change();
}

fn subject(number: u128) -> Subject {
    Subject(Uuid::from_u128(number))
}

fn block(number: u128) -> NewRevocation {
    NewRevocation::subject_blocked(subject(number))
}

fn lift(number: u128) -> NewRevocation {
    NewRevocation::subject_lifted(subject(number), UnixMillis(FakeClock::START.0 - 1))
}

fn is_blocked(cutoffs: &Cutoffs, number: u128) -> bool {
    let token = Revocable {
        started: FakeClock::START,
        subject: subject(number).0,
        client_id: "app",
        session: None,
        token: None,
        kid: None,
    };
    cutoffs.revokes(&token).is_some()
}

struct Follower {
    log: Arc<MemoryLog>,
    clock: Arc<FakeClock>,
    node: LiveLog,
}

impl Follower {
    /// A node that has applied the first entry, of a world that is then shared.
    async fn start() -> Self {
        let (log, clock) = (Arc::new(MemoryLog::default()), Arc::new(FakeClock::new()));
        log.with(|past| append(past, 0, &block(1)));
        let node = LiveLog::open(log.clone(), clock.clone()).await.unwrap();
        Self { log, clock, node }
    }

    fn past(&self) -> Written {
        self.log.with(|past| past.clone())
    }

    /// The node looks at what the database says by now.
    async fn sees(&self, past: Written) -> FactsVersion {
        self.log.with(|present| *present = past);
        self.clock.advance(SECOND);
        self.node.catch_up().await.unwrap();
        let applied = self.node.applied();
        assert_eq!(applied.head.seq, self.past().head.seq);
        applied.facts_version()
    }

    fn blocked(&self) -> Vec<u128> {
        let applied = self.node.applied();
        (1..10)
            .filter(|number| is_blocked(&applied.cutoffs, *number))
            .collect()
    }
}

/// The world that was known, and the other that goes on from before its last step.
async fn fork(
    at: &Follower,
    known: impl FnOnce(&mut Written),
    other: impl FnOnce(&mut Written),
) -> (FactsVersion, FactsVersion) {
    let before = at.past();
    let mut first = before.clone();
    known(&mut first);
    let known_version = at.sees(first).await;
    let mut second = before;
    other(&mut second);
    (known_version, at.sees(second).await)
}

#[tokio::test]
async fn the_same_counts_with_another_tip_are_another_history() {
    let node = Follower::start().await;
    let (known, now) = fork(
        &node,
        |past| append(past, 1, &block(2)),
        |past| append(past, 2, &block(3)),
    )
    .await;
    assert_eq!(node.blocked(), [1, 2, 3], "what was promised stays in force");
    assert_ne!(known, now, "the same count of other facts");
    // It is found out once.
    assert_eq!(node.sees(node.past()).await, now);
}

#[tokio::test]
async fn a_log_that_went_back_takes_nothing_back() {
    let node = Follower::start().await;
    let (known, now) = fork(&node, |past| append(past, 1, &block(2)), |_| {}).await;
    assert_eq!(node.blocked(), [1, 2]);
    assert_ne!(known, now);
    // Nor does a lift do that is older than what was lost.
    let mut past = node.past();
    append(&mut past, 2, &lift(1));
    node.sees(past.clone()).await;
    assert_eq!(node.blocked(), [2]);
    fork(
        &node,
        |past| append(past, 1, &block(1)),
        |past| append(past, 2, &block(4)),
    )
    .await;
    assert_eq!(node.blocked(), [1, 2, 4]);
    // One that is younger does.
    let mut past = node.past();
    append(&mut past, 2, &lift(1));
    append(&mut past, 2, &lift(2));
    node.sees(past).await;
    assert_eq!(node.blocked(), [4]);
}

#[tokio::test]
async fn a_log_that_went_back_and_beyond_is_another_history() {
    let node = Follower::start().await;
    let beyond = |past: &mut Written| {
        append(past, 2, &block(3));
        append(past, 2, &block(4));
    };
    let (known, now) = fork(&node, |past| append(past, 1, &block(2)), beyond).await;
    assert_eq!(
        node.blocked(),
        [1, 2, 3, 4],
        "the entry in the place of a lost one is read"
    );
    assert_ne!(known, now);
    // A fact that changed behind the known entry does not hide it.
    let known = |past: &mut Written| {
        append(past, 1, &block(5));
        change(past, 1);
    };
    let other = |past: &mut Written| {
        append(past, 2, &block(6));
        change(past, 2);
        append(past, 2, &block(7));
    };
    let (known, now) = fork(&node, known, other).await;
    assert_eq!(node.blocked(), [1, 2, 3, 4, 5, 6, 7]);
    assert_ne!(known, now);
    // Nor where only facts have changed since.
    let other = |past: &mut Written| {
        append(past, 2, &block(9));
        change(past, 2);
    };
    fork(&node, |past| append(past, 1, &block(8)), other).await;
    assert_eq!(node.blocked(), (1..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn facts_that_were_lost_are_read_again_at_the_same_count() {
    let node = Follower::start().await;
    let (known, now) = fork(&node, |past| change(past, 1), |past| change(past, 2)).await;
    assert_ne!(known, now);
    let (known, now) = fork(
        &node,
        |past| {
            change(past, 1);
            change(past, 1);
        },
        |past| change(past, 2),
    )
    .await;
    assert_ne!(known, now);
    // Nothing on the log tells of those that came behind its last entry.
    let other = |past: &mut Written| {
        change(past, 2);
        append(past, 2, &block(2));
    };
    let (known, now) = fork(&node, |past| change(past, 1), other).await;
    assert_ne!(known, now);
}

#[tokio::test]
async fn what_goes_on_as_it_was_known_leaves_cached_facts_alone() {
    let node = Follower::start().await;
    let mut past = node.past();
    let before = node.sees(past.clone()).await;
    for number in 2..6 {
        append(&mut past, 0, &block(number));
        assert_eq!(node.sees(past.clone()).await, before);
    }
    assert_eq!(node.blocked(), [1, 2, 3, 4, 5]);
    append(&mut past, 0, &lift(5));
    assert_eq!(node.sees(past.clone()).await, before);
    assert_eq!(node.blocked(), [1, 2, 3, 4]);
    change(&mut past, 0);
    assert_ne!(node.sees(past).await, before);
}

#[tokio::test]
async fn a_log_of_another_identity_replaces_everything() {
    let node = Follower::start().await;
    let restored = |past: &mut Written| {
        past.replace();
        append(past, 2, &block(3));
    };
    let (known, now) = fork(&node, |past| append(past, 1, &block(2)), restored).await;
    assert_eq!(node.blocked(), [1, 3]);
    assert_ne!(known, now);
}

/// Entries that come between the look at the head and at the log are read with the next head.
#[tokio::test]
async fn no_more_is_applied_than_the_head_says() {
    let node = Follower::start().await;
    let mut past = node.past();
    append(&mut past, 0, &block(2));
    past.early = Some(block(3).entry);
    node.sees(past.clone()).await;
    assert_eq!(node.blocked(), [1, 2]);
    past.early = None;
    append(&mut past, 0, &block(3));
    node.sees(past).await;
    assert_eq!(node.blocked(), [1, 2, 3]);
}
