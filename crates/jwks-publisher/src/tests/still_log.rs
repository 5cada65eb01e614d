//! A revocation log on which nothing happens unless a test says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_core::facts::Revocations;
use symbolon_core::ports::StoreResult;
use symbolon_core::revocation::{Applied, Head, NewRevocation, Reach};
use symbolon_core::{Clock, Subject};
use symbolon_oauth_types::revocation::{Cutoffs, Digest};
use symbolon_testkit::FakeClock;
use uuid::Uuid;

pub(super) struct StillLog {
    applied: RwLock<Applied>,
    clock: Arc<FakeClock>,
    cut: AtomicBool,
}

impl StillLog {
    /// A log that the node reads all the time.
    pub(super) fn new(clock: Arc<FakeClock>) -> Self {
        let head = Head {
            log: Uuid::nil(),
            seq: 0,
            facts: 0,
            tip: [0; 16],
        };
        Self {
            applied: RwLock::new(Applied {
                head,
                cutoffs: Cutoffs::default(),
                observed: Duration::ZERO,
                read: Duration::ZERO,
                rereads: 0,
            }),
            clock,
            cut: AtomicBool::new(false),
        }
    }

    /// From now on the node reads it only when it is told to.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// The node reads it, and finds that so many facts have changed.
    pub(super) fn look(&self, changes: u64) {
        let mut applied = self.applied.write().unwrap();
        applied.head.facts += changes;
        applied.observed = self.clock.monotonic();
        applied.read = applied.observed;
    }

    /// The node can't read it, and is told by somebody else that nothing has changed.
    pub(super) fn confirm(&self) {
        self.applied.write().unwrap().observed = self.clock.monotonic();
    }

    /// The node reads it, and finds that it had lost what the node knew, at the same count of the facts.
    pub(super) fn lose(&self) {
        self.look(0);
        self.applied.write().unwrap().rereads += 1;
    }
}

#[async_trait]
impl Revocations for StillLog {
    fn applied(&self) -> RwLockReadGuard<'_, Applied> {
        if !self.cut.load(Ordering::SeqCst) {
            self.look(0);
        }
        self.applied.read().unwrap()
    }

    async fn catch_up(&self) -> StoreResult<()> {
        self.look(0);
        Ok(())
    }

    async fn revoke(&self, _revocation: NewRevocation) -> StoreResult<Reach> {
        unreachable!("keys revoke nothing by themselves")
    }

    async fn promise(&self, _whose: Option<Subject>) -> StoreResult<Reach> {
        unreachable!("keys revoke nothing by themselves")
    }

    async fn live_tokens(&self, _owner: Digest) -> StoreResult<u64> {
        Ok(0)
    }
}
