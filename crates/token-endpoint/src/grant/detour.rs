use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What hashes of another kind or cost than today's take longer, until their users have logged in once more. Refusals that
/// did not have to take it wait for as long, so that whoever measures can't tell those users from names that nobody has. To
/// wait costs nothing; doing the work for everybody would let a storm of unknown names fill the hash lane.
///
/// It is the time of the last such hash that this node has met: exact where all come from one system, and nothing before
/// the first.
#[derive(Debug, Default)]
pub(crate) struct Detour(AtomicU64);

/// Longest wait. A hash at its ceiling takes about two seconds.
const LONGEST: Duration = Duration::from_secs(3);

impl Detour {
    /// Somebody had to take it.
    pub(super) fn took(&self, time: Duration) {
        let micros = u64::try_from(time.min(LONGEST).as_micros()).unwrap_or(u64::MAX);
        self.0.store(micros, Ordering::Relaxed);
    }

    /// Waits for as long.
    pub(super) async fn wait(&self) {
        tokio::time::sleep(Duration::from_micros(self.0.load(Ordering::Relaxed))).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn others_wait_for_as_long_as_the_last_one_took() {
        let detour = Detour::default();
        let waited = async || {
            let begun = Instant::now();
            detour.wait().await;
            begun.elapsed()
        };
        assert!(waited().await < Duration::from_millis(2));
        for (took, expected) in [(250, 250), (70, 70), (60_000, 3_000)] {
            detour.took(Duration::from_millis(took));
            let expected = Duration::from_millis(expected);
            let time = waited().await;
            assert!(
                time >= expected && time < expected + Duration::from_millis(2),
                "{time:?}"
            );
        }
    }
}
