use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use symbolon_core::{Clock, UnixMillis};

/// A clock that stands still until it is moved. Starts at [`FakeClock::START`].
#[derive(Debug)]
pub struct FakeClock {
    wall: AtomicU64,
    monotonic: AtomicU64,
}

impl FakeClock {
    /// 2026-01-01T00:00:00Z.
    pub const START: UnixMillis = UnixMillis(1_767_225_600_000);

    /// A clock at its start, with a monotonic time of zero.
    pub const fn new() -> Self {
        Self {
            wall: AtomicU64::new(Self::START.0),
            monotonic: AtomicU64::new(0),
        }
    }

    /// Time passes: both times move on, by whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let millis = millis(by);
        self.wall.fetch_add(millis, Ordering::SeqCst);
        self.monotonic.fetch_add(millis, Ordering::SeqCst);
    }

    /// The wall clock is set; no time passes.
    pub fn set(&self, now: UnixMillis) {
        self.wall.store(now.0, Ordering::SeqCst);
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}

fn millis(by: Duration) -> u64 {
    u64::try_from(by.as_millis()).expect("less than 500 million years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_when_told() {
        let clock = FakeClock::new();
        assert_eq!(
            (clock.now(), clock.monotonic()),
            (FakeClock::START, Duration::ZERO)
        );
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), FakeClock::START.plus(2_000));
        clock.set(UnixMillis(5));
        assert_eq!(
            (clock.now(), clock.monotonic()),
            (UnixMillis(5), Duration::from_secs(2))
        );
    }
}
