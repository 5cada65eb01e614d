//! Databases that lose what they had committed.

use symbolon_core::revocation::FactsVersion;
use symbolon_oauth_types::revocation::{Cutoffs, Entry, Revocable};

use super::*;

/// A log whose tips stand for what led to them, and that can be set back.
#[derive(Clone, Default)]
struct Past {
    log: u128,
    entries: Vec<(Entry, Tip)>,
    facts: u64,
    steps: u8,
    tip: Tip,
    /// What is appended right behind the look at the head.
    early: Option<Entry>,
}

impl Past {
    /// Of one of several worlds, whose steps leave different tips.
    fn step(&mut self, world: u8) {
        self.steps += 1;
        self.tip = [self.steps + 100 * world; 16];
    }

    fn append(&mut self, world: u8, entry: &NewRevocation) {
        self.step(world);
        self.entries.push((entry.entry, self.tip));
    }

    fn change(&mut self, world: u8) {
        self.step(world);
        self.facts += 1;
    }
}

#[derive(Default)]
struct Database(Mutex<Past>);

impl Database {
    fn do_with<T>(&self, change: impl FnOnce(&mut Past) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl RevocationLog for Database {
    async fn head(&self) -> StoreResult<Head> {
        Ok(self.do_with(|past| Head {
            log: Uuid::from_u128(past.log),
            seq: past.entries.len() as u64,
            facts: past.facts,
            tip: past.tip,
        }))
    }

    async fn entries(&self, after: u64, _: UnixMillis, limit: u32) -> StoreResult<Vec<Logged>> {
        let past = self.do_with(|past| past.clone());
        let all = past.entries.into_iter().map(|(entry, _)| entry);
        let numbered = (1..).zip(all.chain(past.early)).map(|(seq, entry)| Logged {
            seq,
            entry,
            at: UnixMillis(0),
            tip: None,
        });
        Ok(numbered.skip(after as usize).take(limit as usize).collect())
    }

    async fn tip_at(&self, seq: u64) -> StoreResult<Option<Tip>> {
        let of = |past: &mut Past| Some(past.entries.get(seq.checked_sub(1)? as usize)?.1);
        Ok(self.do_with(of))
    }

    async fn append(&self, _: &NewRevocation, _: UnixMillis) -> StoreResult<Appended> {
        unreachable!("the past is written by hand")
    }

    async fn promise(&self, _: Option<Subject>, _: Head) -> StoreResult<Reach> {
        Ok(Reach::Everywhere)
    }

    async fn confirms(&self, _: Head) -> StoreResult<bool> {
        Ok(false)
    }

    async fn live_tokens(&self, _: Digest, _: UnixMillis) -> StoreResult<u64> {
        Ok(0)
    }

    async fn sweep_log(&self, _: UnixMillis, _: u32) -> StoreResult<u64> {
        Ok(0)
    }
}

fn subject(number: u128) -> Subject {
    Subject(Uuid::from_u128(number))
}

fn block(number: u128) -> NewRevocation {
    NewRevocation::subject_blocked(subject(number))
}

fn lift(number: u128) -> NewRevocation {
    NewRevocation::subject_lifted(subject(number), UnixMillis(0))
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
    database: Arc<Database>,
    clock: Arc<FakeClock>,
    node: LiveLog,
}

impl Follower {
    /// A node that has applied the first entry, of a world that is then shared.
    async fn start() -> Self {
        let (database, clock) = (Arc::new(Database::default()), Arc::new(FakeClock::new()));
        database.do_with(|past| {
            past.log = 7;
            past.append(0, &block(1));
        });
        let node = LiveLog::open(database.clone(), clock.clone()).await.unwrap();
        Self {
            database,
            clock,
            node,
        }
    }

    fn past(&self) -> Past {
        self.database.do_with(|past| past.clone())
    }

    /// The node looks at what the database says by now.
    async fn sees(&self, past: Past) -> FactsVersion {
        self.database.do_with(|present| *present = past);
        self.clock.advance(SECOND);
        self.node.catch_up().await.unwrap();
        let applied = self.node.applied();
        assert_eq!(applied.head.seq, self.past().entries.len() as u64);
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
    known: impl FnOnce(&mut Past),
    other: impl FnOnce(&mut Past),
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
        |past| past.append(1, &block(2)),
        |past| past.append(2, &block(3)),
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
    let (known, now) = fork(&node, |past| past.append(1, &block(2)), |_| {}).await;
    assert_eq!(node.blocked(), [1, 2]);
    assert_ne!(known, now);
    // Nor does a lift do that is older than what was lost.
    let mut past = node.past();
    past.append(2, &lift(1));
    node.sees(past.clone()).await;
    assert_eq!(node.blocked(), [2]);
    fork(
        &node,
        |past| past.append(1, &block(1)),
        |past| past.append(2, &block(4)),
    )
    .await;
    assert_eq!(node.blocked(), [1, 2, 4]);
    // One that is younger does.
    let mut past = node.past();
    past.append(2, &lift(1));
    past.append(2, &lift(2));
    node.sees(past).await;
    assert_eq!(node.blocked(), [4]);
}

#[tokio::test]
async fn a_log_that_went_back_and_beyond_is_another_history() {
    let node = Follower::start().await;
    let beyond = |past: &mut Past| {
        past.append(2, &block(3));
        past.append(2, &block(4));
    };
    let (known, now) = fork(&node, |past| past.append(1, &block(2)), beyond).await;
    assert_eq!(
        node.blocked(),
        [1, 2, 3, 4],
        "the entry in the place of a lost one is read"
    );
    assert_ne!(known, now);
    // A fact that changed behind the known entry does not hide it.
    let known = |past: &mut Past| {
        past.append(1, &block(5));
        past.change(1);
    };
    let other = |past: &mut Past| {
        past.append(2, &block(6));
        past.change(2);
        past.append(2, &block(7));
    };
    let (known, now) = fork(&node, known, other).await;
    assert_eq!(node.blocked(), [1, 2, 3, 4, 5, 6, 7]);
    assert_ne!(known, now);
    // Nor where only facts have changed since.
    let other = |past: &mut Past| {
        past.append(2, &block(9));
        past.change(2);
    };
    fork(&node, |past| past.append(1, &block(8)), other).await;
    assert_eq!(node.blocked(), (1..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn facts_that_were_lost_are_read_again_at_the_same_count() {
    let node = Follower::start().await;
    let (known, now) = fork(&node, |past| past.change(1), |past| past.change(2)).await;
    assert_ne!(known, now);
    let (known, now) = fork(
        &node,
        |past| {
            past.change(1);
            past.change(1);
        },
        |past| past.change(2),
    )
    .await;
    assert_ne!(known, now);
    // Nothing on the log tells of those that came behind its last entry.
    let other = |past: &mut Past| {
        past.change(2);
        past.append(2, &block(2));
    };
    let (known, now) = fork(&node, |past| past.change(1), other).await;
    assert_ne!(known, now);
}

#[tokio::test]
async fn what_goes_on_as_it_was_known_leaves_cached_facts_alone() {
    let node = Follower::start().await;
    let mut past = node.past();
    let before = node.sees(past.clone()).await;
    for number in 2..6 {
        past.append(0, &block(number));
        assert_eq!(node.sees(past.clone()).await, before);
    }
    assert_eq!(node.blocked(), [1, 2, 3, 4, 5]);
    past.append(0, &lift(5));
    assert_eq!(node.sees(past.clone()).await, before);
    assert_eq!(node.blocked(), [1, 2, 3, 4]);
    past.change(0);
    assert_ne!(node.sees(past).await, before);
}

#[tokio::test]
async fn a_log_of_another_identity_replaces_everything() {
    let node = Follower::start().await;
    let restored = |past: &mut Past| {
        past.log = 8;
        past.append(2, &block(3));
    };
    let (known, now) = fork(&node, |past| past.append(1, &block(2)), restored).await;
    assert_eq!(node.blocked(), [1, 3]);
    assert_ne!(known, now);
}

/// Entries that come between the look at the head and at the log are read with the next head.
#[tokio::test]
async fn no_more_is_applied_than_the_head_says() {
    let node = Follower::start().await;
    let mut past = node.past();
    past.append(0, &block(2));
    past.early = Some(block(3).entry);
    node.sees(past.clone()).await;
    assert_eq!(node.blocked(), [1, 2]);
    past.early = None;
    past.append(0, &block(3));
    node.sees(past).await;
    assert_eq!(node.blocked(), [1, 2, 3]);
}
