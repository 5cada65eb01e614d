//! What a node does beside requests, for as long as it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use symbolon_core::evidence::forgotten_at;
use symbolon_core::facts::Revocations;
use symbolon_core::ports::{
    FactStore as _, RevocationLog as _, SessionStore, StoreResult, VerifierReports as _,
};
use symbolon_core::revocation::Head;
use symbolon_core::{Clock as _, UnixMillis};
use symbolon_jwks_publisher::{Keyring, Published, RotationSchedule};
use symbolon_revocation::{FencedLog, LiveLog, drain_killed};
use symbolon_store_sql::SqlStore;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Node, Stores};

/// How often the log is looked at though no word of a change came, so that the lease on cached facts never ends while the
/// database answers.
const FOLLOW: Duration = Duration::from_millis(250);
/// How often the database's clock is looked at.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);
/// How often Redis is looked at; after so many times its fences are raised anew, whether or not the log has moved.
const LOOK_AT_REDIS: Duration = Duration::from_secs(1);
const RAISE_AGAIN_TICKS: u32 = 10;
/// How often kills that are not on the log are looked for.
const DRAIN: Duration = Duration::from_secs(5);
/// How often it is said anew for how long the key set may be cached.
const CACHING: Duration = Duration::from_secs(1);
/// How often expired rows are deleted, and how many at a time.
const SWEEP: Duration = Duration::from_secs(30);
const SWEEP_BATCH: u32 = 500;
/// Rest between two batches.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// How soon what is published is renewed again after a failure.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

impl Node {
    /// Starts what runs beside requests: following the log, publishing the feed of it, renewing what is published, rotating
    /// keys, draining and sweeping.
    pub fn spawn(&self, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let spawn = |task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            tasks.spawn(shutdown.clone().run_until_cancelled_owned(task));
        };
        let moved = Arc::new(Notify::new());
        let (store, word) = (self.store.clone(), moved.clone());
        spawn(Box::pin(async move { store.watch(&word).await }));
        let log = self.log.clone();
        spawn(Box::pin(async move { log.follow(FOLLOW, &moved).await }));
        let feed = self.feed.clone();
        spawn(Box::pin(async move { feed.publish().await }));
        spawn(Box::pin(renew(Renewal {
            log: self.log.clone(),
            store: self.store.clone(),
            keyring: self.keyring.clone(),
            schedule: self.schedule.clone(),
            published: self.published.clone(),
        })));
        tasks.spawn(rotate(self.schedule.clone(), shutdown.clone()));
        self.admin.spawn(tasks, shutdown);
        spawn(Box::pin(drain(self.log.clone(), self.stores.sessions())));
        spawn(Box::pin(sweep(self.stores.clone())));
        let evidence = self.service.evidence();
        spawn(Box::pin(async move { evidence.keep_writing().await }));
        spawn(Box::pin(keep_time(self.stores.clone())));
        if let Some(fenced) = self.stores.fenced_log() {
            spawn(Box::pin(look_after_redis(
                self.log.clone(),
                fenced,
                self.stores.clone(),
            )));
            // What a reuse killed before there was Redis.
            spawn(Box::pin(drain(self.log.clone(), Arc::new(self.store.clone()))));
        }
    }
}

/// Follows the database's clock.
async fn keep_time(stores: Stores) {
    let mut ticks = tokio::time::interval(LOOK_AT_CLOCK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Whoever needs the database tells of its failures.
        if let Err(error) = stores.look_at_clock().await {
            tracing::debug!(%error, "the database's clock can't be read");
        }
    }
}

/// Looks after Redis: tells when it goes and when it is back, and raises the fences to what this node has applied, for
/// changes that were made beside the servers, for revocations whose fences could not be raised when they were made, and
/// for a Redis that lost its last writes.
async fn look_after_redis(log: Arc<LiveLog>, fenced: Arc<FencedLog>, stores: Stores) {
    let mut ticks = tokio::time::interval(LOOK_AT_REDIS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut raised, mut ago, mut failing) = (None, 0, false);
    loop {
        ticks.tick().await;
        let head = log.applied().head;
        ago += 1;
        let outcome = if raised == Some(head) && ago < RAISE_AGAIN_TICKS {
            stores.look_at_redis().await
        } else {
            let outcome = raise(&log, &fenced, head).await;
            if outcome.is_ok() {
                (raised, ago) = (Some(head), 0);
            }
            stores.look_at_redis().await.and(outcome)
        };
        match outcome {
            Ok(()) if std::mem::take(&mut failing) => tracing::info!("Redis can be used again"),
            Ok(()) => {}
            Err(error) => {
                // It may have lost what it was told: once it is back, it is told again.
                raised = None;
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "Redis can't be used: logins and refreshes are refused meanwhile");
                }
            }
        }
    }
}

async fn raise(log: &LiveLog, fenced: &FencedLog, to: Head) -> StoreResult<()> {
    // Fences that are beyond the head may be those of a revocation of this moment: the log tells, where it can be read.
    if let Some(told) = fenced.beyond(to).await?
        && log.catch_up().await.is_ok()
    {
        let held = log.applied().head;
        if held.log == to.log && held.seq < told {
            tracing::error!(
                "Redis knows of revocations that the log does not hold, and refuses logins and refreshes: if the database \
                 was restored from a backup, run `symbolon migrate --restored`"
            );
        }
    }
    fenced.raise(None, to).await
}

/// What [`renew`] works with.
struct Renewal {
    log: Arc<LiveLog>,
    store: SqlStore,
    keyring: Arc<Keyring>,
    schedule: Arc<RotationSchedule>,
    published: Arc<Published>,
}

