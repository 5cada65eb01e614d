//! What a node does while the log can't be read, and what a revocation promises when Redis can't be told.

mod fences;
mod following;
mod histories;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_core::cluster::{Fenced, Raised, RecordFence, SessionRecords};
use symbolon_core::facts::Revocations;
use symbolon_core::ports::{KilledSession, NewSession, RevocationLog, StoreResult};
use symbolon_core::revocation::{Head, NewRevocation, Reach};
use symbolon_core::rotation::{Rotation, RotationRequest};
use symbolon_core::{Clock, SessionId, Subject, UnixMillis};
use symbolon_testkit::{FakeClock, HeadAnswer, MemoryLog};
use uuid::Uuid;

use crate::{FencedLog, LiveLog};

const SECOND: Duration = Duration::from_secs(1);

fn head(seq: u64, facts: u64) -> Head {
    Head {
        log: Uuid::from_u128(7),
        seq,
        facts,
        tip: [0; 16],
    }
}

/// Records of which only the head and the fences matter.
#[derive(Default)]
struct Records {
    head: Mutex<Option<Head>>,
    down: AtomicBool,
    rebuilt: AtomicUsize,
    /// The log moves to it while fences are put up.
    meanwhile: Mutex<Option<(Arc<MemoryLog>, Head)>>,
}

impl Records {
    fn reach(&self) -> StoreResult<()> {
        if self.down.load(Ordering::SeqCst) {
            return Err(MemoryLog::down());
        }
        Ok(())
    }
}

#[async_trait]
impl SessionRecords for Records {
    async fn begin(&self, _: &NewSession, _: Head) -> StoreResult<Fenced<()>> {
        unreachable!("no session begins here")
    }

    async fn rotate(&self, _: &RotationRequest) -> StoreResult<Rotation> {
        unreachable!("nothing rotates here")
    }

    async fn peek(&self, _: &RotationRequest) -> StoreResult<Rotation> {
        unreachable!("nothing rotates here")
    }

    async fn fence(&self, _: Subject, _: Option<SessionId>) -> StoreResult<Option<RecordFence>> {
        unreachable!("nobody asks for a session here")
    }

    async fn raise(&self, _: Option<Subject>, to: Head, over: &[Uuid]) -> StoreResult<Raised> {
        self.reach()?;
        let mut head = self.head.lock().unwrap();
        let Some(head) = head.as_mut() else {
            return Ok(Raised::Gone);
        };
        if head.log != to.log && !over.contains(&head.log) {
            return Ok(Raised::OfOtherLogs(vec![head.log]));
        }
        *head = to;
        Ok(Raised::Done)
    }

