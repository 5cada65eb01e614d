//! Who makes checkpoints.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use symbolon_core::audit::{AuditFilter, AuditHead, AuditStore, Checkpoint, Order};
use symbolon_core::ports::StoreError;
use symbolon_core::time::rfc3339;
use symbolon_core::{Clock, UnixMillis};
use symbolon_jose::SignError;
use tokio::time::MissedTickBehavior;

use super::checkpoint::{CheckpointError, CheckpointKeys, Statement};
use super::walk::{Fault, Walk};

/// A checkpoint is made no sooner than this after the last one.
const EVERY: Duration = Duration::from_secs(10);
/// Records that are read at a time.
const BATCH: u32 = 500;

/// Makes checkpoints while the trail moves on. Any number of nodes may.
pub struct Checkpointer {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    issuer: String,
    keys: CheckpointKeys,
    /// The last position that this process has signed: no checkpoint that is kept is before it.
    signed: AtomicU64,
}

/// Why no checkpoint was made.
#[derive(Debug, thiserror::Error)]
pub enum Unsigned {
    /// What was to be signed does not follow from the last checkpoint.
    #[error("{0}: run `symbolon audit verify`")]
    Fault(Fault),
    /// Checkpoints that this process has signed are no longer kept.
    #[error(
        "this process has signed the trail up to record {signed}, and the last checkpoint that is kept covers {kept}: \
         somebody has deleted checkpoints; run `symbolon audit verify` with those in the log"
    )]
    Gone {
        /// What the last one that is kept covers.
        kept: u64,
        /// What this process has signed.
        signed: u64,
    },
    /// The last checkpoint is not what this server has signed.
    #[error(
        "the last checkpoint, kept as that of record {seq}, was changed: {error}; run `symbolon audit verify`"
    )]
    Last {
        /// The position that stands beside it.
        seq: u64,
        /// What is wrong.
        error: CheckpointError,
    },
    /// OpenSSL failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Checkpointer {
    /// For the trail of that issuer.
    pub fn new(
        store: Arc<dyn AuditStore>,
        clock: Arc<dyn Clock>,
        issuer: String,
        keys: CheckpointKeys,
    ) -> Self {
        Self {
            store,
            clock,
            issuer,
            keys,
            signed: AtomicU64::new(0),
        }
    }

    /// Makes checkpoints, for ever. Each goes to the log as well, target `symbolon::audit`, so that it leaves the database.
    pub async fn keep_signing(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            ticks.tick().await;
            match self.sign().await {
                Ok(_) if std::mem::take(&mut failing) => {
                    tracing::info!("checkpoints of the audit trail can be signed again");
                }
                Ok(_) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "no checkpoint of the audit trail can be signed");
                    }
                }
            }
        }
    }

    /// Signs how far the trail has come, where it has moved on since the last checkpoint and that one is old enough; `None`
    /// otherwise. It signs only what follows, record by record, from the last checkpoint: whatever was changed before that
    /// is not made good by the next one.
    ///
    /// # Errors
    /// [`Unsigned`].
    pub async fn sign(&self) -> Result<Option<Checkpoint>, Unsigned> {
        // In this order: the trail is never behind a checkpoint.
        let last = self.store.last_checkpoint().await?;
        let head = self.store.audit_head().await?;
        let last = last.map(|last| self.read(&last)).transpose()?;
        let now = self.clock.now();
        let signed = self.signed.load(Ordering::Relaxed);
        let kept = last.map_or(0, |last| last.seq);
        if kept < signed {
            return Err(Unsigned::Gone { kept, signed });
        }
        if let Some(last) = last {
            if head.seq < last.seq {
                return Err(Unsigned::Fault(Fault::cut_off(head.seq + 1)));
            }
            if head.seq == last.seq || !self.is_due(last, now) {
                return Ok(None);
            }
        }
        let begin = match last {
            None => {
                let anchor = self.store.audit_anchor().await?;
                // Nothing is swept that no checkpoint covers.
                if anchor.seq > 0 {
                    return Err(Unsigned::Fault(Fault::uncovered(anchor.seq)));
                }
                anchor
            }
            Some(Statement { seq, hash, .. }) => AuditHead { seq, hash },
        };
        let reached = self.follow(begin, head.seq).await?;
        if reached.seq == begin.seq {
            return Ok(None);
        }
        let checkpoint = self.keys.sign(&self.issuer, reached, now)?;
        self.store.add_checkpoint(&checkpoint).await?;
        self.signed.fetch_max(checkpoint.seq, Ordering::Relaxed);
        let Checkpoint { seq, signed, .. } = &checkpoint;
        tracing::info!(target: "symbolon::audit", seq, hash = %reached.hash, checkpoint = signed, "audit checkpoint");
        Ok(Some(checkpoint))
    }

    /// What the last checkpoint says, by its signature.
    fn read(&self, last: &Checkpoint) -> Result<Statement, Unsigned> {
        let read = self.keys.public().read_kept(last);
        read.map_err(|error| Unsigned::Last { seq: last.seq, error })
    }

    /// Whether the last one is old enough. One of a moment that no clock can have come to was made while a clock was wrong:
    /// to wait for that moment would leave the trail without any until then.
    fn is_due(&self, last: Statement, now: UnixMillis) -> bool {
        if last.at > self.clock.cutoff() {
            let at = rfc3339(last.at);
            tracing::error!(
                seq = last.seq,
                at,
                "the last audit checkpoint is of a moment to come: a clock was or is wrong"
            );
            return true;
        }
        u128::from(now.since(last.at)) >= EVERY.as_millis()
    }

    async fn follow(&self, begin: AuditHead, to: u64) -> Result<AuditHead, Unsigned> {
        let mut walk = Walk::behind(begin);
        let everything = AuditFilter::default();
        while walk.seq() < to {
            let records = self
                .store
                .audit_records(&everything, Order::Earliest, Some(walk.seq()), BATCH)
                .await?;
            if records.is_empty() {
                return Err(Unsigned::Fault(Fault::cut_off(walk.seq() + 1)));
            }
            for (i, record) in records.iter().enumerate() {
                walk.step(record, records.get(i + 1)).map_err(Unsigned::Fault)?;
            }
        }
        Ok(walk.at())
    }
}

