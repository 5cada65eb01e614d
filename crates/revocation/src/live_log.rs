use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_core::facts::Revocations;
use symbolon_core::ports::{RevocationLog, StoreError, StoreResult};
use symbolon_core::revocation::{Applied, Head, NewRevocation, Reach, Tip, UNKNOWN_TIP};
use symbolon_core::{Clock, Subject, UnixMillis};
use symbolon_oauth_types::revocation::{Cutoffs, Digest, Effect};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::{JoinError, JoinHandle};

use crate::feed::Slot;
use crate::reading::{History, Known, Reading};

/// How often expired entries are dropped from memory, in milliseconds.
const PRUNE_EVERY_MS: u64 = 60_000;
/// How long a revocation waits, beyond the spread of the nodes' clocks, for every clock to pass its cutoff. A clock that
/// stands still or steps back makes what begins afterwards look older, which is refused: the safe side.
const CUTOFF_WAIT: Duration = Duration::from_millis(20);
/// How long a look at the log may take before somebody else is asked whether anything has changed. Well within
/// the lease on cached facts.
const PATIENCE: Duration = Duration::from_millis(300);
/// Least rest between two looks of [`LiveLog::follow`], so that a burst of changes costs few.
const REST: Duration = Duration::from_millis(5);

/// The entries in force, held in memory and kept up with the log.
pub struct LiveLog {
    log: Arc<dyn RevocationLog>,
    clock: Arc<dyn Clock>,
    applied: RwLock<Applied>,
    reader: Mutex<Reader>,
    heads: watch::Sender<Head>,
    /// Where the feed gets what was read.
    feed: Option<Arc<Slot>>,
}

/// What the one reader of the log at a time remembers.
struct Reader {
    pruned: UnixMillis,
    /// When the last look began, and why it failed, where it did.
    failed: Option<(Duration, StoreError)>,
    /// The look that is under way.
    look: Option<JoinHandle<StoreResult<Reading>>>,
    /// [`Known::entry`].
    entry: Option<Tip>,
}

impl LiveLog {
    /// Reads the whole log.
    ///
    /// # Errors
    /// The store's: without the log nothing may be served.
    pub async fn open(log: Arc<dyn RevocationLog>, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        Self::open_for(log, clock, None).await
    }

    /// The same, with a slot for the feed in which everything lands that is read.
    pub(crate) async fn open_for(
        log: Arc<dyn RevocationLog>,
        clock: Arc<dyn Clock>,
        feed: Option<Arc<Slot>>,
    ) -> StoreResult<Self> {
        let observed = clock.monotonic();
        let head = log.head().await?;
        let empty = Applied {
            head: Head {
                seq: 0,
                tip: UNKNOWN_TIP,
                ..head
            },
            cutoffs: Cutoffs::default(),
            observed,
            read: observed,
            rereads: 0,
        };
        let live = Self {
            reader: Mutex::new(Reader {
                pruned: clock.safely_past(),
                failed: None,
                look: None,
                entry: None,
            }),
            applied: RwLock::new(empty),
            heads: watch::Sender::new(head),
            feed,
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

    /// Follows the log for ever, so that the lease on cached facts stays alive: looks at it when `moved` is told that
    /// there may be something new, and at the latest `every` so often. Failures are logged when they begin and when they
    /// end.
    pub async fn follow(&self, every: Duration, moved: &Notify) {
        let mut failing = false;
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = moved.notified() => ticks.reset(),
            }
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
            tokio::time::sleep(REST).await;
        }
    }

    /// Puts what was read in force. A log of another identity replaces everything; one that lost what it held takes
    /// nothing back that this node knew.
    fn apply(&self, reader: &mut Reader, reading: Reading) {
        // Before anybody is told how far the log was observed: a head must not say so of entries that are not there yet.
        if let Some(feed) = &self.feed {
            feed.push(&reading);
        }
        let Reading {
            known: Known { head, entry },
            entries,
            history,
            began,
        } = reading;
        let now = self.clock.safely_past();
        let prune = now.since(reader.pruned) >= PRUNE_EVERY_MS;
        if prune {
            reader.pruned = now;
        }
        reader.entry = entry;
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        if history == History::Lost {
            tracing::error!(
                known_seq = applied.head.seq,
                seq = head.seq,
                "the database lost revocations or changes that it had committed; this node goes on refusing what it knows \
                 to be revoked, others may not: if it was restored from a backup, run `symbolon migrate --restored`; if a \
                 replica took over or a server crashed, see that commits are synchronous and replicated before they return"
            );
        }
        history.fold(&mut applied.cutoffs, entries.iter().map(|logged| &logged.entry));
        if prune {
            applied.cutoffs.prune(now);
        }
        if history != History::Same {
            applied.rereads += 1;
        }
        applied.head = head;
        applied.read = began;
        applied.observed = applied.observed.max(began);
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

    /// Begins a look at the log that goes on where nobody waits for it.
    fn begin_look(&self, known: Known) -> JoinHandle<StoreResult<Reading>> {
        let (log, now, began) = (self.log.clone(), self.clock.safely_past(), self.clock.monotonic());
        tokio::spawn(async move { Reading::take(&*log, known, now, began).await })
    }

    /// What the look that is under way found, or one that begins now; nothing where it is late and somebody else confirms
    /// meanwhile that nothing has changed. Also says whether the look began now.
    async fn look(&self, reader: &mut Reader) -> Option<(StoreResult<Reading>, bool)> {
        let known = Known {
            head: self.applied().head,
            entry: reader.entry,
        };
        let begins = reader.look.is_none();
        // It stays where it is while it is waited for: whoever waits may be gone before it ends.
        let look = reader.look.get_or_insert_with(|| self.begin_look(known));
        let soon = tokio::time::timeout(PATIENCE, &mut *look).await;
        let found = match soon {
            Ok(found) => found,
            // Who can't confirm it has not said that anything changed.
            Err(_) if self.log.confirms(known.head).await.unwrap_or(false) => return None,
            Err(_) => look.await,
        };
        reader.look = None;
        let cut_short = |error: JoinError| Err(StoreError::Unavailable(error.to_string()));
        Some((found.unwrap_or_else(cut_short), begins))
    }

    /// Reads the log to its present head and applies it.
    async fn advance(&self, reader: &mut Reader, began: Duration) -> StoreResult<()> {
        loop {
            let error = match self.look(reader).await {
                None => break,
                Some((Ok(reading), begins)) => {
                    self.apply(reader, reading);
                    if begins {
                        return Ok(());
                    }
                    continue;
                }
                // What was asked before is no answer to what is asked now.
                Some((Err(_), false)) => continue,
                Some((Err(error), true)) => error,
            };
            // The log's own words are what is told.
            let known = self.applied().head;
            if !self.log.confirms(known).await.unwrap_or(false) {
                return Err(error);
            }
            break;
        }
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        applied.observed = applied.observed.max(began);
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
