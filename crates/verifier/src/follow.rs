//! The issuer's revocation feed: what is known of it, and the task that follows it.

mod evidence;
mod follower;
mod source;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use symbolon_oauth_types::UnixMillis;
use symbolon_oauth_types::revocation::Lookup;
use tokio::sync::watch;

use crate::feed::{Moment, Need, Outcome, Position, State};
use crate::{Clock, Metrics, Uuid, Verdict, WhenStale};

pub(crate) use evidence::{Evidence, Reporter};
pub(crate) use follower::{Follower, Pace, Progress};
pub(crate) use source::Source;

/// At most one line of the log in so much time tells that tokens are accepted though the feed is stale.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Nothing was told yet.
const NEVER: u64 = u64::MAX;

/// How a verifier follows the feed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Following {
    /// Not at all: it could not be had when it was last tried.
    Not,
    /// By asking for the head again and again.
    Polling,
    /// By the stream.
    Stream,
}

/// What a verifier knows of the feed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FeedStatus {
    /// Identity of the log; none where nothing is known.
    pub log: Option<Uuid>,
    /// The last entry that is in force.
    pub seq: u64,
    /// The moment up to which every entry is known.
    pub as_of: Option<UnixMillis>,
    /// How long ago that was.
    pub age: Option<Duration>,
    /// Whether that is longer than it may be: what is done then is [`WhenStale`].
    pub is_stale: bool,
    /// Whether nothing is known to be missing.
    pub is_caught_up: bool,
    /// How the feed is followed.
    pub following: Following,
    /// Of how many subjects, clients, sessions, tokens and keys there are entries in force.
    pub entries: usize,
    /// How often a snapshot had to be read again.
    pub resyncs: u64,
}

/// What is known of the feed, shared by all that ask for it and the one task that follows it.
pub(crate) struct Feed {
    state: RwLock<State>,
    /// Instead of what the issuer says.
    max_stale: Option<Duration>,
    following: AtomicU8,
    resyncs: AtomicU64,
    /// When it was last told of a token that was accepted, in milliseconds of the monotonic clock.
    told: AtomicU64,
    /// Counts what was applied.
    advances: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
}

impl Feed {
    /// `ahead` is how far in the future a head may be.
    pub(crate) fn new(
        ahead: Duration,
        max_stale: Option<Duration>,
        clock: Arc<dyn Clock>,
        metrics: Arc<dyn Metrics>,
    ) -> Self {
        Self {
            state: RwLock::new(State::new(ahead)),
            max_stale,
            following: AtomicU8::new(0),
            resyncs: AtomicU64::new(0),
            told: AtomicU64::new(NEVER),
            advances: watch::Sender::new(0),
            clock,
            metrics,
        }
    }

    /// Judges one token. What is known to be revoked is refused however old the knowledge is.
    pub(crate) fn check(
        &self,
        token: &Lookup,
        wall: UnixMillis,
        policy: impl FnOnce() -> WhenStale,
    ) -> Verdict {
        let now = self.at(wall);
        let stale = {
            let state = self.read();
            if let Some(kind) = state.revokes(token) {
                return Verdict::Revoked(kind);
            }
            self.is_stale(&state, now)
        };
        match stale.then(policy) {
            None => Verdict::Live,
            Some(WhenStale::Refuse) => Verdict::Unknown,
            Some(WhenStale::Accept) => {
                self.tell_of_acceptance(now);
                Verdict::Live
            }
        }
    }

    /// Whether too little is known now.
    pub(crate) fn is_stale_now(&self) -> bool {
        let now = self.now();
        self.is_stale(&self.read(), now)
    }

