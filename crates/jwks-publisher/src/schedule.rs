//! The rotation schedule as every node runs it. One node at a time acts, under a lease; the fence in the lease keeps a
//! node from acting that was stopped, cut off or merely slow, and has lost it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use symbolon_core::audit::Act;
use symbolon_core::ids::uuid_v7;
use symbolon_core::keys::{
    KeyAuthority, KeyChangeOutcome, KeyNode, KeySchedule, KeyState, ScheduleTime, SigningKeyRecord,
};
use symbolon_core::ports::{KeyStore, StoreResult};
use symbolon_core::{Clock, Rng};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::board::{Board, Due, Readiness, RotationConfig, Step, known_time};
use crate::error::KeyringError;
use crate::key_set::Change;
use crate::keyring::Keyring;
use crate::maker::{Beginning, KeyMaker, SharedEncryptionKeys};
use crate::plan::Plan;
use crate::status::{RotationOutcome, ScheduleStatus, StatusBoard};
use crate::watch::Watch;

/// A step that failed is tried again after this long, or at the next look where that is sooner.
const RETRY: Duration = Duration::from_secs(60);
/// Rest between two looks at least.
const LEAST_REST: Duration = Duration::from_millis(100);

/// What a node's schedule is made of.
pub struct ScheduleParts {
    /// The keys and the schedule's record.
    pub store: Arc<dyn KeyStore>,
    /// The keys as this node has opened them.
    pub keyring: Arc<Keyring>,
    /// What new keys are encrypted under.
    pub encryption_keys: SharedEncryptionKeys,
    /// How keys come and go.
    pub config: RotationConfig,
    /// The node's name for people.
    pub name: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// Rotates keys when it is due. Every node runs one.
pub struct RotationSchedule {
    store: Arc<dyn KeyStore>,
    keyring: Arc<Keyring>,
    maker: KeyMaker,
    config: RotationConfig,
    clock: Arc<dyn Clock>,
    node: Uuid,
    name: String,
    anchor: Mutex<Option<Anchor>>,
    watch: Mutex<Watch>,
    wake: Notify,
    status: StatusBoard,
}

/// The schedule's time at a monotonic time of this process.
#[derive(Clone, Copy)]
struct Anchor {
    /// Time that has been seen to pass: what anything is due by.
    elapsed: ScheduleTime,
    /// As far as another node may have come meanwhile, which acts before this one then.
    ahead: ScheduleTime,
    monotonic: Duration,
}

impl RotationSchedule {
    /// The schedule of one node.
    pub fn new(parts: ScheduleParts) -> Self {
        let ScheduleParts {
            store,
            keyring,
            encryption_keys,
            config,
            name,
            clock,
            rng,
        } = parts;
        Self {
            node: uuid_v7(clock.now(), &*rng),
            store,
            keyring,
            maker: KeyMaker { encryption_keys, rng },
            status: StatusBoard::new(&config.algorithms),
            config,
            clock,
            name: name.chars().take(200).collect(),
            anchor: Mutex::default(),
            watch: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Follows the schedule for ever. Failures are logged and tried again; keys that sign go on signing meanwhile.
    pub async fn run(&self) {
        loop {
            let rest = match self.look().await {
                Ok(rest) => rest,
                Err(error) => {
                    tracing::error!(%error, "the schedule of the signing keys can't be followed: they stay as they are");
                    self.config.tick().min(RETRY)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Looks at the schedule soon rather than at the next tick: keys have changed, or could not be read.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Looks at the schedule once: reports this node, does what is due, and returns how long to rest.
    ///
    /// # Errors
    /// The store's. A step that fails is no error: it is logged and counted, and tried again.
    pub async fn look(&self) -> StoreResult<Duration> {
        let schedule = self.store.key_schedule().await?;
        let nodes = self.store.key_nodes().await?;
        let anchor = self.anchor(&schedule, &nodes);
        let Anchor {
            elapsed, monotonic, ..
        } = anchor;
        self.watched().look(&nodes, elapsed, &self.config);
        // A record that is encrypted again, or mended, is no change of a fact.
        if self.keyring.lacks_keys()
            && let Err(error) = self.keyring.reload().await
        {
            tracing::error!(%error, "signing keys could not be renewed: the old ones go on");
        }
        let records = self.store.signing_keys().await?;
        self.report(&records, elapsed, monotonic).await?;
        let mut board = self.board(elapsed).await?;
        let mut due = board.due(&self.config);
        let is_due = |due: &Due| due.at <= elapsed;
        let mut failed = false;
        if due.iter().any(is_due) {
            failed = self.act(elapsed).await?;
            board = self.board(elapsed).await?;
            due = board.due(&self.config);
        } else if elapsed.since(schedule.elapsed) >= self.config.tick() {
            self.keep(elapsed).await?;
        }
        let next = due.iter().map(|due| due.at.since(elapsed)).min();
        self.plan_change(&due, anchor);
        self.warn_of_withheld(&board);
        self.status.update(&board, &due, monotonic, &self.config);
        Ok(self.rest(next, failed))
    }

    /// Keeps the time that has passed, and says that this node stops, so that nobody waits for it.
    ///
    /// # Errors
    /// The store's.
    pub async fn leave(&self) -> StoreResult<()> {
        let schedule = self.store.key_schedule().await?;
        let nodes = self.store.key_nodes().await?;
        self.keep(self.anchor(&schedule, &nodes).elapsed).await?;
        self.store.forget_key_node(self.node).await
    }

    /// What operators want to know, as of the last look.
    pub fn status(&self) -> ScheduleStatus {
        self.status.now(self.clock.monotonic())
    }

    /// The schedule's time. A process goes by its monotonic clock from what the store has when it looks first: a wall
    /// clock can't tell time that passed from a clock that was set, or is another's. It only guesses how far a node that
    /// runs has come since it last kept its time, for caches.
    fn anchor(&self, schedule: &KeySchedule, nodes: &[KeyNode]) -> Anchor {
        let known_time = known_time(schedule, nodes);
        let monotonic = self.clock.monotonic();
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let (elapsed, ahead) = match *anchor {
            None => {
                let unkept = schedule.elapsed.plus(self.config.unkept());
                let guess = schedule.estimate(self.clock.now()).min(unkept);
                (known_time, guess.max(known_time))
            }
            Some(known) => {
                let passed = monotonic.saturating_sub(known.monotonic);
                let elapsed = known.elapsed.plus(passed).max(known_time);
                (elapsed, known.ahead.plus(passed).max(elapsed))
            }
        };
        let now = Anchor {
            elapsed,
            ahead,
            monotonic,
        };
        *anchor = Some(now);
        now
    }

    /// The keys, and the nodes that are not known to be gone.
    async fn board(&self, elapsed: ScheduleTime) -> StoreResult<Board> {
        let mut nodes = self.store.key_nodes().await?;
        let records = self.store.signing_keys().await?;
        self.watched().drop_gone(&mut nodes);
        Ok(Board {
            records,
            nodes,
            now: self.clock.now(),
            elapsed,
            entering: elapsed,
        })
    }

    fn watched(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn report(
        &self,
        records: &[SigningKeyRecord],
        elapsed: ScheduleTime,
        monotonic: Duration,
    ) -> StoreResult<()> {
        let complete_since = self.keyring.complete_since(records).map(|since| match since {
            Duration::ZERO => ScheduleTime(0),
            since => {
                let ago = monotonic.saturating_sub(since);
                ScheduleTime(
                    elapsed
                        .0
                        .saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
                )
            }
        });
        let node = KeyNode {
            node: self.node,
            name: self.name.clone(),
            seen: elapsed,
            complete_since,
            opens: self.opens(),
        };
        self.store.report_key_node(&node).await
    }

    /// Ids of the key-encryption keys of this node.
    fn opens(&self) -> Vec<String> {
        let keys = self.maker.encryption_keys.load();
        keys.all().map(|key| key.id().to_string()).collect()
    }

    /// Keeps the time that has passed, so that a restart does not lose it.
    async fn keep(&self, elapsed: ScheduleTime) -> StoreResult<()> {
        let taken = self
            .store
            .take_key_lease(self.node, self.clock.now(), self.config.lease(), elapsed)
            .await?;
        match taken {
            Some(lease) => self.store.release_key_lease(lease).await,
            None => Ok(()),
        }
    }

    /// Does what is due, if no other node is at it. Returns whether a step failed.
    async fn act(&self, elapsed: ScheduleTime) -> StoreResult<bool> {
        let taken = self
            .store
            .take_key_lease(self.node, self.clock.now(), self.config.lease(), elapsed)
            .await?;
        let Some(lease) = taken else {
            tracing::debug!("another node is changing the signing keys");
            return Ok(false);
        };
        let mut failed = false;
        // Read again under the lease: another node may have done it all just before.
        let due = self.board(elapsed).await?.due(&self.config);
        for due in due.into_iter().filter(|due| due.at <= elapsed) {
            match self.step(&due, elapsed, KeyAuthority::Lease(lease)).await {
                Ok(KeyChangeOutcome::Done) => self.count(&due, RotationOutcome::Done),
                Ok(KeyChangeOutcome::Conflict) => self.count(&due, RotationOutcome::Superseded),
                Ok(KeyChangeOutcome::Fenced) => {
                    self.count(&due, RotationOutcome::Superseded);
                    tracing::info!(
                        alg = %due.alg,
                        "the signing keys were changed by another node or an operator meanwhile: nothing was done"
                    );
                    return Ok(failed);
                }
                Err(error) => {
                    failed = true;
                    self.count(&due, RotationOutcome::Failed);
                    tracing::error!(
                        alg = %due.alg, step = due.step.as_str(), %error,
                        "a step of the key schedule failed: the present keys go on, and it is tried again"
                    );
                }
            }
        }
        self.store.release_key_lease(lease).await?;
        if let Err(error) = self.keyring.reload().await {
            tracing::error!(%error, "signing keys could not be renewed: the old ones go on");
        }
        Ok(failed)
    }

    /// One step, of one algorithm: what fails for one does not hold up another.
    async fn step(
        &self,
        due: &Due,
        elapsed: ScheduleTime,
        authority: KeyAuthority,
    ) -> Result<KeyChangeOutcome, KeyringError> {
        let board = self.board(elapsed).await?;
        let plan = plan(due, &board, &self.config);
        if plan.is_empty() {
            return Ok(KeyChangeOutcome::Conflict);
        }
        tracing::info!(alg = %due.alg, step = due.step.as_str(), "a step of the key schedule is due");
        if plan.brings_keys() {
            self.maker.check(&board)?;
        }
        let act = Act::server("rotation schedule");
        let change = plan.change(&board, &self.maker, authority, &act).await?;
        Ok(self.store.change_keys(&change).await?)
    }

    fn count(&self, due: &Due, outcome: RotationOutcome) {
        self.status.count(due.alg, due.step, outcome);
    }

    /// The next step that alters the key set.
    fn plan_change(&self, due: &[Due], anchor: Anchor) {
        let next = due.iter().map(|due| due.at).min();
        let when = |at: ScheduleTime, by| anchor.monotonic.saturating_add(at.since(by));
        self.keyring.plan_change(next.map(|at| Change {
            earliest: when(at, anchor.ahead),
            latest: when(at, anchor.elapsed),
        }));
    }

    fn warn_of_withheld(&self, board: &Board) {
        for alg in &self.config.algorithms {
            let Some(pending) = board.pending(*alg) else {
                continue;
            };
            if let Readiness::Withheld { by } = board.readiness(pending, &self.config) {
                tracing::warn!(
                    kid = %pending.kid, %alg, node = by,
                    "a node does not publish the pending signing key: it can't take over until that node does"
                );
            }
        }
    }

    fn rest(&self, next: Option<Duration>, failed: bool) -> Duration {
        let tick = self.config.tick();
        if failed {
            return tick.min(RETRY);
        }
        match next {
            // Somebody else is at it, or it was not to be done: look again in a while.
            Some(Duration::ZERO) => tick.min(RETRY),
            Some(left) => left.min(tick).max(LEAST_REST),
            None => tick,
        }
    }
}

/// What a due step changes.
fn plan(due: &Due, board: &Board, config: &RotationConfig) -> Plan {
    let mut plan = Plan::default();
    match due.step {
        Step::Generate => {
            if board.pending(due.alg).is_none() {
                plan.make(board, due.alg, Beginning::Pending, config);
            }
        }
        Step::Rotate => {
            let still_due = board.due(config).iter().any(|other| other == due);
            if let Some(pending) = board.pending(due.alg).filter(|_| still_due) {
                plan.hand_over(board, pending, config);
            }
        }
        Step::Finish => {
            let found = |record: &&SigningKeyRecord| Some(&record.kid) == due.kid.as_ref();
            if let Some(record) = board.records.iter().find(found)
                && let Ok(to @ KeyState::Retired { .. }) = record.state.finish(board.now)
            {
                plan.go(board, record, to);
            }
        }
    }
    plan
}
