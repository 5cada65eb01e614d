//! What a verifier takes from the machine: time and randomness, both as arguments.

use std::time::Duration;

use symbolon_oauth_types::UnixMillis;

/// The time that a verifier goes by.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time; decides whether a token has expired.
    fn now(&self) -> UnixMillis;

    /// Time since some fixed moment; never goes back. Decides whether keys may be asked for again.
    fn monotonic(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Clone, Debug)]
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

/// Spreads what many verifiers would otherwise do at the same moment. Nothing secret comes from it.
pub trait Jitter: Send + Sync + 'static {
    /// Any number, each as likely as the others.
    fn draw(&self) -> u32;
}

/// Jitter from the operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemJitter;

impl Jitter for SystemJitter {
    fn draw(&self) -> u32 {
        // Without randomness there is no jitter, which does no harm to one verifier.
        getrandom::u32().unwrap_or_default()
    }
}

/// `whole`, less up to a tenth.
pub(crate) fn shortened(whole: Duration, jitter: &dyn Jitter) -> Duration {
    whole - part(whole / 10, jitter)
}

/// Any part of `whole`.
pub(crate) fn part(whole: Duration, jitter: &dyn Jitter) -> Duration {
    whole.mul_f64(f64::from(jitter.draw()) / (f64::from(u32::MAX) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u32);

    impl Jitter for Fixed {
        fn draw(&self) -> u32 {
            self.0
        }
    }

    #[test]
    fn shortens_by_a_tenth_at_most() {
        let whole = Duration::from_secs(100);
        assert_eq!(shortened(whole, &Fixed(0)), whole);
        assert_eq!(shortened(whole, &Fixed(1 << 31)), Duration::from_secs(95));
        let least = shortened(whole, &Fixed(u32::MAX));
        assert!(
            least >= Duration::from_secs(90) && least < Duration::from_secs(91),
            "{least:?}"
        );
    }
}