    pub(crate) fn status(&self) -> FeedStatus {
        let now = self.now();
        let state = self.read();
        let position = state.position();
        FeedStatus {
            log: position.map(|position| position.log),
            seq: position.map_or(0, |position| position.seq),
            as_of: state.as_of(),
            age: state.age(now),
            is_stale: self.is_stale(&state, now),
            is_caught_up: state.is_caught_up(),
            following: match self.following.load(Ordering::Relaxed) {
                0 => Following::Not,
                1 => Following::Polling,
                _ => Following::Stream,
            },
            entries: state.entries(),
            resyncs: self.resyncs.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn follows_by(&self, following: Following) {
        let code = match following {
            Following::Not => 0,
            Following::Polling => 1,
            Following::Stream => 2,
        };
        self.following.store(code, Ordering::Relaxed);
    }

    /// Tells of each advance.
    pub(crate) fn advances(&self) -> watch::Receiver<u64> {
        self.advances.subscribe()
    }

    pub(crate) fn need(&self) -> Need {
        self.read().need()
    }

    pub(crate) fn position(&self) -> Option<Position> {
        self.read().position()
    }

    /// Changes what is known, and tells of what came of it. Only the one task that follows the feed may.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State, Moment) -> Outcome) -> Outcome {
        if self.read().has_candidate() {
            return self.change_much(change);
        }
        let now = self.now();
        let mut state = self.write();
        let outcome = change(&mut state, now);
        let (position, age) = (state.position(), state.age(now));
        drop(state);
        self.tell(outcome, position, age)
    }

    /// The same for what may change or free very many entries: no request waits for more than the end of it.
    pub(crate) fn change_much(&self, change: impl FnOnce(&mut State, Moment) -> Outcome) -> Outcome {
        let now = self.now();
        let mut state = self.read().clone();
        let outcome = change(&mut state, now);
        let (position, age) = (state.position(), state.age(now));
        self.replace(state);
        self.tell(outcome, position, age)
    }

    /// Only the one task that follows the feed may.
    pub(crate) fn prune(&self) {
        let now = self.clock.now();
        let mut state = self.read().clone();
        state.prune(now);
        self.replace(state);
    }

    fn replace(&self, state: State) {
        let old = std::mem::replace(&mut *self.write(), state);
        // It is freed when nobody can wait for it any more.
        drop(old);
    }

    fn tell(&self, outcome: Outcome, position: Option<Position>, age: Option<Duration>) -> Outcome {
        match outcome {
            Outcome::Resync(why) => {
                self.resyncs.fetch_add(1, Ordering::Relaxed);
                self.metrics.feed_resynced(why.as_str());
                tracing::warn!(reason = why.as_str(), "the revocation feed is read anew");
            }
            Outcome::Applied | Outcome::CaughtUp | Outcome::Adopted(_) => {
                if let (Some(position), Some(age)) = (position, age) {
                    self.metrics.feed_advanced(position.seq, age);
                }
            }
            _ => {}
        }
        if matches!(outcome, Outcome::Applied | Outcome::Adopted(_)) {
            self.advances.send_modify(|count| *count = count.wrapping_add(1));
        }
        outcome
    }

    fn is_stale(&self, state: &State, now: Moment) -> bool {
        let bound = self.max_stale.or_else(|| state.max_stale());
        let known = state.age(now).zip(bound);
        known.is_none_or(|(age, bound)| age > bound)
    }

    fn tell_of_acceptance(&self, now: Moment) {
        self.metrics.accepted_stale();
        let at = u64::try_from(now.monotonic.as_millis()).unwrap_or(NEVER);
        let told = self.told.load(Ordering::Relaxed);
        let due = told == NEVER || at.saturating_sub(told) >= TELL_EVERY.as_millis() as u64;
        let first = || {
            self.told
                .compare_exchange(told, at, Ordering::Relaxed, Ordering::Relaxed)
        };
        if due && first().is_ok() {
            tracing::warn!(
                "tokens are accepted though nobody can tell whether they were revoked: the revocation feed is stale"
            );
        }
    }

    pub(crate) fn now(&self) -> Moment {
        self.at(self.clock.now())
    }

    fn at(&self, wall: UnixMillis) -> Moment {
        Moment {
            wall,
            monotonic: self.clock.monotonic(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Candidate, Head, Snapshot};
    use crate::{NoMetrics, SystemClock};

    fn snapshot(as_of: UnixMillis) -> Candidate {
        Candidate::from(Snapshot {
            iss: String::new(),
            log: Uuid::nil(),
            seq: 0,
            tip: None,
            as_of,
            entries: vec![],
        })
    }

    fn head(as_of: UnixMillis) -> Head {
        Head {
            iss: String::new(),
            log: Uuid::nil(),
            seq: 0,
            tip: None,
            as_of,
            max_stale: 300,
        }
    }

    #[test]
    fn no_request_waits_for_a_snapshot_to_be_taken_in() {
        let clock = Arc::new(SystemClock::new());
        let feed = Feed::new(Duration::from_secs(10), None, clock, Arc::new(NoMetrics));
        let is_free = || assert!(feed.state.try_read().is_ok());
        let taken = feed.change_much(|state, now| {
            is_free();
            state.snapshot(snapshot(now.wall))
        });
        assert_eq!((taken, feed.is_stale_now()), (Outcome::Applied, true));
        let taken = feed.change(|state, now| {
            is_free();
            state.head(head(now.wall), now)
        });
        assert!(matches!(taken, Outcome::Adopted(_)));
        assert!(!feed.is_stale_now(), "what was changed is what is asked");
        feed.prune();
        assert!(!feed.is_stale_now());
    }
}
