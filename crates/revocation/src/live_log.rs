use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_core::facts::Revocations;
use symbolon_core::ports::{RevocationLog, StoreError, StoreResult};
use symbolon_core::revocation::{Applied, Head, NewRevocation, Reach};
use symbolon_core::{Clock, Subject, UnixMillis};
use symbolon_oauth_types::revocation::{Cutoffs, Digest, Effect, Entry};
use tokio::sync::{Mutex, watch};

/// Entries that are read at once.
const PAGE: u32 = 1000;
/// How often expired entries are dropped from memory, in milliseconds.
const PRUNE_EVERY_MS: u64 = 60_000;
/// How long a revocation waits, beyond the spread of the nodes' clocks, for every clock to pass its cutoff. A clock that
/// stands still or steps back makes what begins afterwards look older, which is refused: the safe side.
const CUTOFF_WAIT: Duration = Duration::from_millis(20);
/// How long the log may take to tell its head before somebody else is asked whether anything has changed. Well within
/// the lease on cached facts.
const PATIENCE: Duration = Duration::from_millis(300);

/// The entries in force, held in memory and kept up with the log.
pub struct LiveLog {
    log: Arc<dyn RevocationLog>,
    clock: Arc<dyn Clock>,
    applied: RwLock<Applied>,
    reader: Mutex<Reader>,
    heads: watch::Sender<Head>,
}

/// What the one reader of the log at a time remembers.
struct Reader {
    pruned: UnixMillis,
    /// When the last look began, and why it failed, where it did.
    failed: Option<(Duration, StoreError)>,
}

impl LiveLog {
    /// Reads the whole log.
    ///
    /// # Errors
    /// The store's: without the log nothing may be served.
    pub async fn open(log: Arc<dyn RevocationLog>, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        let observed = clock.monotonic();
        let head = log.head().await?;
        let empty = Applied {
            head: Head { seq: 0, ..head },
            cutoffs: Cutoffs::default(),
            observed,
        };
        let live = Self {
            reader: Mutex::new(Reader {
                pruned: clock.now(),
                failed: None,
            }),
            applied: RwLock::new(empty),
            heads: watch::Sender::new(head),
            log,
            clock,
        };
        live.catch_up().await?;
        Ok(live)
    }

    /// Tells of every advance of the log or the facts that this node has applied.
    pub fn heads(&self) -> watch::Receiver<Head> {
        self.heads.subscribe()
    }

    /// Follows the log for ever, so that the lease on cached facts stays alive. Failures are logged when they
    /// begin and when they end.
    pub async fn follow(&self, every: Duration) {
        let mut failing = false;
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.catch_up().await {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("the revocation log can be read again");
                }
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(%error, "the revocation log can't be read: cached facts are not used meanwhile");
                }
                _ => {}
            }
        }
    }

    async fn read(&self, after: u64, now: UnixMillis) -> StoreResult<(u64, Vec<Entry>)> {
        let (mut last, mut entries) = (after, Vec::new());
        loop {
            let page = self.log.entries(last, now, PAGE).await?;
            let full = page.len() >= PAGE as usize;
            if let Some((seq, _)) = page.last() {
                last = *seq;
            }
            entries.extend(page.into_iter().map(|(_, entry)| entry));
            if !full {
                return Ok((last, entries));
            }
        }
    }

    /// Puts what was read in force. A log of another identity replaces everything.
    fn apply(
        &self,
        head: Head,
        entries: &[Entry],
        fresh: bool,
        observed: Duration,
        prune: Option<UnixMillis>,
    ) {
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        if fresh {
            applied.cutoffs = Cutoffs::default();
        }
        entries.iter().for_each(|entry| applied.cutoffs.apply(entry));
        if let Some(now) = prune {
            applied.cutoffs.prune(now);
        }
        applied.head = head;
        applied.observed = observed;
        drop(applied);
        self.heads
            .send_if_modified(|known| std::mem::replace(known, head) != head);
    }

    /// Until every clock has passed the cutoff, what begins would be judged to have begun before it.
    async fn wait_past(&self, effect: Effect) {
        let (Effect::Cutoff(moment) | Effect::Lift(moment)) = effect else {
            return;
        };
        let passed = async {
            while self.clock.passed() <= moment {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let most = CUTOFF_WAIT + self.clock.spread() * 3;
        if tokio::time::timeout(most, passed).await.is_err() {
            tracing::warn!(
                "the clock does not pass the cutoff of a revocation: new logins may be refused until it does"
            );
        }
    }

    /// The log's head; nothing where it can't be read, or not soon, and somebody else confirms that nothing has changed.
    async fn look(&self, known: Head) -> StoreResult<Option<Head>> {
        let mut head = std::pin::pin!(self.log.head());
        let soon = tokio::time::timeout(PATIENCE, &mut head).await;
        if let Ok(Ok(head)) = soon {
            return Ok(Some(head));
        }
        // Who can't confirm it has not said that anything changed; the log's own words are what is told.
        if self.log.confirms(known).await.unwrap_or(false) {
            return Ok(None);
        }
        match soon {
            Ok(failed) => failed.map(Some),
            Err(_) => head.await.map(Some),
        }
    }

    /// Reads the log to its present head and applies it.
    async fn advance(&self, reader: &mut Reader, began: Duration) -> StoreResult<()> {
        let known = self.applied().head;
        let Some(head) = self.look(known).await? else {
            self.applied
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .observed = began;
            return Ok(());
        };
        // A log that went back under the same identity was restored, too: read it all.
        let fresh = head.log != known.log || head.seq < known.seq;
        let after = if fresh { 0 } else { known.seq };
        let now = self.clock.now();
        let (last, entries) = if fresh || head.seq > after {
            self.read(after, now).await?
        } else {
            (after, Vec::new())
        };
        let prune = (now.since(reader.pruned) >= PRUNE_EVERY_MS).then_some(now);
        if prune.is_some() {
            reader.pruned = now;
        }
        self.apply(
            Head {
                seq: head.seq.max(last),
                ..head
            },
            &entries,
            fresh,
            began,
            prune,
        );
        Ok(())
    }
}

#[async_trait]
impl Revocations for LiveLog {
    fn applied(&self) -> RwLockReadGuard<'_, Applied> {
        self.applied.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn catch_up(&self) -> StoreResult<()> {
        let asked = self.clock.monotonic();
        let mut reader = self.reader.lock().await;
        // A look that began after the question answers it, whatever came of it: those who wait for a log that does not
        // answer must not each wait for a look of their own, one behind the other.
        if self.applied().observed > asked {
            return Ok(());
        }
        if let Some((_, error)) = reader.failed.as_ref().filter(|(began, _)| *began > asked) {
            return Err(error.clone());
        }
        let began = self.clock.monotonic();
        let outcome = self.advance(&mut reader, began).await;
        reader.failed = outcome.as_ref().err().map(|error| (began, error.clone()));
        outcome
    }

    async fn revoke(&self, revocation: NewRevocation) -> StoreResult<Reach> {
        let appended = self.log.append(&revocation, self.clock.now()).await?; // the commit point
        self.catch_up().await?;
        self.wait_past(revocation.entry.effect).await;
        Ok(appended.reach)
    }

    async fn promise(&self, whose: Option<Subject>) -> StoreResult<Reach> {
        let applied = self.applied().head;
        self.log.promise(whose, applied).await
    }

    async fn live_tokens(&self, owner: Digest) -> StoreResult<u64> {
        self.log.live_tokens(owner, self.clock.now()).await
    }
}
