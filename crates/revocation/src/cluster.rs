//! Sessions whose list is in SQL and whose records are in a store of their own, and the fences between that store and
//! the revocation log. The two share no transaction: each operation names its commit point.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use symbolon_core::cluster::{Fenced, Position, Raised, RecordFence, SessionList, SessionRecords};
use symbolon_core::ports::{
    Appended, Begin, Fence, KilledSession, NewSession, RevocationLog, SessionStore, StoreError, StoreResult,
};
use symbolon_core::revocation::{Head, Logged, NewRevocation, Reach, Tip, UNKNOWN_TIP};
use symbolon_core::rotation::{Rotation, RotationRequest};
use symbolon_core::{SessionId, Subject, UnixMillis};
use symbolon_oauth_types::revocation::Digest;
use tokio::sync::Mutex;

/// How often fences may be found gone, or of another log, before an operation gives up: that was mended each time.
const ATTEMPTS: usize = 4;

/// The session records, and the log that their fences are put up from. One for a node: whoever finds fences gone waits for
/// whoever puts them up already.
pub(crate) struct Fences {
    records: Arc<dyn SessionRecords>,
    log: Arc<dyn RevocationLog>,
    /// One at a time puts all of them up.
    rebuilding: Mutex<()>,
    rebuilt: AtomicU64,
}

impl Fences {
    pub(crate) fn new(records: Arc<dyn SessionRecords>, log: Arc<dyn RevocationLog>) -> Self {
        Self {
            records,
            log,
            rebuilding: Mutex::new(()),
            rebuilt: AtomicU64::new(0),
        }
    }

    /// The fences were seen to be gone: they are put up again where the log stands now. Whoever asked has to catch up
    /// with the log, as all nodes have; then what is sealed is adopted.
    pub(crate) async fn rebuild(&self) -> StoreResult<()> {
        let before = self.rebuilt.load(Ordering::SeqCst);
        let _one_at_a_time = self.rebuilding.lock().await;
        if self.rebuilt.load(Ordering::SeqCst) != before {
            // Somebody has tried meanwhile: whoever asked sees for themselves what came of it.
            return Ok(());
        }
        let outcome = self.put_up().await;
        self.rebuilt.fetch_add(1, Ordering::SeqCst);
        outcome
    }

    async fn put_up(&self) -> StoreResult<()> {
        let head = self.log.head().await?;
        tracing::warn!(
            seq = head.seq,
            "the session records were emptied: their fences are put up again"
        );
        self.records.rebuild(head).await?;
        // What was promised in between stood in fences that may have been lost, too, and were put up too low.
        let now = self.log.head().await?;
        if now != head {
            let raised = self.records.raise(None, now, &[head.log]).await?;
            tracing::debug!(?raised, seq = now.seq, "the log has moved since");
        }
        Ok(())
    }

    /// Raises fences to a head that this node has read. Those of another log are replaced only where the database, asked
    /// after they were seen, still has the log of `to`: a node that slept while a backup was restored must not put the
    /// fences of the log back that it remembers, and one that has read the new log needs nobody's leave.
    async fn raise(&self, whose: Option<Subject>, to: Head) -> StoreResult<()> {
        let mut over = Vec::new();
        for _ in 0..ATTEMPTS {
            match self.records.raise(whose, to, &over).await? {
                Raised::Done => return Ok(()),
                Raised::Gone => self.rebuild().await?,
                Raised::OfOtherLogs(others) => {
                    if self.log.head().await?.log != to.log {
                        return Err(StoreError::Unavailable(
                            "the revocation log was replaced by another, which this node has not read yet"
                                .into(),
                        ));
                    }
                    over = others;
                }
            }
        }
        Err(gone())
    }
}

/// Sessions whose list is in SQL and whose records are elsewhere.
pub struct ClusterSessions {
    list: Arc<dyn SessionList>,
    fences: Arc<Fences>,
}

impl ClusterSessions {
    /// Sessions in that list, whose records are those that the log raises fences for.
    pub fn new(list: Arc<dyn SessionList>, log: &FencedLog) -> Self {
        Self {
            list,
            fences: log.fences.clone(),
        }
    }

    fn records(&self) -> &dyn SessionRecords {
        &*self.fences.records
    }

    /// False where the node has to catch up first.
    async fn begin_record(&self, session: &NewSession, applied: Head) -> StoreResult<bool> {
        for _ in 0..ATTEMPTS {
            match self.records().begin(session, applied).await? {
                Fenced::CatchUp => return Ok(false),
                Fenced::Done(()) => return Ok(true),
                Fenced::Lost => self.fences.rebuild().await?,
            }
        }
        Err(gone())
    }

