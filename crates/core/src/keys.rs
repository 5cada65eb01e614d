//! The lifecycle of signing keys, as an enum whose transitions are the only way from one state to the next, and what
//! its schedule goes by.

use std::time::Duration;

use symbolon_jose::{Kid, SigningAlg};
use symbolon_oauth_types::UnixMillis;
use uuid::Uuid;

use crate::audit::Act;
use crate::client::MAX_ACCESS_TOKEN_SECS;
use crate::revocation::{LEASE, NewRevocation};

/// Where a signing key stands. Its moments are for people: the schedule goes by [`ScheduleTime`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// Published; has never signed.
    Pending {
        /// Since when it is published.
        published: UnixMillis,
    },
    /// Published; signs. At most one per algorithm.
    Active {
        /// Since when it is published.
        published: UnixMillis,
        /// Since when it signs.
        activated: UnixMillis,
    },
    /// Published; signs no more, until the last token it signed has expired.
    Retiring {
        /// Since when it is published.
        published: UnixMillis,
        /// From when on it signed.
        activated: UnixMillis,
        /// Since when it signs no more.
        retiring: UnixMillis,
    },
    /// Gone from the JWKS, its private key erased.
    Retired {
        /// From when on it signed; absent where it was withdrawn before it ever did.
        activated: Option<UnixMillis>,
        /// Since when.
        retired: UnixMillis,
    },
    /// Gone from the JWKS, its private key erased, and nothing that it signed is accepted.
    Compromised {
        /// From when on it signed; absent where it never did.
        activated: Option<UnixMillis>,
        /// Since when.
        compromised: UnixMillis,
    },
}

impl KeyState {
    /// The name of the state in the store and at the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Active { .. } => "active",
            Self::Retiring { .. } => "retiring",
            Self::Retired { .. } => "retired",
            Self::Compromised { .. } => "compromised",
        }
    }

    /// Whether the key stands in the JWKS and verifies.
    pub fn is_published(self) -> bool {
        matches!(
            self,
            Self::Pending { .. } | Self::Active { .. } | Self::Retiring { .. }
        )
    }

    /// Whether it is published and has never signed.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Pending { .. })
    }

    /// Whether it signs.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Active { .. })
    }

    /// Whether it is published and signs no more.
    pub fn is_retiring(self) -> bool {
        matches!(self, Self::Retiring { .. })
    }

    /// When the key came into its state.
    pub fn since(self) -> UnixMillis {
        match self {
            Self::Pending { published } => published,
            Self::Active { activated, .. } => activated,
            Self::Retiring { retiring, .. } => retiring,
            Self::Retired { retired, .. } => retired,
            Self::Compromised { compromised, .. } => compromised,
        }
    }

    /// From when on it has signed, if it ever has.
    pub fn activated(self) -> Option<UnixMillis> {
        match self {
            Self::Pending { .. } => None,
            Self::Active { activated, .. } | Self::Retiring { activated, .. } => Some(activated),
            Self::Retired { activated, .. } | Self::Compromised { activated, .. } => activated,
        }
    }

    /// Pending to active.
    ///
    /// # Errors
    /// [`KeyTransitionError`] from any other state.
    pub fn activate(self, now: UnixMillis) -> Result<Self, KeyTransitionError> {
        match self {
            Self::Pending { published } => Ok(Self::Active {
                published,
                activated: now,
            }),
            _ => Err(self.can_not_become("active")),
        }
    }

    /// Active to retiring.
    ///
    /// # Errors
    /// [`KeyTransitionError`] from any other state.
    pub fn retire(self, now: UnixMillis) -> Result<Self, KeyTransitionError> {
        match self {
            Self::Active { published, activated } => Ok(Self::Retiring {
                published,
                activated,
                retiring: now,
            }),
            _ => Err(self.can_not_become("retiring")),
        }
    }

    /// To retired: from retiring, or from pending where a key is withdrawn that never signed.
    ///
    /// # Errors
    /// [`KeyTransitionError`] from any other state.
    pub fn finish(self, now: UnixMillis) -> Result<Self, KeyTransitionError> {
        match self {
            Self::Pending { .. } | Self::Retiring { .. } => Ok(Self::Retired {
                activated: self.activated(),
                retired: now,
            }),
            _ => Err(self.can_not_become("retired")),
        }
    }

    /// Any state but compromised itself to compromised.
    ///
    /// # Errors
    /// [`KeyTransitionError`] where the key is compromised already.
    pub fn compromise(self, now: UnixMillis) -> Result<Self, KeyTransitionError> {
        match self {
            Self::Compromised { .. } => Err(self.can_not_become("compromised")),
            _ => Ok(Self::Compromised {
                activated: self.activated(),
                compromised: now,
            }),
        }
    }

    fn can_not_become(self, to: &'static str) -> KeyTransitionError {
        KeyTransitionError {
            from: self.as_str(),
            to,
        }
    }
}

