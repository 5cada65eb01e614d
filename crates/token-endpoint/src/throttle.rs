use std::convert::Infallible;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use quick_cache::sync::Cache;
use symbolon_core::Clock;
use symbolon_core::ports::StoreResult;
use symbolon_core::throttle::{
    Attempt, KNOWN_ADDRESSES, LoginThrottle, Throttle, ThrottleKey, ThrottleRules, ThrottledBy,
};

/// Counts failed logins in the memory of this node, until it is restarted. Bounded: past [`MemoryThrottle::CAPACITY`]
/// accounts, or addresses, those that were not tried for long are forgotten, and likewise the accounts that have not
/// logged in for long.
pub struct MemoryThrottle {
    clock: Arc<dyn Clock>,
    rules: ThrottleRules,
    accounts: Cache<ThrottleKey, Arc<Mutex<Failures>>>,
    addresses: Cache<ThrottleKey, Arc<Mutex<Window>>>,
    /// Apart from the counts, so that no flood of failures pushes out what good logins have left.
    known: Cache<ThrottleKey, Arc<Mutex<Vec<Known>>>>,
}

/// Failures in a row.
#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: Duration,
    locked_until: Duration,
}

/// Failures since one of them.
#[derive(Clone, Copy, Default)]
struct Window {
    count: u32,
    ends: Duration,
}

/// An address from which an account has logged in.
#[derive(Clone, Copy)]
struct Known {
    there: ThrottleKey,
    last_login: Duration,
    failures: Failures,
}

impl MemoryThrottle {
    /// Most accounts, and most addresses, that are counted at a time; also most accounts whose addresses are known.
    pub const CAPACITY: usize = 100_000;

    /// Counts by these rules.
    pub fn new(clock: Arc<dyn Clock>, rules: ThrottleRules) -> Self {
        Self {
            clock,
            rules,
            accounts: Cache::new(Self::CAPACITY),
            addresses: Cache::new(Self::CAPACITY),
            known: Cache::new(Self::CAPACITY),
        }
    }

    /// Does something with the count of the account at its address, where it is known from there.
    fn if_known<T>(
        &self,
        attempt: &Attempt,
        now: Duration,
        then: impl FnOnce(&mut Failures) -> T,
    ) -> Option<T> {
        let origin = self.rules.may_be_known(attempt)?;
        let addresses = self.known.get(&attempt.account)?;
        let mut addresses = lock(&addresses);
        let known = addresses.iter_mut().find(|known| {
            known.there == origin.account_there
                && now.saturating_sub(known.last_login) < self.rules.known_address_lifetime
        })?;
        Some(then(&mut known.failures))
    }

    fn address_fails(&self, address: ThrottleKey, now: Duration) -> Throttle {
        let window = kept(&self.addresses, address);
        let mut window = lock(&window);
        if window.ends <= now {
            *window = Window {
                count: 0,
                ends: now + self.rules.address_window,
            };
        }
        window.count = window.count.saturating_add(1);
        window.throttle(&self.rules, now)
    }
}

#[async_trait]
impl LoginThrottle for MemoryThrottle {
    async fn check(&self, attempt: &Attempt) -> StoreResult<Throttle> {
        let now = self.clock.monotonic();
        if let Some(there) = self.if_known(attempt, now, |failures| failures.throttle(now)) {
            return Ok(there);
        }
        let account = self.accounts.get(&attempt.account);
        let account = account.map_or(Throttle::Open, |failures| lock(&failures).throttle(now));
        let address = self.rules.counted_by_address(attempt);
        let address = address.and_then(|address| self.addresses.get(&address));
        let address = address.map_or(Throttle::Open, |window| lock(&window).throttle(&self.rules, now));
        Ok(account.and(address))
    }