    /// Who finds the fence gone puts it up, and has to catch up then as all do.
    async fn rebuilt(&self, outcome: Rotation) -> StoreResult<Rotation> {
        if outcome != Rotation::Lost {
            return Ok(outcome);
        }
        self.fences.rebuild().await?;
        Ok(Rotation::CatchUp)
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the session records lose their fences again and again".into())
}

#[async_trait]
impl SessionStore for ClusterSessions {
    /// The commit point is the row in the list. A record without a row belongs to a session that nobody has a token of,
    /// and expires.
    async fn begin(&self, session: &NewSession, applied: Head) -> StoreResult<Begin> {
        if session.refreshable && !self.begin_record(session, applied).await? {
            return Ok(Begin::CatchUp);
        }
        self.list.list(session, applied).await
    }

    /// The commit point is the record.
    async fn rotate(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        self.rebuilt(self.records().rotate(request).await?).await
    }

    async fn peek(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        self.rebuilt(self.records().peek(request).await?).await
    }

    async fn fence(&self, subject: Subject, session: Option<SessionId>) -> StoreResult<Fence> {
        for _ in 0..ATTEMPTS {
            if let Some(RecordFence { position, killed }) = self.records().fence(subject, session).await? {
                let Position { log, seq } = position;
                // Facts have no fence: a change of one returns once every lease on older ones has ended.
                return Ok(Fence {
                    head: Head {
                        log,
                        seq,
                        facts: 0,
                        tip: UNKNOWN_TIP,
                    },
                    killed,
                });
            }
            self.fences.rebuild().await?;
        }
        Err(gone())
    }

    async fn killed(&self, limit: u32) -> StoreResult<Vec<KilledSession>> {
        self.records().killed(limit).await
    }

    async fn killed_logged(&self, killed: &KilledSession) -> StoreResult<()> {
        self.records().killed_logged(killed).await
    }

    /// The records expire by themselves.
    async fn sweep(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        self.list.sweep_list(before, limit).await
    }
}

/// The revocation log of a cluster: what is appended raises the fences before the call returns, so that no node can
/// rotate or answer for what it revokes without having read it.
pub struct FencedLog {
    fences: Arc<Fences>,
}

impl FencedLog {
    /// The log with fences in front of the records.
    pub fn new(log: Arc<dyn RevocationLog>, records: Arc<dyn SessionRecords>) -> Self {
        Self {
            fences: Arc::new(Fences::new(records, log)),
        }
    }

    /// How far fences were raised, where that is beyond `applied`. A log that is read afterwards holds as much, unless it
    /// was restored from a backup and kept its identity.
    ///
    /// # Errors
    /// The store's.
    pub async fn beyond(&self, applied: Head) -> StoreResult<Option<u64>> {
        let told = self.fences.records.head().await?;
        Ok(told
            .filter(|told| told.log == applied.log && told.seq > applied.seq)
            .map(|told| told.seq))
    }

    /// Raises every fence that `whose` concerns to the head, which must have been read from the log. Fences of another log
    /// are replaced where the database has the head's log still.
    ///
    /// # Errors
    /// The store's, or the database has another log than that of the head: what is on the log is not promised yet, and takes
    /// effect where nodes read the log by themselves.
    pub async fn raise(&self, whose: Option<Subject>, to: Head) -> StoreResult<()> {
        self.fences.raise(whose, to).await
    }

    fn log(&self) -> &dyn RevocationLog {
        &*self.fences.log
    }
}

#[async_trait]
impl RevocationLog for FencedLog {
    async fn head(&self) -> StoreResult<Head> {
        self.log().head().await
    }

    async fn entries(&self, after: u64, now: UnixMillis, limit: u32) -> StoreResult<Vec<Logged>> {
        self.log().entries(after, now, limit).await
    }

    async fn tip_at(&self, seq: u64) -> StoreResult<Option<Tip>> {
        self.log().tip_at(seq).await
    }

    /// The commit point is the log.
    async fn append(&self, revocation: &NewRevocation, now: UnixMillis) -> StoreResult<Appended> {
        let appended = self.log().append(revocation, now).await?;
        let reach = self.promise(revocation.whose, appended.head).await?;
        Ok(Appended { reach, ..appended })
    }

    /// What is on the log stays there, whether or not the fences can be raised now.
    async fn promise(&self, whose: Option<Subject>, to: Head) -> StoreResult<Reach> {
        match self.raise(whose, to).await {
            Ok(()) => Ok(Reach::Everywhere),
            Err(error) => {
                tracing::warn!(%error, "a revocation is logged, but its fences could not be raised");
                Ok(Reach::Logged)
            }
        }
    }

    async fn confirms(&self, applied: Head) -> StoreResult<bool> {
        let told = self.fences.records.head().await?;
        Ok(told.is_some_and(|told| {
            told.log == applied.log && told.seq <= applied.seq && told.facts <= applied.facts
        }))
    }

    async fn live_tokens(&self, owner: Digest, now: UnixMillis) -> StoreResult<u64> {
        self.log().live_tokens(owner, now).await
    }

    async fn sweep_log(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        self.log().sweep_log(before, limit).await
    }
}
