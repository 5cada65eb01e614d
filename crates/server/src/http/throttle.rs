//! Log lines that a peer can cause at will, at most one a minute.

use std::time::Duration;

use tokio::time::Instant;

const QUIET: Duration = Duration::from_secs(60);

/// Decides which of many like events is logged.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    last: Option<Instant>,
    unlogged: u64,
}

impl Throttle {
    /// Counts one event. `Some(n)` says: log it now, for `n` events since the last line.
    pub(super) fn admit(&mut self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        if self.last.is_some_and(|last| now.duration_since(last) < QUIET) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_the_first_event_and_then_one_a_minute() {
        let start = Instant::now();
        let mut throttle = Throttle::default();
        assert_eq!(throttle.admit_at(start), Some(1));
        assert_eq!(throttle.admit_at(start + QUIET / 2), None);
        assert_eq!(throttle.admit_at(start + QUIET - Duration::from_millis(1)), None);
        assert_eq!(throttle.admit_at(start + QUIET), Some(3));
        assert_eq!(throttle.admit_at(start + QUIET), None);
    }
}