    async fn failed(&self, attempt: &Attempt) -> StoreResult<Throttle> {
        let now = self.clock.monotonic();
        if let Some(there) = self.if_known(attempt, now, |failures| failures.fail(&self.rules, now)) {
            return Ok(there);
        }
        let account = kept(&self.accounts, attempt.account);
        let account = lock(&account).fail(&self.rules, now);
        let address = self.rules.counted_by_address(attempt);
        Ok(account.and(address.map_or(Throttle::Open, |address| self.address_fails(address, now))))
    }

    async fn succeeded(&self, attempt: &Attempt) -> StoreResult<()> {
        let now = self.clock.monotonic();
        let was_known = self.if_known(attempt, now, |failures| *failures = Failures::default());
        if was_known.is_none() {
            self.accounts.remove(&attempt.account);
        }
        if let Some(origin) = self.rules.may_be_known(attempt) {
            let addresses = kept(&self.known, attempt.account);
            let mut addresses = lock(&addresses);
            addresses.retain(|known| known.there != origin.account_there);
            addresses.insert(
                0,
                Known {
                    there: origin.account_there,
                    last_login: now,
                    failures: Failures::default(),
                },
            );
            addresses.truncate(KNOWN_ADDRESSES);
        }
        Ok(())
    }
}

impl Failures {
    fn fail(&mut self, rules: &ThrottleRules, now: Duration) -> Throttle {
        if now.saturating_sub(self.last) > rules.remembered_for() {
            *self = Self::default();
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
        if self.count >= rules.max_failures {
            self.locked_until = now + rules.lockout;
        }
        self.throttle(now)
    }

    fn throttle(&self, now: Duration) -> Throttle {
        Throttle::until(ThrottledBy::Account, self.locked_until.saturating_sub(now))
    }
}

impl Window {
    fn throttle(&self, rules: &ThrottleRules, now: Duration) -> Throttle {
        if self.count < rules.max_failures_per_address {
            return Throttle::Open;
        }
        Throttle::until(ThrottledBy::Address, self.ends.saturating_sub(now))
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is kept under a key, or the beginning of it.
fn kept<K, T>(cache: &Cache<K, Arc<Mutex<T>>>, key: K) -> Arc<Mutex<T>>
where
    K: Copy + Eq + Hash,
    T: Default,
{
    let Ok(kept) = cache.get_or_insert_with(&key, || Ok::<_, Infallible>(Arc::default()));
    kept
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use symbolon_testkit::contract::throttle::{RULES, Throttles};
    use symbolon_testkit::{FakeClock, fresh_subject};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    symbolon_testkit::throttle_contract!(crate::throttle::tests::in_memory);

    async fn in_memory(rules: ThrottleRules) -> Throttles {
        let node = Arc::new(MemoryThrottle::new(Arc::new(FakeClock::new()), rules));
        Throttles {
            nodes: [node.clone(), node],
            keep: Box::new(()),
        }
    }

    fn throttle(rules: ThrottleRules) -> (MemoryThrottle, Arc<FakeClock>) {
        let clock = Arc::new(FakeClock::new());
        (MemoryThrottle::new(clock.clone(), rules), clock)
    }

    fn wait(by: ThrottledBy, wait: Duration) -> Throttle {
        Throttle::Wait { by, wait }
    }

    fn from_home() -> Attempt {
        Attempt::on_account(fresh_subject(), Some(IpAddr::from([192, 0, 2, 1])))
    }

    #[tokio::test]
    async fn locks_after_the_last_failure_and_again_after_each_further_one() {
        let (throttle, clock) = throttle(RULES);
        let (alice, bob) = (from_home(), from_home());
        let locked = wait(ThrottledBy::Account, MINUTE);
        for _ in 0..2 {
            assert_eq!(throttle.failed(&alice).await.unwrap(), Throttle::Open);
            assert_eq!(throttle.check(&alice).await.unwrap(), Throttle::Open);
        }
        assert_eq!(throttle.failed(&alice).await.unwrap(), locked);
        assert_eq!(throttle.check(&alice).await.unwrap(), locked);
        assert_eq!(throttle.check(&bob).await.unwrap(), Throttle::Open);
        clock.advance(MINUTE);
        assert_eq!(throttle.check(&alice).await.unwrap(), Throttle::Open);
        assert_eq!(throttle.failed(&alice).await.unwrap(), locked);
    }

    #[tokio::test]
    async fn a_quiet_quarter_of_an_hour_forgets() {
        let (throttle, clock) = throttle(RULES);
        let alice = from_home();
        for _ in 0..3 {
            for _ in 0..2 {
                assert_eq!(throttle.failed(&alice).await.unwrap(), Throttle::Open);
            }
            clock.advance(RULES.remembered_for() + MINUTE);
        }
    }

    #[tokio::test]
    async fn failures_of_an_address_are_counted_from_the_first() {
        let (throttle, clock) = throttle(RULES);
        for _ in 0..2 {
            for _ in 0..4 {
                assert_eq!(throttle.failed(&from_home()).await.unwrap(), Throttle::Open);
                clock.advance(MINUTE);
            }
            let locked = wait(ThrottledBy::Address, 6 * MINUTE);
            assert_eq!(throttle.failed(&from_home()).await.unwrap(), locked);
            clock.advance(5 * MINUTE);
            assert_eq!(
                throttle.check(&from_home()).await.unwrap(),
                wait(ThrottledBy::Address, MINUTE)
            );
            clock.advance(MINUTE);
            assert_eq!(throttle.check(&from_home()).await.unwrap(), Throttle::Open);
        }
    }

    #[tokio::test]
    async fn an_address_is_known_for_its_time() {
        let (throttle, clock) = throttle(RULES);
        let alice = from_home();
        let elsewhere = Attempt {
            origin: None,
            ..alice
        };
        throttle.succeeded(&alice).await.unwrap();
        for known in [true, false] {
            for _ in 0..3 {
                throttle.failed(&elsewhere).await.unwrap();
            }
            let told = throttle.check(&alice).await.unwrap();
            assert_eq!(told == Throttle::Open, known, "{told:?}");
            clock.advance(RULES.known_address_lifetime);
        }
    }

    #[tokio::test]
    async fn what_is_switched_off_counts_nothing() {
        let (throttle, _) = throttle(ThrottleRules {
            max_failures_per_address: 0,
            known_address_lifetime: Duration::ZERO,
            ..RULES
        });
        for _ in 0..20 {
            assert_eq!(throttle.failed(&from_home()).await.unwrap(), Throttle::Open);
        }
        let alice = from_home();
        throttle.succeeded(&alice).await.unwrap();
        for _ in 0..3 {
            throttle.failed(&alice).await.unwrap();
        }
        assert_ne!(throttle.check(&alice).await.unwrap(), Throttle::Open);
        assert_eq!((throttle.addresses.len(), throttle.known.len()), (0, 0));
    }

    #[tokio::test]
    async fn floods_of_names_and_addresses_do_not_grow_it() {
        let (throttle, _) = throttle(RULES);
        let name = |i: usize| format!("n{i}").parse().unwrap();
        for i in 0..2 * MemoryThrottle::CAPACITY {
            let from = IpAddr::from(Ipv6Addr::from((i as u128) << 64));
            let attempt = Attempt::on_unknown(&name(i), Some(from));
            throttle.failed(&attempt).await.unwrap();
            throttle.succeeded(&attempt).await.unwrap();
            throttle
                .failed(&Attempt {
                    origin: None,
                    ..attempt
                })
                .await
                .unwrap();
        }
        for kept in [
            throttle.accounts.len(),
            throttle.addresses.len(),
            throttle.known.len(),
        ] {
            assert!(kept <= MemoryThrottle::CAPACITY && kept > MemoryThrottle::CAPACITY / 2);
        }
    }
}
