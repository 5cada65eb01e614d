//! A key store in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_core::UnixMillis;
use symbolon_core::audit::Act;
use symbolon_core::keys::{
    KeyAuthority, KeyChange, KeyChangeOutcome, KeyLease, KeyNode, KeySchedule, KeyState, ScheduleTime,
    SigningKeyRecord,
};
use symbolon_core::ports::{KeyStore, StoreError, StoreResult};
use symbolon_core::revocation::NewRevocation;
use symbolon_jose::Kid;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Where a change says that it has come, and what it waits for then.
type Gate = (oneshot::Sender<()>, oneshot::Receiver<()>);

pub(super) struct MemoryKeys {
    rows: Mutex<Vec<SigningKeyRecord>>,
    /// Rows that another node adds right before the next change.
    rival: Mutex<Vec<SigningKeyRecord>>,
    /// What the next change waits for, once it has been planned.
    gate: Mutex<Option<Gate>>,
    pub(super) schedule: Mutex<KeySchedule>,
    pub(super) nodes: Mutex<Vec<KeyNode>>,
    pub(super) entries: Mutex<Vec<NewRevocation>>,
    /// Whose doings the changes were that were made.
    acts: Mutex<Vec<Act>>,
    changes: AtomicUsize,
    down: AtomicBool,
}

impl Default for MemoryKeys {
    fn default() -> Self {
        let schedule = KeySchedule {
            fence: 0,
            holder: None,
            lease_ends: UnixMillis(0),
            elapsed: ScheduleTime(0),
            seen: super::NOW,
        };
        Self {
            rows: Mutex::default(),
            rival: Mutex::default(),
            gate: Mutex::default(),
            schedule: Mutex::new(schedule),
            nodes: Mutex::default(),
            entries: Mutex::default(),
            acts: Mutex::default(),
            changes: AtomicUsize::default(),
            down: AtomicBool::default(),
        }
    }
}

impl MemoryKeys {
    /// All rows, retired ones included.
    pub(super) fn rows(&self) -> Vec<SigningKeyRecord> {
        self.rows.lock().unwrap().clone()
    }

    /// Changes the rows behind the server's back.
    pub(super) fn edit(&self, change: impl FnOnce(&mut Vec<SigningKeyRecord>)) {
        change(&mut self.rows.lock().unwrap());
    }

    /// The row of that algorithm in that state.
    pub(super) fn row(&self, state: &str) -> SigningKeyRecord {
        let found = self.rows().into_iter().find(|row| row.state.as_str() == state);
        found.unwrap_or_else(|| panic!("no key is {state}"))
    }

    pub(super) fn set_state(&self, kid: &symbolon_jose::Kid, state: KeyState) {
        self.edit(|rows| {
            let row = rows.iter_mut().find(|row| row.kid == *kid).unwrap();
            row.state = state;
        });
    }

    pub(super) fn rival_adds(&self, rows: Vec<SigningKeyRecord>) {
        *self.rival.lock().unwrap() = rows;
    }

    /// Holds up the next change: tells when it has come, and lets it go on when it is told to.
    pub(super) fn hold_change(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((come, has_come), (release, released)) = (oneshot::channel(), oneshot::channel());
        *self.gate.lock().unwrap() = Some((come, released));
        (has_come, release)
    }

    /// Whose doings the changes were that were made, in order.
    pub(super) fn acts(&self) -> Vec<Act> {
        self.acts.lock().unwrap().clone()
    }

