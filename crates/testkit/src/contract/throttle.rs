//! What every count of failed logins must do, on two nodes that count together.
//! [`throttle_contract`](crate::throttle_contract) runs all of it against one.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::Subject;
use symbolon_core::throttle::{
    Attempt, KNOWN_ADDRESSES, LoginThrottle, Throttle, ThrottleRules, ThrottledBy,
};

use crate::fresh_subject;

/// Few failures, and times that no test outlasts.
pub const RULES: ThrottleRules = ThrottleRules {
    max_failures: 3,
    lockout: Duration::from_secs(60),
    max_failures_per_address: 5,
    address_window: Duration::from_secs(600),
    known_address_lifetime: Duration::from_secs(24 * 3600),
};

/// Two nodes that count together, and nothing counted yet.
pub struct Throttles {
    /// The nodes.
    pub nodes: [Arc<dyn LoginThrottle>; 2],
    /// Lives as long: a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

const HOME: &str = "192.0.2.1";
const ELSEWHERE: [&str; 4] = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"];

fn on(subject: Subject, from: &str) -> Attempt {
    Attempt::on_account(subject, Some(from.parse().unwrap()))
}

impl std::fmt::Debug for Throttles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttles").finish_non_exhaustive()
    }
}

impl Throttles {
    /// Failures, by turns on both nodes; what the last one locked.
    async fn fail(&self, attempt: Attempt, times: u32) -> Throttle {
        let mut locked = Throttle::Open;
        for (_, node) in (0..times).zip(self.nodes.iter().cycle()) {
            locked = node.failed(&attempt).await.unwrap();
        }
        locked
    }

    async fn log_in(&self, attempt: Attempt) {
        self.nodes[0].succeeded(&attempt).await.unwrap();
    }

    /// What both nodes say.
    #[track_caller]
    fn says(&self, attempt: Attempt) -> impl Future<Output = Option<ThrottledBy>> {
        let caller = std::panic::Location::caller();
        async move {
            let mut told = Vec::new();
            for node in &self.nodes {
                told.push(match node.check(&attempt).await.unwrap() {
                    Throttle::Open => None,
                    Throttle::Wait { by, wait } => {
                        let longest = match by {
                            ThrottledBy::Account => RULES.lockout,
                            ThrottledBy::Address => RULES.address_window,
                        };
                        assert!(wait <= longest && wait > longest / 2, "{wait:?} at {caller}");
                        Some(by)
                    }
                });
            }
            assert_eq!(told[0], told[1], "the nodes differ at {caller}");
            told[0]
        }
    }
}

/// Failures from everywhere lock an account for everywhere, and not where it has logged in.
pub async fn a_known_address_is_not_locked_from_elsewhere(t: &Throttles) {
    let alice = fresh_subject();
    t.log_in(on(alice, HOME)).await;
    assert_eq!(t.fail(on(alice, ELSEWHERE[0]), 2).await, Throttle::Open);
    let locked = t.fail(on(alice, ELSEWHERE[1]), 1).await;
    assert_eq!(locked, Throttle::until(ThrottledBy::Account, RULES.lockout));
    for from in ELSEWHERE {
        assert_eq!(t.says(on(alice, from)).await, Some(ThrottledBy::Account));
    }
    let nowhere = Attempt::on_account(alice, None);
    assert_eq!(t.says(nowhere).await, Some(ThrottledBy::Account));
    assert_eq!(t.says(on(alice, HOME)).await, None);
    // Another's address is no better known for that.
    assert_eq!(t.says(on(fresh_subject(), HOME)).await, None);
    t.log_in(on(alice, HOME)).await;
    assert_eq!(
        t.says(on(alice, ELSEWHERE[0])).await,
        Some(ThrottledBy::Account),
        "her good logins at home buy no guesses elsewhere"
    );
}

/// Guesses from a known address are bounded, too, and lock nobody out elsewhere.
pub async fn a_known_address_has_a_count_of_its_own(t: &Throttles) {
    let alice = fresh_subject();
    t.log_in(on(alice, HOME)).await;
    assert_eq!(t.fail(on(alice, HOME), 2).await, Throttle::Open);
    t.log_in(on(alice, HOME)).await;
    assert_eq!(
        t.fail(on(alice, HOME), 2).await,
        Throttle::Open,
        "from the beginning"
    );
    let locked = t.fail(on(alice, HOME), 1).await;
    assert_eq!(locked, Throttle::until(ThrottledBy::Account, RULES.lockout));
    assert_eq!(t.says(on(alice, HOME)).await, Some(ThrottledBy::Account));
    assert_eq!(t.says(on(alice, ELSEWHERE[0])).await, None);
    assert_eq!(
        t.says(on(fresh_subject(), HOME)).await,
        None,
        "it counts for no address"
    );
}

