use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use quick_cache::sync::Cache;
use symbolon_core::Clock;
use symbolon_core::ports::StoreResult;
use symbolon_core::throttle::{LoginThrottle, Throttle, ThrottleKey, remembered_for};

/// Counts failed logins in the memory of this node. Bounded: past [`MemoryThrottle::CAPACITY`] accounts the ones that
/// were not tried for long are forgotten.
pub struct MemoryThrottle {
    clock: Arc<dyn Clock>,
    max_failures: u32,
    lockout: Duration,
    accounts: Cache<ThrottleKey, Arc<Mutex<Failures>>>,
}

#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: Duration,
    locked_until: Duration,
}

impl MemoryThrottle {
    /// Most accounts that are counted at a time.
    pub const CAPACITY: usize = 100_000;

    /// After `max_failures` failures in a row each further one locks the account for `lockout`.
    pub fn new(clock: Arc<dyn Clock>, max_failures: u32, lockout: Duration) -> Self {
        Self {
            clock,
            max_failures,
            lockout,
            accounts: Cache::new(Self::CAPACITY),
        }
    }
}

#[async_trait]
impl LoginThrottle for MemoryThrottle {
    async fn check(&self, key: ThrottleKey) -> StoreResult<Throttle> {
        let Some(account) = self.accounts.get(&key) else {
            return Ok(Throttle::Open);
        };
        let failures = *account.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(
            match failures.locked_until.saturating_sub(self.clock.monotonic()) {
                Duration::ZERO => Throttle::Open,
                wait => Throttle::Wait(wait),
            },
        )
    }

    async fn failed(&self, key: ThrottleKey) -> StoreResult<()> {
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(Failures::default())));
        let Ok(account) = self.accounts.get_or_insert_with(&key, fresh);
        let mut failures = account.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        if now.saturating_sub(failures.last) > remembered_for(self.lockout) {
            *failures = Failures::default();
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if failures.count >= self.max_failures {
            failures.locked_until = now + self.lockout;
        }
        Ok(())
    }

    async fn succeeded(&self, key: ThrottleKey) -> StoreResult<()> {
        self.accounts.remove(&key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Hand(Mutex<Duration>);

    impl Hand {
        fn advance(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    impl Clock for Hand {
        fn now(&self) -> symbolon_core::UnixMillis {
            symbolon_core::UnixMillis(0)
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn locks_after_the_last_failure_and_again_after_each_further_one() {
        let clock = Arc::new(Hand::default());
        let throttle = MemoryThrottle::new(clock.clone(), 3, MINUTE);
        let key = ThrottleKey([1; 16]);
        for _ in 0..3 {
            assert_eq!(throttle.check(key).await.unwrap(), Throttle::Open);
            throttle.failed(key).await.unwrap();
        }
        assert_eq!(throttle.check(key).await.unwrap(), Throttle::Wait(MINUTE));
        assert_eq!(
            throttle.check(ThrottleKey([2; 16])).await.unwrap(),
            Throttle::Open
        );
        clock.advance(MINUTE);
        assert_eq!(throttle.check(key).await.unwrap(), Throttle::Open);
        throttle.failed(key).await.unwrap();
        assert_eq!(throttle.check(key).await.unwrap(), Throttle::Wait(MINUTE));
    }

    #[tokio::test]
    async fn a_good_login_or_a_quiet_quarter_of_an_hour_forgets() {
        let clock = Arc::new(Hand::default());
        let throttle = MemoryThrottle::new(clock.clone(), 2, MINUTE);
        let key = ThrottleKey([1; 16]);
        throttle.failed(key).await.unwrap();
        throttle.succeeded(key).await.unwrap();
        throttle.failed(key).await.unwrap();
        assert_eq!(throttle.check(key).await.unwrap(), Throttle::Open);
        clock.advance(remembered_for(MINUTE) + MINUTE);
        throttle.failed(key).await.unwrap();
        assert_eq!(throttle.check(key).await.unwrap(), Throttle::Open);
    }

    #[tokio::test]
    async fn a_flood_of_names_does_not_grow_it() {
        let throttle = MemoryThrottle::new(Arc::new(Hand::default()), 3, MINUTE);
        for i in 0..3 * MemoryThrottle::CAPACITY as u128 {
            throttle.failed(ThrottleKey(i.to_be_bytes())).await.unwrap();
        }
        assert!(throttle.accounts.len() <= MemoryThrottle::CAPACITY);
    }
}