/// A transition that the lifecycle does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key that is {from} can't become {to}")]
pub struct KeyTransitionError {
    from: &'static str,
    to: &'static str,
}

/// A signing key as it is kept.
#[derive(Clone, Debug)]
pub struct SigningKeyRecord {
    /// RFC 7638 thumbprint.
    pub kid: Kid,
    /// The one algorithm it signs with.
    pub alg: SigningAlg,
    /// Where it stands.
    pub state: KeyState,
    /// When it came into its state, by the schedule.
    pub entered: ScheduleTime,
    /// The private key, a compact JWE under the key-encryption key that it names; empty once it was erased.
    pub wrapped: String,
    /// Certificates that are published beside the key, as PEM; not secret, and judged whenever it is opened.
    pub certificates: Option<String>,
    /// When it was made or imported.
    pub created: UnixMillis,
}

/// Time that the schedule has seen pass, in milliseconds: kept in the store and advanced by nodes that run, from their
/// monotonic clocks. A clock that is set makes nothing due.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct ScheduleTime(pub u64);

impl ScheduleTime {
    /// How long after `earlier`; zero where it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

/// How long a node signs from memory when it can't learn whether its keys have changed.
pub const MAX_UNCONFIRMED: Duration = Duration::from_secs(3600);
/// How far the clock of a verifier may be behind, so that it still takes an expired token for a live one.
pub const VERIFIER_CLOCKS: Duration = Duration::from_secs(600);
/// Within this time every node that can read the store has applied a change of the keys: it polls several times in a
/// [`LEASE`].
pub const SETTLE: Duration = Duration::from_secs(5 * LEASE.as_secs());

/// How long keys stay in their states.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyTimings {
    /// How long a key signs before its successor takes over.
    pub rotate_every: Duration,
    /// How long a key is published by every node before it signs.
    pub publish_before: Duration,
    /// How long a key is published after it has stopped signing.
    pub publish_after: Duration,
}

impl KeyTimings {
    /// Verifiers that keep a key set for a day whatever its headers say know a key in time.
    pub const LONGEST_CACHE: Duration = Duration::from_secs(24 * 3600);
    /// The least `publish_after`: the longest access token that any client may have, signed at the last moment by
    /// a node that had not heard of the change, seen by a verifier whose clock is behind.
    pub const LEAST_AFTER: Duration = Duration::from_secs(
        MAX_ACCESS_TOKEN_SECS as u64 + MAX_UNCONFIRMED.as_secs() + VERIFIER_CLOCKS.as_secs(),
    );

    /// The least `publish_before`, where the key set may be cached for `max_age`: everybody has asked again, once
    /// more even where the first attempt failed.
    pub fn least_before(max_age: Duration) -> Duration {
        Self::LONGEST_CACHE.max(max_age.saturating_mul(2))
    }

    /// The least `rotate_every`: a successor is ready, and there is at most one retiring key per algorithm.
    pub fn least_interval(self) -> Duration {
        self.publish_before.saturating_add(self.publish_after)
    }
}

/// The schedule's own record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeySchedule {
    /// Raised whenever the lease changes hands and by every change that an operator makes.
    pub fence: u64,
    /// The node that may act, if any.
    pub holder: Option<Uuid>,
    /// Until when, by the wall clock of the node that took the lease. It only keeps nodes from doing the same work
    /// twice; what keeps them from harm is the fence.
    pub lease_ends: UnixMillis,
    /// Time that has been seen to pass.
    pub elapsed: ScheduleTime,
    /// Wall-clock time when `elapsed` was last advanced.
    pub seen: UnixMillis,
}

impl KeySchedule {
    /// What a command counts of the time since the schedule was last seen, at most.
    pub const MAX_GAP: Duration = Duration::from_secs(3600);

    /// A guess at the schedule's time by the wall clock, for processes that have not watched it: it counts
    /// [`Self::MAX_GAP`] at most, so that a clock that was set is hardly taken for time that passed. Nothing becomes due
    /// by it.
    pub fn estimate(&self, now: UnixMillis) -> ScheduleTime {
        let gap = Duration::from_millis(now.since(self.seen));
        self.elapsed.plus(gap.min(Self::MAX_GAP))
    }
}