/// Whoever tries many names is one address, whatever the names, and whatever account they have themselves.
pub async fn failures_count_by_address(t: &Throttles) {
    let mallory = fresh_subject();
    let from = ELSEWHERE[0];
    for _ in 0..2 {
        for _ in 0..2 {
            assert_eq!(t.fail(on(fresh_subject(), from), 1).await, Throttle::Open);
        }
        t.log_in(on(mallory, from)).await;
        assert_eq!(t.says(on(fresh_subject(), from)).await, None);
    }
    let name = "nobody".parse().unwrap();
    let unknown = |from: &str| Attempt::on_unknown(&name, Some(from.parse().unwrap()));
    let locked = t.fail(unknown(from), 1).await;
    assert!(
        matches!(locked, Throttle::Wait { by: ThrottledBy::Address, wait } if wait <= RULES.address_window)
    );
    assert_eq!(
        t.says(on(fresh_subject(), from)).await,
        Some(ThrottledBy::Address)
    );
    assert_eq!(t.says(unknown(from)).await, Some(ThrottledBy::Address));
    assert_eq!(t.says(unknown(ELSEWHERE[1])).await, None);
    assert_eq!(
        t.says(on(mallory, from)).await,
        None,
        "those who are known there go on"
    );
}

/// Whoever has one address of a /64 has them all.
pub async fn addresses_of_ipv6_count_by_network(t: &Throttles) {
    for i in 0..RULES.max_failures_per_address {
        let from = format!("2001:db8:0:1::{i:x}");
        t.fail(on(fresh_subject(), &from), 1).await;
    }
    let alice = fresh_subject();
    assert_eq!(
        t.says(on(alice, "2001:db8:0:1:ffff::1")).await,
        Some(ThrottledBy::Address)
    );
    assert_eq!(t.says(on(alice, "2001:db8:0:2::1")).await, None);
    t.log_in(on(alice, "2001:db8:0:1::1")).await;
    assert_eq!(t.says(on(alice, "2001:db8:0:1:ffff::1")).await, None);
}

/// A login from an address that is not known forgets what failed elsewhere.
pub async fn a_good_login_from_elsewhere_forgets_the_failures(t: &Throttles) {
    for from in [Some(HOME.parse().unwrap()), None] {
        let alice = Attempt::on_account(fresh_subject(), from);
        for _ in 0..3 {
            assert_eq!(t.fail(alice, 2).await, Throttle::Open);
            // Where it becomes known it is another's count from then on.
            t.log_in(alice).await;
        }
    }
    let alice = fresh_subject();
    t.fail(on(alice, ELSEWHERE[0]), 2).await;
    t.log_in(on(alice, HOME)).await;
    assert_eq!(t.fail(on(alice, ELSEWHERE[1]), 2).await, Throttle::Open);
}

/// Nobody fills the memory with addresses from which they log in: the latest are known.
pub async fn the_latest_addresses_are_known(t: &Throttles) {
    let alice = fresh_subject();
    let from = |i: usize| format!("192.0.2.{i}");
    for i in 0..KNOWN_ADDRESSES {
        t.log_in(on(alice, &from(i))).await;
    }
    // Again, so that it is not the oldest.
    t.log_in(on(alice, &from(0))).await;
    t.log_in(on(alice, HOME_OF_MANY)).await;
    t.fail(on(alice, ELSEWHERE[0]), 3).await;
    assert_eq!(t.says(on(alice, &from(1))).await, Some(ThrottledBy::Account));
    for known in (2..KNOWN_ADDRESSES).chain([0]) {
        assert_eq!(t.says(on(alice, &from(known))).await, None, "{known}");
    }
    assert_eq!(t.says(on(alice, HOME_OF_MANY)).await, None);
}

const HOME_OF_MANY: &str = "203.0.113.1";

/// A lock tells nothing about whether somebody has the name.
pub async fn a_name_that_nobody_has_locks_like_an_account(t: &Throttles) {
    let name = "nobody".parse().unwrap();
    let alice = fresh_subject();
    for from in [Some(HOME.parse().unwrap()), None] {
        let (unknown, known) = (Attempt::on_unknown(&name, from), Attempt::on_account(alice, from));
        for node in &t.nodes {
            assert_eq!(
                node.failed(&unknown).await.unwrap(),
                node.failed(&known).await.unwrap()
            );
            assert_eq!(t.says(unknown).await, t.says(known).await);
        }
    }
    let elsewhere = Some(ELSEWHERE[0].parse().unwrap());
    let unknown = t.says(Attempt::on_unknown(&name, elsewhere)).await;
    assert_eq!(unknown, Some(ThrottledBy::Account));
    assert_eq!(unknown, t.says(on(alice, ELSEWHERE[0])).await);
}

/// Makes one test of each case. `$make` is the path, from the crate's root, of an `async fn(ThrottleRules) -> Throttles`
/// that has counted nothing. The crate needs `tokio` with `macros`.
#[macro_export]
macro_rules! throttle_contract {
    ($make:path) => {
        $crate::throttle_contract!(@cases $make, [
            a_good_login_from_elsewhere_forgets_the_failures,
            a_known_address_has_a_count_of_its_own,
            a_known_address_is_not_locked_from_elsewhere,
            a_name_that_nobody_has_locks_like_an_account,
            addresses_of_ipv6_count_by_network,
            failures_count_by_address,
            the_latest_addresses_are_known,
        ]);
    };
    (@cases $make:path, [$($case:ident),* $(,)?]) => {
        $(
            #[tokio::test]
            async fn $case() {
                let throttles = $make($crate::contract::throttle::RULES).await;
                $crate::contract::throttle::$case(&throttles).await;
            }
        )*
    };
}
