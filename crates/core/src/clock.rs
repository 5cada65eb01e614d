//! Time as an argument.

use std::time::Duration;

use symbolon_oauth_types::UnixMillis;

/// The source of time. Everything that decides by time takes one, so that tests can move it.
pub trait Clock: Send + Sync {
    /// Wall-clock time; may step.
    fn now(&self) -> UnixMillis;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// How far [`Clock::now`] may at most be from that of another node of the same cluster, either way.
    fn spread(&self) -> Duration {
        Duration::ZERO
    }

    /// The moment up to which a cutoff that is stamped now reaches: no node has begun anything after it yet.
    fn cutoff(&self) -> UnixMillis {
        self.now().plus(whole_millis(self.spread()))
    }

    /// What has expired by this moment may be forgotten for good. A clock that was wrong for a while must not have made it
    /// forget what still counts.
    fn safely_past(&self) -> UnixMillis {
        self.now()
    }

    /// The moment that every node's clock has passed.
    fn passed(&self) -> UnixMillis {
        UnixMillis(self.now().since(UnixMillis(whole_millis(self.spread()))))
    }
}

/// Rounded up.
pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the ambient clock becomes an argument"
    )]
    pub fn new() -> Self {
        Self {
            started: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the ambient clock becomes an argument"
    )]
    fn now(&self) -> UnixMillis {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}
