//! A key store in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_core::ports::{KeyStore, StoreError, StoreResult};

#[derive(Default)]
pub(super) struct MemoryKeys {
    rows: Mutex<Vec<SigningKeyRecord>>,
    /// Rows that another node adds right before the next addition.
    rival: Mutex<Vec<SigningKeyRecord>>,
    additions: AtomicUsize,
    down: AtomicBool,
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

    /// How many additions were tried.
    pub(super) fn additions(&self) -> usize {
        self.additions.load(Ordering::SeqCst)
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
        rows.retain(|row| !matches!(row.state, KeyState::Retired { .. }));
        Ok(rows)
    }

    async fn add_signing_keys(&self, keys: &[SigningKeyRecord]) -> StoreResult<bool> {
        self.check_up()?;
        self.additions.fetch_add(1, Ordering::SeqCst);
        let mut rows = self.rows.lock().unwrap();
        rows.append(&mut self.rival.lock().unwrap());
        let is_active = |row: &SigningKeyRecord| matches!(row.state, KeyState::Active { .. });
        for (i, key) in keys.iter().enumerate() {
            let taken = |row: &SigningKeyRecord| {
                row.kid == key.kid || (is_active(row) && is_active(key) && row.alg == key.alg)
            };
            if rows.iter().any(taken) || keys[..i].iter().any(taken) {
                return Ok(false);
            }
        }
        rows.extend_from_slice(keys);
        Ok(true)
    }
}