    async fn rebuild(&self, to: Head) -> StoreResult<()> {
        self.reach()?;
        self.rebuilt.fetch_add(1, Ordering::SeqCst);
        self.head.lock().unwrap().get_or_insert(to);
        if let Some((log, head)) = self.meanwhile.lock().unwrap().take() {
            log.with(|written| written.head = head);
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn head(&self) -> StoreResult<Option<Head>> {
        self.reach()?;
        Ok(*self.head.lock().unwrap())
    }

    async fn killed(&self, _: u32) -> StoreResult<Vec<KilledSession>> {
        Ok(Vec::new())
    }

    async fn killed_logged(&self, _: &KilledSession) -> StoreResult<()> {
        Ok(())
    }
}

struct Site {
    log: Arc<MemoryLog>,
    records: Arc<Records>,
    clock: Arc<FakeClock>,
    node: LiveLog,
}

/// A node that has applied all of a log, whose head Redis knows.
async fn site() -> Site {
    let (log, records, clock) = (
        Arc::new(MemoryLog::at(head(3, 5))),
        Arc::new(Records::default()),
        Arc::new(FakeClock::new()),
    );
    records.rebuild(head(3, 5)).await.unwrap();
    let fenced = Arc::new(FencedLog::new(log.clone(), records.clone()));
    let node = LiveLog::open(fenced, clock.clone()).await.unwrap();
    Site {
        log,
        records,
        clock,
        node,
    }
}

impl Site {
    /// A look at the log a second after the one before; whether it counts as one.
    async fn looks(&self) -> StoreResult<bool> {
        self.clock.advance(SECOND);
        self.node.catch_up().await?;
        let observed = self.node.applied().observed;
        Ok(observed == self.clock.monotonic())
    }
}

#[tokio::test(start_paused = true)]
async fn redis_confirms_that_nothing_has_changed_while_the_log_can_not_be_read() {
    let site = site().await;
    site.log.next(HeadAnswer::Fails);
    assert!(site.looks().await.unwrap());
    // One that is late is not waited for; what it says is not lost, and nobody asks twice meanwhile.
    site.log.next(HeadAnswer::Late(2 * SECOND));
    site.log.with(|written| written.head = head(4, 5));
    let (before, looks) = (tokio::time::Instant::now(), site.log.looks());
    for _ in 0..3 {
        assert!(site.looks().await.unwrap());
        assert_eq!(site.node.applied().head, head(3, 5));
    }
    assert!(before.elapsed() < SECOND);
    assert_eq!(site.log.looks() - looks, 1);
    tokio::time::sleep(2 * SECOND).await;
    assert!(site.looks().await.unwrap());
    assert_eq!(site.node.applied().head, head(4, 5));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_always_late_is_applied_though_redis_confirms() {
    let site = site().await;
    let read_at_first = site.node.applied().read;
    for seq in 4..10 {
        site.log.with(|written| written.head = head(seq, 5));
        site.log.next(HeadAnswer::Late(SECOND / 2));
        assert!(site.looks().await.unwrap(), "the lease goes on");
        tokio::time::sleep(SECOND).await;
        // What the look before this one said is applied; this one is late again.
        site.log.next(HeadAnswer::Late(SECOND / 2));
        assert!(site.looks().await.unwrap());
        assert_eq!(site.node.applied().head, head(seq, 5));
        tokio::time::sleep(SECOND).await;
    }
    assert!(site.node.applied().read > read_at_first);
}

#[tokio::test(start_paused = true)]
async fn only_the_log_itself_counts_as_read() {
    let site = site().await;
    assert!(site.looks().await.unwrap());
    let read = site.node.applied().read;
    assert_eq!(read, site.clock.monotonic());
    for _ in 0..3 {
        site.log.next(HeadAnswer::Fails);
        assert!(site.looks().await.unwrap());
        assert_eq!(site.node.applied().read, read);
    }
    assert!(site.looks().await.unwrap());
    assert_eq!(site.node.applied().read, site.clock.monotonic());
}

#[tokio::test(start_paused = true)]
async fn redis_confirms_nothing_that_it_can_not_know() {
    let elsewhere = Head {
        log: Uuid::from_u128(8),
        ..head(0, 0)
    };
    for told in [Some(head(4, 5)), Some(head(3, 6)), Some(elsewhere), None] {
        let site = site().await;
        *site.records.head.lock().unwrap() = told;
        site.log.next(HeadAnswer::Fails);
        assert!(site.looks().await.is_err(), "{told:?}");
        // A log that is only late is waited for.
        site.log.next(HeadAnswer::Late(2 * SECOND));
        let before = tokio::time::Instant::now();
        assert!(site.looks().await.unwrap());
        assert!(before.elapsed() >= 2 * SECOND, "{told:?}");
    }
    let site = site().await;
    site.records.down.store(true, Ordering::SeqCst);
    site.log.next(HeadAnswer::Fails);
    let error = site.looks().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        MemoryLog::down().to_string(),
        "the log's own words"
    );
    // Behind what the node knows is not beyond it.
    site.records.down.store(false, Ordering::SeqCst);
    *site.records.head.lock().unwrap() = Some(head(2, 4));
    site.log.next(HeadAnswer::Fails);
    assert!(site.looks().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_log_that_does_not_answer_wait_together() {
    let Site {
        log,
        records,
        clock,
        node,
    } = site().await;
    records.down.store(true, Ordering::SeqCst);
    let (node, looks) = (Arc::new(node), log.looks());
    for _ in 0..3 {
        log.next(HeadAnswer::FailsLate(2 * SECOND));
    }
    let ask = || {
        let node = node.clone();
        tokio::spawn(async move { node.catch_up().await })
    };
    let before = tokio::time::Instant::now();
    clock.advance(SECOND);
    let first = ask();
    tokio::task::yield_now().await;
    let others: Vec<_> = std::iter::repeat_with(ask).take(20).collect();
    tokio::task::yield_now().await;
    // Their look begins after they asked.
    clock.advance(SECOND);
    assert!(first.await.unwrap().is_err());
    for other in others {
        assert!(other.await.unwrap().is_err());
    }
    assert_eq!(log.looks() - looks, 2, "one for the first, one for all others");
    assert_eq!(before.elapsed(), 4 * SECOND);
    // Who asks later is told how it is then.
    clock.advance(SECOND);
    assert!(node.catch_up().await.is_err());
    clock.advance(SECOND);
    node.catch_up().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_revocation_says_whether_redis_was_told() {
    let site = site().await;
    let on_log = |seq: u64| {
        let head = site.log.with(|written| written.head);
        assert_eq!((head.seq, head.facts), (seq, 5));
        head
    };
    let revocation = NewRevocation::session(SessionId(Uuid::from_u128(9)), FakeClock::START.plus(1000));
    assert_eq!(
        site.node.revoke(revocation.clone()).await.unwrap(),
        Reach::Everywhere
    );
    assert_eq!(*site.records.head.lock().unwrap(), Some(on_log(4)));
    site.records.down.store(true, Ordering::SeqCst);
    assert_eq!(site.node.revoke(revocation.clone()).await.unwrap(), Reach::Logged);
    assert_eq!(site.node.applied().head, on_log(5), "it is on the log");
    // Asking again does not make it so.
    assert_eq!(site.node.promise(None).await.unwrap(), Reach::Logged);
    site.records.down.store(false, Ordering::SeqCst);
    assert_eq!(site.node.promise(None).await.unwrap(), Reach::Everywhere);
    assert_eq!(*site.records.head.lock().unwrap(), Some(on_log(5)));
    // What was emptied is put up again first.
    *site.records.head.lock().unwrap() = None;
    assert_eq!(site.node.revoke(revocation).await.unwrap(), Reach::Everywhere);
    assert_eq!(*site.records.head.lock().unwrap(), Some(on_log(6)));
    assert_eq!(site.records.rebuilt.load(Ordering::SeqCst), 2);
}

/// A clock that knows the cluster's time only so well.
struct Spread(Arc<FakeClock>);

impl Clock for Spread {
    fn now(&self) -> UnixMillis {
        self.0.advance(Duration::from_millis(1));
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn spread(&self) -> Duration {
        Duration::from_millis(20)
    }
}

#[tokio::test(start_paused = true)]
async fn a_cutoff_reaches_beyond_every_clock_and_returns_once_all_have_passed_it() {
    let fake = Arc::new(FakeClock::new());
    let clock = Arc::new(Spread(fake.clone()));
    let node = LiveLog::open(Arc::new(MemoryLog::at(head(3, 5))), clock.clone())
        .await
        .unwrap();
    let asked = fake.now();
    let subject = Subject(Uuid::from_u128(2));
    let reach = node.revoke(NewRevocation::subject(subject, clock.cutoff())).await;
    assert_eq!(reach.unwrap(), Reach::Everywhere);
    // Up to 20 ms ahead of us a session may have begun; up to 20 ms behind us one may begin now.
    assert!(fake.now().since(asked) > 40, "{}", fake.now().since(asked));
}