    /// How many changes were tried.
    pub(super) fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }

    pub(super) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn check_up(&self) -> StoreResult<()> {
        if self.down.load(Ordering::SeqCst) {
            Err(StoreError::Unavailable("cut".to_owned()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl KeyStore for MemoryKeys {
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKeyRecord>> {
        self.check_up()?;
        // A real store is not answered at once either: racing nodes take turns here.
        tokio::task::yield_now().await;
        let mut rows = self.rows();
        rows.retain(|row| row.state.is_published());
        Ok(rows)
    }

    async fn key_history(&self, limit: u32) -> StoreResult<Vec<SigningKeyRecord>> {
        self.check_up()?;
        let mut rows = self.rows();
        rows.reverse();
        rows.truncate(limit as usize);
        Ok(rows)
    }

    async fn change_keys(&self, change: &KeyChange) -> StoreResult<KeyChangeOutcome> {
        self.check_up()?;
        self.changes.fetch_add(1, Ordering::SeqCst);
        let gate = self.gate.lock().unwrap().take();
        if let Some((come, released)) = gate {
            come.send(()).unwrap();
            released.await.unwrap();
        }
        let mut schedule = self.schedule.lock().unwrap();
        if let KeyAuthority::Lease(lease) = change.authority
            && lease.fence != schedule.fence
        {
            return Ok(KeyChangeOutcome::Fenced);
        }
        let mut kept = self.rows.lock().unwrap();
        let mut rows = kept.clone();
        rows.append(&mut self.rival.lock().unwrap());
        *kept = rows.clone();
        for step in &change.moves {
            let found = rows
                .iter_mut()
                .find(|row| row.kid == step.kid && row.state == step.from);
            let Some(row) = found else {
                return Ok(KeyChangeOutcome::Conflict);
            };
            (row.state, row.entered) = (step.to, change.at);
            if !step.to.is_published() {
                row.wrapped.clear();
            }
        }
        rows.extend_from_slice(&change.add);
        let twice = |a: &SigningKeyRecord, b: &SigningKeyRecord| {
            let one_of = |state: KeyState| state.is_active() || state.is_pending();
            let same = a.alg == b.alg && a.state.as_str() == b.state.as_str();
            a.kid == b.kid || (same && one_of(a.state))
        };
        let taken = |i: usize| rows[..i].iter().any(|row| twice(row, &rows[i]));
        if (0..rows.len()).any(taken) {
            return Ok(KeyChangeOutcome::Conflict);
        }
        if change.authority == KeyAuthority::Operator {
            (schedule.fence, schedule.holder) = (schedule.fence + 1, None);
        }
        self.entries
            .lock()
            .unwrap()
            .extend(change.entries.iter().cloned());
        self.acts.lock().unwrap().push(change.act.clone());
        *kept = rows;
        Ok(KeyChangeOutcome::Done)
    }

    async fn rewrap_key(&self, kid: &Kid, from: &str, to: &str) -> StoreResult<bool> {
        self.check_up()?;
        let mut rows = self.rows.lock().unwrap();
        let found = rows.iter_mut().find(|row| row.kid == *kid && row.wrapped == from);
        Ok(found.map(|row| row.wrapped = to.to_owned()).is_some())
    }

    async fn key_schedule(&self) -> StoreResult<KeySchedule> {
        self.check_up()?;
        Ok(*self.schedule.lock().unwrap())
    }

    async fn take_key_lease(
        &self,
        holder: Uuid,
        now: UnixMillis,
        ttl: Duration,
        elapsed: ScheduleTime,
    ) -> StoreResult<Option<KeyLease>> {
        self.check_up()?;
        let mut schedule = self.schedule.lock().unwrap();
        let ttl = ttl.as_millis() as u64;
        let left = schedule.lease_ends.since(now);
        if schedule.holder.is_some_and(|other| other != holder) && left > 0 && left <= ttl {
            return Ok(None);
        }
        schedule.fence += 1;
        schedule.holder = Some(holder);
        schedule.lease_ends = now.plus(ttl);
        schedule.elapsed = schedule.elapsed.max(elapsed);
        schedule.seen = now;
        Ok(Some(KeyLease {
            fence: schedule.fence,
        }))
    }

    async fn release_key_lease(&self, lease: KeyLease) -> StoreResult<()> {
        let mut schedule = self.schedule.lock().unwrap();
        if schedule.fence == lease.fence {
            schedule.holder = None;
        }
        Ok(())
    }

    async fn report_key_node(&self, node: &KeyNode) -> StoreResult<()> {
        self.check_up()?;
        let mut nodes = self.nodes.lock().unwrap();
        nodes.retain(|other| other.node != node.node);
        nodes.push(node.clone());
        Ok(())
    }

    async fn key_nodes(&self) -> StoreResult<Vec<KeyNode>> {
        Ok(self.nodes.lock().unwrap().clone())
    }

    async fn forget_key_node(&self, node: Uuid) -> StoreResult<()> {
        self.nodes.lock().unwrap().retain(|other| other.node != node);
        Ok(())
    }
}
