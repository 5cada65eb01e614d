//! A revocation log in memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_core::ports::{Appended, RevocationLog, StoreError, StoreResult};
use symbolon_core::revocation::{Head, Logged, NewRevocation, Reach, Tip, UNKNOWN_TIP};
use symbolon_core::{Subject, UnixMillis};
use symbolon_oauth_types::revocation::{Digest, Entry};
use uuid::Uuid;

/// A log that can be out of reach, lose entries, and be replaced. Its promises hold everywhere.
#[derive(Debug)]
pub struct MemoryLog {
    written: Mutex<Written>,
    answers: Mutex<VecDeque<HeadAnswer>>,
    looks: AtomicUsize,
    is_down: AtomicBool,
}

/// What is on a log.
#[derive(Clone, Debug)]
pub struct Written {
    /// Where it stands.
    pub head: Head,
    /// The entries, in order.
    pub entries: Vec<Logged>,
    /// Tells the tips of one history from those of another that begins alike.
    pub world: u8,
    /// What is appended right behind a look at the head.
    pub early: Option<Entry>,
    steps: u64,
}

/// What becomes of a look at the head.
#[derive(Clone, Copy, Debug)]
pub enum HeadAnswer {
    /// There is none.
    Fails,
    /// There is none, after that time.
    FailsLate(Duration),
    /// It comes after that time.
    Late(Duration),
}

impl Written {
    /// Appends an entry that was made then.
    pub fn append(&mut self, revocation: &NewRevocation, at: UnixMillis) {
        self.step();
        self.head.seq += 1;
        self.entries.push(Logged {
            seq: self.head.seq,
            entry: revocation.entry,
            at,
            tip: Some(self.head.tip),
        });
    }

    /// A fact changes.
    pub fn change(&mut self) {
        self.step();
        self.head.facts += 1;
    }

    /// Only the first entries are left. What comes now is another history.
    pub fn cut(&mut self, count: usize) {
        self.entries.truncate(count);
        let last = self.entries.last();
        self.head.seq = last.map_or(0, |last| last.seq);
        self.head.tip = last.and_then(|last| last.tip).unwrap_or(UNKNOWN_TIP);
        self.world += 1;
    }

    /// From now on it is another log.
    pub fn replace(&mut self) {
        self.head.log = Uuid::from_u128(self.head.log.as_u128() + 1);
    }

    fn step(&mut self) {
        self.steps += 1;
        self.head.tip = [self.world + 1; 16];
        self.head.tip[8..].copy_from_slice(&self.steps.to_be_bytes());
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::at(Head {
            log: Uuid::from_u128(7),
            seq: 0,
            facts: 0,
            tip: UNKNOWN_TIP,
        })
    }
}

impl MemoryLog {
    /// A log that has come so far, whose entries have all expired.
    pub fn at(head: Head) -> Self {
        let written = Written {
            head,
            entries: Vec::new(),
            world: 0,
            early: None,
            steps: 0,
        };
        Self {
            written: Mutex::new(written),
            answers: Mutex::default(),
            looks: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
        }
    }

    /// Changes what is on it, or looks at it.
    pub fn with<T>(&self, change: impl FnOnce(&mut Written) -> T) -> T {
        change(&mut self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its identity.
    pub fn id(&self) -> Uuid {
        self.with(|written| written.head.log)
    }

    /// What becomes of the next look at the head that nothing was said of yet.
    pub fn next(&self, answer: HeadAnswer) {
        self.answers.lock().unwrap().push_back(answer);
    }

    /// How often the head was looked at.
    pub fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    /// Puts it out of reach, or back.
    pub fn go_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// What everything fails with that it can't answer.
    pub fn down() -> StoreError {
        StoreError::Unavailable("it is down".into())
    }

    fn read<T>(&self, of: impl FnOnce(&Written) -> T) -> StoreResult<T> {
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(Self::down()),
            false => Ok(self.with(|written| of(written))),
        }
    }
}

#[async_trait]
impl RevocationLog for MemoryLog {
    async fn head(&self) -> StoreResult<Head> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            None => {}
            Some(HeadAnswer::Fails) => return Err(Self::down()),
            Some(HeadAnswer::FailsLate(time)) => {
                tokio::time::sleep(time).await;
                return Err(Self::down());
            }
            Some(HeadAnswer::Late(time)) => tokio::time::sleep(time).await,
        }
        self.read(|written| written.head)
    }

    async fn entries(&self, after: u64, now: UnixMillis, limit: u32) -> StoreResult<Vec<Logged>> {
        self.read(|written| {
            let early = written.early.map(|entry| Logged {
                seq: written.head.seq + 1,
                entry,
                at: now,
                tip: None,
            });
            let all = written.entries.iter().copied().chain(early);
            let behind = all.filter(|logged| logged.seq > after && logged.entry.expires > now);
            behind.take(limit as usize).collect()
        })
    }

    async fn tip_at(&self, seq: u64) -> StoreResult<Option<Tip>> {
        self.read(|written| written.entries.iter().find(|logged| logged.seq == seq)?.tip)
    }

    async fn append(&self, revocation: &NewRevocation, now: UnixMillis) -> StoreResult<Appended> {
        self.read(|_| ())?;
        self.with(|written| written.append(revocation, now));
        Ok(Appended {
            head: self.with(|written| written.head),
            reach: Reach::Everywhere,
        })
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