/// Renews the published documents and the keys when a fact changes; tries again until it has. Meanwhile it keeps the time
/// that is left until the key set changes.
async fn renew(with: Renewal) {
    let mut heads = with.log.heads();
    // What changed while the node was opened is renewed first.
    let mut renewed = None;
    // One timer for all turns: one that began anew whenever the log moves would never ring while it moves often.
    let mut ticks = tokio::time::interval(CACHING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        heads.mark_unchanged();
        let version = with.log.applied().facts_version();
        if renewed == Some(version) {
            tokio::select! {
                changed = heads.changed() => if changed.is_err() { return },
                _ = ticks.tick() => with.keyring.refresh_caching(),
            }
            continue;
        }
        match with.renew().await {
            Ok(keys_changed) => {
                renewed = Some(version);
                if keys_changed {
                    with.schedule.wake();
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "metadata and signing keys could not be renewed: the old ones go on"
                );
                with.schedule.wake();
                tokio::time::sleep(RENEW_AGAIN).await;
            }
        }
    }
}

impl Renewal {
    async fn renew(&self) -> anyhow::Result<bool> {
        // The keys first: a bad one must go even where the metadata can't be read.
        let keys_changed = self.keyring.reload().await?;
        self.published.refresh(self.store.published().await?);
        Ok(keys_changed)
    }
}

/// Follows the schedule of the signing keys; when the node stops, nobody has to wait for it.
async fn rotate(schedule: Arc<RotationSchedule>, shutdown: CancellationToken) {
    shutdown.run_until_cancelled(schedule.run()).await;
    if let Err(error) = schedule.leave().await {
        tracing::warn!(%error, "other nodes will wait for this one's keys until it is taken for gone");
    }
}

async fn drain(log: Arc<LiveLog>, sessions: Arc<dyn SessionStore>) {
    let mut ticks = tokio::time::interval(DRAIN);
    loop {
        ticks.tick().await;
        match drain_killed(&*sessions, &*log as &dyn Revocations).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "killed sessions were put on the revocation log"),
            Err(error) => tracing::error!(%error, "killed sessions could not be put on the revocation log"),
        }
    }
}

/// How the sweeping of expired rows fares on this node. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Sweeps {
    inner: Arc<Mutex<SweepState>>,
}

#[derive(Clone, Copy, Default)]
struct SweepState {
    backlog: u64,
    completed: Option<Duration>,
}

impl Sweeps {
    /// Rows that had expired and were still there when the latest sweep began, as far as it has come.
    pub(crate) fn backlog(&self) -> u64 {
        self.state().backlog
    }

    /// The monotonic time at which the latest sweep that left nothing ended; `None` before the first.
    pub(crate) fn completed(&self) -> Option<Duration> {
        self.state().completed
    }

    fn found(&self, rows: u64) {
        self.state().backlog = rows;
    }

    fn complete(&self, at: Duration) {
        self.state().completed = Some(at);
    }

    fn state(&self) -> MutexGuard<'_, SweepState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(stores: Stores) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        match sweep_once(stores.clock.safely_past(), &stores.sql, &stores.sweeps).await {
            Ok(rows) => {
                stores.sweeps.complete(stores.clock.monotonic());
                if rows > 0 {
                    tracing::debug!(rows, "expired rows were deleted");
                }
            }
            Err(error) => tracing::error!(%error, "expired rows could not be deleted"),
        }
    }
}

/// Deletes all that has expired, a small batch at a time, so that nobody waits long for the one writer.
async fn sweep_once(now: UnixMillis, store: &SqlStore, sweeps: &Sweeps) -> StoreResult<u64> {
    let mut rows = store.sweep_verifiers(forgotten_at(now)).await?;
    loop {
        let batch =
            SessionStore::sweep(store, now, SWEEP_BATCH).await? + store.sweep_log(now, SWEEP_BATCH).await?;
        rows += batch;
        sweeps.found(rows);
        if batch < u64::from(SWEEP_BATCH) {
            return Ok(rows);
        }
        tokio::time::sleep(SWEEP_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use symbolon_core::ports::NewSession;
    use symbolon_store_sql::SqlConfig;
    use symbolon_testkit::{FakeClock, SeqRng, fresh_client_uid, fresh_session, fresh_subject};

    use super::*;

    #[tokio::test]
    async fn a_sweep_tells_how_much_it_found() {
        let store = SqlStore::connect(&SqlConfig::new("sqlite::memory:"), Arc::new(FakeClock::new()))
            .await
            .unwrap();
        store.migrate(&SeqRng::new()).await.unwrap();
        let head = store.head().await.unwrap();
        let (now, sweeps) = (FakeClock::START, Sweeps::default());
        let expired = u64::from(SWEEP_BATCH) + 7;
        for i in 0..expired + 3 {
            let session = NewSession {
                session: fresh_session(now),
                subject: fresh_subject(),
                client: fresh_client_uid(),
                scope: "orders:read".to_owned(),
                ends: now.plus(if i < expired { 1_000 } else { 3_000 }),
                issued: now,
                address: None,
                user_agent: None,
                refreshable: false,
            };
            SessionStore::begin(&store, &session, head).await.unwrap();
        }
        for (after, found) in [(1_000, 0), (2_000, expired), (2_000, 0), (4_000, 3)] {
            let swept = sweep_once(now.plus(after), &store, &sweeps).await.unwrap();
            assert_eq!((swept, sweeps.backlog()), (found, found), "after {after}");
        }
        assert_eq!(sweeps.completed(), None);
        let at = Duration::from_secs(9);
        sweeps.complete(at);
        assert_eq!(sweeps.completed(), Some(at));
        store.close().await;
        assert!(sweep_once(now, &store, &sweeps).await.is_err());
        assert_eq!(
            (sweeps.backlog(), sweeps.completed()),
            (3, Some(at)),
            "what fails is not told as done"
        );
    }
}
