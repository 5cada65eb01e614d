//! A log in memory that can be out of reach, lose entries, and be replaced.

use std::sync::Mutex;

use async_trait::async_trait;
use symbolon_core::ports::{Appended, RevocationLog, StoreError, StoreResult};
use symbolon_core::revocation::{Head, Logged, NewRevocation, Reach, Tip};
use symbolon_core::{Clock, Subject, UnixMillis};
use symbolon_oauth_types::revocation::Digest;
use uuid::Uuid;

#[derive(Default)]
pub(super) struct MemoryLog(Mutex<State>);

#[derive(Clone, Default)]
struct State {
    log: u128,
    entries: Vec<Logged>,
    /// Tells the tips of entries apart that came after others were lost.
    world: u8,
    is_down: bool,
}

impl MemoryLog {
    pub(super) fn new() -> Self {
        let log = Self::default();
        log.change(|state| state.log = 7);
        log
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub(super) fn id(&self) -> Uuid {
        Uuid::from_u128(self.change(|state| state.log))
    }

    pub(super) fn push(&self, revocation: &NewRevocation, clock: &dyn Clock) {
        let at = clock.now();
        self.change(|state| {
            let seq = state.entries.len() as u64 + 1;
            state.entries.push(Logged {
                seq,
                entry: revocation.entry,
                at,
                tip: Some(tip(state.world, seq)),
            });
        });
    }

    /// All that it holds.
    pub(super) fn all(&self) -> Vec<Logged> {
        self.change(|state| state.entries.clone())
    }

    /// The last entries are gone, as from a database that loses what it had committed.
    pub(super) fn lose(&self, count: usize) {
        self.change(|state| {
            state.entries.truncate(state.entries.len() - count);
            state.world += 1;
        });
    }

    /// A backup was restored: another log with the first entries of this one.
    pub(super) fn restore(&self, count: usize) {
        self.change(|state| {
            state.log += 1;
            state.entries.truncate(count);
        });
    }

    pub(super) fn go_down(&self, is_down: bool) {
        self.change(|state| state.is_down = is_down);
    }

    fn reach(&self) -> StoreResult<State> {
        let state = self.change(|state| state.clone());
        match state.is_down {
            true => Err(StoreError::Unavailable("it is down".into())),
            false => Ok(state),
        }
    }
}

/// That of the entry, where it is in a world.
fn tip(world: u8, seq: u64) -> Tip {
    let mut tip = [world; 16];
    tip[8..].copy_from_slice(&seq.to_be_bytes());
    tip[7] = 1;
    tip
}

#[async_trait]
impl RevocationLog for MemoryLog {
    async fn head(&self) -> StoreResult<Head> {
        let state = self.reach()?;
        let last = state.entries.last();
        Ok(Head {
            log: Uuid::from_u128(state.log),
            seq: state.entries.len() as u64,
            facts: 0,
            tip: last.and_then(|last| last.tip).unwrap_or_default(),
        })
    }

    async fn entries(&self, after: u64, now: UnixMillis, limit: u32) -> StoreResult<Vec<Logged>> {
        let behind = self.reach()?.entries.into_iter().skip(after as usize);
        let live = behind.filter(|logged| logged.entry.expires > now);
        Ok(live.take(limit as usize).collect())
    }

    async fn tip_at(&self, seq: u64) -> StoreResult<Option<Tip>> {
        let state = self.reach()?;
        let index = seq.checked_sub(1).map(|index| index as usize);
        Ok(index.and_then(|index| state.entries.get(index)?.tip))
    }

    async fn append(&self, _: &NewRevocation, _: UnixMillis) -> StoreResult<Appended> {
        unreachable!("entries are pushed by hand")
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