/// The right to change keys on schedule, until somebody else takes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyLease {
    /// [`KeySchedule::fence`] when it was taken.
    pub fence: u64,
}

/// On what authority keys are changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyAuthority {
    /// On schedule: refused once the lease has changed hands or ended.
    Lease(KeyLease),
    /// By an operator, or at the start of a node: raises the fence, so that whatever was planned before is refused.
    Operator,
}

/// One key goes from one state to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyMove {
    /// The key.
    pub kid: Kid,
    /// The state from which it was planned; the change is refused where the key is in another one.
    pub from: KeyState,
    /// The state that it gets. Where that is not published, its private key is erased.
    pub to: KeyState,
}

/// Changes of keys that are made together or not at all.
#[derive(Clone, Debug)]
pub struct KeyChange {
    /// On what authority.
    pub authority: KeyAuthority,
    /// When, by the schedule: what every key that moves has for [`SigningKeyRecord::entered`].
    pub at: ScheduleTime,
    /// Keys that go from one state to another; they go before the new ones come.
    pub moves: Vec<KeyMove>,
    /// New keys.
    pub add: Vec<SigningKeyRecord>,
    /// Entries for the revocation log.
    pub entries: Vec<NewRevocation>,
    /// Whose doing it is, for the audit trail.
    pub act: Act,
}

/// What came of a change of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyChangeOutcome {
    /// Made.
    Done,
    /// Nothing was changed: a key is not in the state from which it was planned, a `kid` exists already, or a second
    /// key of one algorithm would be active or pending.
    Conflict,
    /// Nothing was changed: the lease has changed hands, or an operator has changed keys meanwhile.
    Fenced,
}

/// What a node says about the keys that it publishes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyNode {
    /// The running process.
    pub node: Uuid,
    /// Its name for people: host and process id, at most 200 characters.
    pub name: String,
    /// When it last said so, by the schedule.
    pub seen: ScheduleTime,
    /// Since when it has published every key that the store says is published; absent while it does not.
    pub complete_since: Option<ScheduleTime>,
    /// Ids of the key-encryption keys that it has, at most 16: what is encrypted under another is lost on it.
    pub opens: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lifecycle_is_possible() {
        let now = UnixMillis(5);
        let pending = KeyState::Pending {
            published: UnixMillis(1),
        };
        let active = pending.activate(now).unwrap();
        assert_eq!(
            active,
            KeyState::Active {
                published: UnixMillis(1),
                activated: now
            }
        );
        let retiring = active.retire(now).unwrap();
        let retired = retiring.finish(now).unwrap();
        let compromised = retired.compromise(now).unwrap();
        assert!([pending, active, retiring].iter().all(|s| s.is_published()));
        assert!([retired, compromised].iter().all(|s| !s.is_published()));
        for state in [active, retiring, retired, compromised] {
            assert!(state.activate(now).is_err());
        }
        for state in [pending, retiring, retired, compromised] {
            assert!(state.retire(now).is_err());
        }
        for state in [active, retired, compromised] {
            assert!(state.finish(now).is_err());
        }
        let withdrawn = pending.finish(now).unwrap();
        assert_eq!((withdrawn.as_str(), withdrawn.activated()), ("retired", None));
        assert_eq!(retired.activated(), Some(now));
        assert_eq!(
            compromised.compromise(now).unwrap_err().to_string(),
            "a key that is compromised can't become compromised",
        );
    }

    #[test]
    fn the_least_timings_are_what_the_manual_says() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(KeyTimings::least_before(Duration::from_secs(900)), hours(24));
        assert_eq!(KeyTimings::least_before(hours(24)), hours(48));
        assert_eq!(KeyTimings::LEAST_AFTER, hours(2) + Duration::from_secs(600));
    }

    #[test]
    fn a_clock_that_was_set_is_not_time_that_passed() {
        let schedule = KeySchedule {
            fence: 0,
            holder: None,
            lease_ends: UnixMillis(0),
            elapsed: ScheduleTime(1_000),
            seen: UnixMillis(50_000),
        };
        for (now, elapsed) in [
            (0, 1_000),
            (50_000, 1_000),
            (50_700, 1_700),
            (u64::MAX, 3_601_000),
        ] {
            assert_eq!(schedule.estimate(UnixMillis(now)), ScheduleTime(elapsed), "{now}");
        }
    }
}