impl std::fmt::Debug for Checkpointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpointer")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use symbolon_testkit::FakeClock;

    use super::*;
    use crate::trail::tests::{MemoryTrail, events, keys};

    const ISSUER: &str = "https://as.example";

    fn checkpointer() -> (Arc<MemoryTrail>, Arc<FakeClock>, Checkpointer) {
        let (store, clock) = (Arc::new(MemoryTrail::default()), Arc::new(FakeClock::new()));
        let checkpointer = Checkpointer::new(store.clone(), clock.clone(), ISSUER.into(), keys(1));
        (store, clock, checkpointer)
    }

    #[tokio::test]
    async fn signs_where_the_trail_has_moved_and_the_last_is_old_enough() {
        let (store, clock, checkpointer) = checkpointer();
        assert_eq!(
            checkpointer.sign().await.unwrap(),
            None,
            "there is nothing to sign"
        );
        store.record(&events(0..3)).await.unwrap();
        let first = checkpointer.sign().await.unwrap().unwrap();
        let statement = keys(1).public().read(&first.signed).unwrap();
        assert_eq!((statement.seq, statement.hash), (3, store.kept().head().hash));
        assert_eq!(statement.at, FakeClock::START);
        store.record(&events(3..4)).await.unwrap();
        assert_eq!(checkpointer.sign().await.unwrap(), None, "the last is too young");
        clock.advance(EVERY);
        assert_eq!(checkpointer.sign().await.unwrap().unwrap().seq, 4);
        clock.advance(EVERY);
        assert_eq!(
            checkpointer.sign().await.unwrap(),
            None,
            "the trail has not moved"
        );
    }

    #[tokio::test]
    async fn what_was_changed_before_is_not_signed() {
        type Tamper = fn(&MemoryTrail);
        let faults: [(Tamper, &str); 6] = [
            (
                |store| {
                    store.kept().records.remove(4);
                },
                "record 5 is missing",
            ),
            (
                |store| store.kept().records[4].body.push(' '),
                "record 5 was changed",
            ),
            (
                |store| store.kept().records.truncate(2),
                "cut off, from record 3 on",
            ),
            (
                |store| store.kept().checkpoints[0].signed.insert(40, 'x'),
                "the last checkpoint, kept as that of record 3, was changed: its signature",
            ),
            (
                // So that it is never old enough.
                |store| store.kept().checkpoints[0].at = UnixMillis(4_102_444_800_000),
                "kept as that of record 3, was changed: position or moment beside it",
            ),
            (
                // So that the trail seems not to have moved.
                |store| store.kept().checkpoints[0].seq = 7,
                "kept as that of record 7, was changed: position or moment beside it",
            ),
        ];
        for (tamper, told) in faults {
            let (store, clock, checkpointer) = checkpointer();
            store.record(&events(0..3)).await.unwrap();
            checkpointer.sign().await.unwrap().unwrap();
            store.record(&events(3..7)).await.unwrap();
            clock.advance(EVERY);
            tamper(&store);
            let error = checkpointer.sign().await.unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[tokio::test]
    async fn goes_on_from_what_was_signed_under_another_issuer_by_the_same_key() {
        let (store, clock, checkpointer) = checkpointer();
        store.record(&events(0..3)).await.unwrap();
        checkpointer.sign().await.unwrap().unwrap();
        store.record(&events(3..4)).await.unwrap();
        clock.advance(EVERY);
        let moved = "https://moved.example".to_owned();
        let by_other_key = Checkpointer::new(store.clone(), clock.clone(), moved.clone(), keys(2));
        let error = by_other_key.sign().await.unwrap_err().to_string();
        assert!(error.contains("kept as that of record 3, was changed"), "{error}");
        let moved = Checkpointer::new(store, clock.clone(), moved, keys(1));
        assert_eq!(moved.sign().await.unwrap().unwrap().seq, 4);
        // Nor are nodes in each other's way that have not been told yet.
        clock.advance(EVERY);
        moved.store.record(&events(4..5)).await.unwrap();
        assert_eq!(checkpointer.sign().await.unwrap().unwrap().seq, 5);
    }

    #[tokio::test]
    async fn one_of_a_moment_to_come_keeps_none_from_being_made() {
        let (store, clock, checkpointer) = checkpointer();
        store.record(&events(0..3)).await.unwrap();
        let ahead = clock.now().plus(1);
        let by_a_clock_that_was_ahead = keys(1).sign(ISSUER, store.kept().head(), ahead).unwrap();
        store.add_checkpoint(&by_a_clock_that_was_ahead).await.unwrap();
        assert_eq!(
            checkpointer.sign().await.unwrap(),
            None,
            "the trail has not moved"
        );
        store.record(&events(3..4)).await.unwrap();
        let next = checkpointer.sign().await.unwrap().unwrap();
        assert_eq!((next.seq, next.at), (4, clock.now()));
    }

    #[tokio::test]
    async fn a_history_that_was_written_anew_before_the_last_checkpoint_is_not_signed() {
        let (store, clock, checkpointer) = checkpointer();
        store.record(&events(0..3)).await.unwrap();
        checkpointer.sign().await.unwrap().unwrap();
        clock.advance(EVERY);
        store.kept().records.clear();
        store.record(&events(10..15)).await.unwrap();
        let error = checkpointer.sign().await.unwrap_err().to_string();
        assert!(error.contains("record 4 was changed"), "{error}");
    }
}
