//! A trail in memory, for the tests beside the code.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_core::UnixMillis;
use symbolon_core::audit::{
    Act, AuditEvent, AuditFilter, AuditHead, AuditRecord, AuditStore, Checkpoint, EventKind, GENESIS,
    Genuine, Order, link,
};
use symbolon_core::ports::{StoreError, StoreResult};
use symbolon_core::secret::ServerSecret;
use symbolon_testkit::FakeClock;
use zeroize::Zeroizing;

use super::CheckpointKeys;

/// Searches by the kind of event alone.
#[derive(Default)]
pub(crate) struct MemoryTrail(Mutex<Kept>);

#[derive(Default)]
pub(super) struct Kept {
    pub(super) records: Vec<AuditRecord>,
    pub(super) checkpoints: Vec<Checkpoint>,
    failure: Option<StoreError>,
}

impl MemoryTrail {
    /// From now on nothing can be written or read, or again.
    pub(super) fn fail(&self, failure: Option<StoreError>) {
        self.kept().failure = failure;
    }

    /// The bodies.
    pub(super) fn events(&self) -> Vec<serde_json::Value> {
        let body = |record: &AuditRecord| serde_json::from_str(&record.body).unwrap();
        self.kept().records.iter().map(body).collect()
    }

    /// What is kept, to be tampered with.
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap()
    }

    fn open(&self) -> StoreResult<MutexGuard<'_, Kept>> {
        let kept = self.kept();
        match &kept.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(kept),
        }
    }
}

impl Kept {
    pub(super) fn head(&self) -> AuditHead {
        self.records.last().map_or(
            AuditHead {
                seq: 0,
                hash: GENESIS,
            },
            |last| AuditHead {
                seq: last.seq,
                hash: last.hash,
            },
        )
    }
}

#[async_trait]
impl AuditStore for MemoryTrail {
    async fn record(&self, events: &[AuditEvent]) -> StoreResult<AuditHead> {
        let mut kept = self.open()?;
        for event in events {
            let (head, body) = (kept.head(), event.body());
            let seq = head.seq + 1;
            let hash = link(&head.hash, seq, &body);
            kept.records.push(AuditRecord { seq, body, hash });
        }
        Ok(kept.head())
    }

    async fn audit_head(&self) -> StoreResult<AuditHead> {
        Ok(self.open()?.head())
    }

    async fn audit_records(
        &self,
        filter: &AuditFilter,
        order: Order,
        from: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRecord>> {
        let kept = self.open()?;
        let named = |record: &AuditRecord, kind: &EventKind| {
            record.body.contains(&format!("\"event\":\"{}\"", kind.as_str()))
        };
        let is_meant = |record: &&AuditRecord| {
            filter.kinds.is_empty() || filter.kinds.iter().any(|kind| named(record, kind))
        };
        let limit = limit as usize;
        Ok(match order {
            Order::Earliest => {
                let behind = |record: &&AuditRecord| record.seq > from.unwrap_or(0);
                let records = kept.records.iter().filter(behind).filter(is_meant);
                records.take(limit).cloned().collect()
            }
            Order::Latest => {
                let before = |record: &&AuditRecord| record.seq < from.unwrap_or(u64::MAX);
                let records = kept.records.iter().rev().filter(before).filter(is_meant);
                records.take(limit).cloned().collect()
            }
        })
    }

    async fn audit_part(&self, after: u64, limit: u32) -> StoreResult<(AuditHead, Vec<AuditRecord>)> {
        let everything = AuditFilter::default();
        let records = self.audit_records(&everything, Order::Earliest, Some(after), limit);
        Ok((self.audit_anchor().await?, records.await?))
    }

    async fn audit_columns_differ(&self, _after: u64, _limit: u32) -> StoreResult<Option<u64>> {
        self.open().map(|_| None)
    }

    async fn audit_before_anchor(&self) -> StoreResult<Option<u64>> {
        self.open().map(|_| None)
    }

    async fn audit_anchor(&self) -> StoreResult<AuditHead> {
        self.open().map(|_| AuditHead {
            seq: 0,
            hash: GENESIS,
        })
    }

    async fn add_checkpoint(&self, checkpoint: &Checkpoint) -> StoreResult<()> {
        self.open()?.checkpoints.push(checkpoint.clone());
        Ok(())
    }

    async fn checkpoints(&self, after: u64, limit: u32) -> StoreResult<Vec<Checkpoint>> {
        let kept = self.open()?;
        let behind = kept
            .checkpoints
            .iter()
            .filter(|checkpoint| checkpoint.seq > after);
        Ok(behind.take(limit as usize).cloned().collect())
    }

    async fn last_checkpoint(&self) -> StoreResult<Option<Checkpoint>> {
        Ok(self.open()?.checkpoints.last().cloned())
    }

    async fn sweep_audit(
        &self,
        _now: UnixMillis,
        _retention: Duration,
        _limit: u32,
        _genuine: Genuine<'_>,
    ) -> StoreResult<u64> {
        Ok(0)
    }
}

/// Events that tell each other apart.
pub(crate) fn events(ids: std::ops::Range<u64>) -> Vec<AuditEvent> {
    let event = |id: u64| {
        AuditEvent::new(EventKind::UserCreated, FakeClock::START, Act::server("test")).with("id", id)
    };
    ids.map(event).collect()
}

/// A key whose seed has nothing but this byte.
pub(super) fn keys(seed: u8) -> CheckpointKeys {
    CheckpointKeys::new(&[ServerSecret {
        id: 1,
        active_from: UnixMillis(0),
        key: Zeroizing::new([seed; 32]),
    }])
    .unwrap()
}
