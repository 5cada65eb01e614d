//! Failed logins of all nodes together.

use symbolon_core::throttle::{Attempt, LoginThrottle, Throttle, ThrottleRules, ThrottledBy};
use symbolon_testkit::contract::throttle::{RULES, Throttles};
use symbolon_testkit::fresh_subject;

use super::*;
use crate::RedisThrottle;

const LOCKOUT: Duration = RULES.lockout;
const HOME: &str = "192.0.2.1";

mod on_one_server {
    symbolon_testkit::throttle_contract!(crate::tests::throttle::one_server);
}

mod on_a_cluster {
    symbolon_testkit::throttle_contract!(crate::tests::throttle::a_cluster);
}

mod of_a_user_who_may_do_the_least {
    symbolon_testkit::throttle_contract!(crate::tests::throttle::the_least_user);
}

async fn one_server(rules: ThrottleRules) -> Throttles {
    throttles(&config(Redis::shared().url(), Topology::Single), rules).await
}

async fn a_cluster(rules: ThrottleRules) -> Throttles {
    throttles(&config(RedisCluster::shared().url(), Topology::Cluster), rules).await
}

async fn the_least_user(rules: ThrottleRules) -> Throttles {
    throttles(&least::config(), rules).await
}

async fn throttles(config: &RedisConfig, rules: ThrottleRules) -> Throttles {
    let [a, b] = two(config, rules).await;
    Throttles {
        nodes: [Arc::new(a), Arc::new(b)],
        keep: Box::new(()),
    }
}

/// Two nodes, each with a connection of its own.
async fn two(config: &RedisConfig, rules: ThrottleRules) -> [RedisThrottle; 2] {
    let (a, b) = (records(config).await, records(config).await);
    [RedisThrottle::new(&a, rules), RedisThrottle::new(&b, rules)]
}

fn from_nowhere() -> Attempt {
    Attempt::on_account(fresh_subject(), None)
}

fn from_home() -> Attempt {
    Attempt::on_account(fresh_subject(), Some(HOME.parse().unwrap()))
}

fn waits(throttle: Throttle) -> bool {
    matches!(throttle, Throttle::Wait { by: ThrottledBy::Account, wait } if wait <= LOCKOUT && wait > LOCKOUT / 2)
}

#[tokio::test]
async fn a_race_of_failures_loses_none() {
    let rules = ThrottleRules {
        max_failures: 100,
        ..RULES
    };
    for config in [
        config(Redis::shared().url(), Topology::Single),
        config(RedisCluster::shared().url(), Topology::Cluster),
    ] {
        let (nodes, attempt) = (two(&config, rules).await, from_nowhere());
        let race = |from: usize, to: usize| {
            let (nodes, attempt) = (&nodes, &attempt);
            futures_util::future::join_all((from..to).map(move |i| nodes[i % 2].failed(attempt)))
        };
        let counted = race(0, 99).await;
        assert!(
            counted
                .into_iter()
                .all(|counted| counted.unwrap() == Throttle::Open)
        );
        assert_eq!(nodes[0].check(&attempt).await.unwrap(), Throttle::Open);
        assert!(waits(nodes[1].failed(&attempt).await.unwrap()));
        assert!(waits(nodes[0].check(&attempt).await.unwrap()));
    }
}

/// A server of its own whose every key loses time, as time passes where it is kept: in Redis.
struct Kept {
    server: Redis,
    config: RedisConfig,
}

impl Kept {
    fn new() -> Self {
        let server = Redis::start(&[]);
        let config = config(server.url(), Topology::Single);
        Self { server, config }
    }

    async fn node(&self, rules: ThrottleRules) -> RedisThrottle {
        let records = records(&self.config).await;
        RedisThrottle::new(&records, rules)
    }

    /// The one key is forgotten after so many milliseconds.
    fn leave(&self, millis: u64) {
        self.server.cli(&[
            "EVAL",
            "return redis.call('PEXPIRE', redis.call('KEYS', '*')[1], ARGV[1])",
            "0",
            &millis.to_string(),
        ]);
    }

    /// How long until the one key is.
    fn left(&self) -> u64 {
        let keys = self.server.cli(&["KEYS", "*"]);
        assert_eq!(keys.lines().count(), 1, "{keys}");
        let ask = "return redis.call('PTTL', redis.call('KEYS', '*')[1])";
        self.server.cli(&["EVAL", ask, "0"]).trim().parse().unwrap()
    }

    async fn forget(&self) {
        self.leave(1);
        until(async || self.server.cli(&["DBSIZE"]), |size| size.trim() == "0").await;
    }
}

/// After the lock-out one more failure locks again; after a quiet quarter of an hour, or two lock-outs, none counts.
#[tokio::test]
async fn a_count_opens_again_and_expires_by_itself() {
    let kept = Kept::new();
    let attempt = from_nowhere();
    let node = kept
        .node(ThrottleRules {
            max_failures: 2,
            ..RULES
        })
        .await;
    node.failed(&attempt).await.unwrap();
    assert!(waits(node.failed(&attempt).await.unwrap()));
    assert!((895_000..=900_000).contains(&kept.left()), "a quarter of an hour");
    kept.leave(900_000 - 30_000);
    assert!(
        matches!(node.check(&attempt).await.unwrap(), Throttle::Wait { wait, .. } if wait <= LOCKOUT / 2)
    );
    kept.leave(900_000 - 60_000);
    assert_eq!(node.check(&attempt).await.unwrap(), Throttle::Open);
    assert!(waits(node.failed(&attempt).await.unwrap()));
    kept.forget().await;
    assert_eq!(
        node.failed(&attempt).await.unwrap(),
        Throttle::Open,
        "the count began anew"
    );
    let long = kept
        .node(ThrottleRules {
            lockout: LOCKOUT * 60,
            ..RULES
        })
        .await;
    long.failed(&attempt).await.unwrap();
    assert!((7_190_000..=7_200_000).contains(&kept.left()), "two lock-outs");
}

/// Whoever goes on does not make the window longer.
#[tokio::test]
async fn failures_of_an_address_are_counted_from_the_first() {
    let kept = Kept::new();
    let node = kept.node(RULES).await;
    let other = || async { node.failed(&from_home()).await.unwrap() };
    // The count of the account goes at once, so that there is one key.
    let count = async |times: u32| {
        for _ in 0..times {
            other().await;
        }
        kept.server.cli(&[
            "EVAL",
            "for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('PTTL', key) > 600000 then redis.call('DEL', key) end end",
            "0",
        ]);
    };
    count(4).await;
    assert!((590_000..=600_000).contains(&kept.left()), "a window");
    kept.leave(400_000);
    count(1).await;
    assert!((390_000..=400_000).contains(&kept.left()), "still the same");
    let locked = node.check(&from_home()).await.unwrap();
    assert!(
        matches!(locked, Throttle::Wait { by: ThrottledBy::Address, wait } if wait <= Duration::from_secs(400)),
        "{locked:?}"
    );
    kept.forget().await;
    assert_eq!(node.check(&from_home()).await.unwrap(), Throttle::Open);
}

#[tokio::test]
async fn an_address_is_known_for_its_time() {
    let kept = Kept::new();
    let alice = from_home();
    let node = kept.node(RULES).await;
    node.succeeded(&alice).await.unwrap();
    assert!((86_390_000..=86_400_000).contains(&kept.left()), "a day");
    // By the record of the address, and not by when all of them are forgotten, which other addresses put off.
    let brief = kept
        .node(ThrottleRules {
            known_address_lifetime: Duration::from_millis(1),
            ..RULES
        })
        .await;
    let elsewhere = Attempt {
        origin: None,
        ..alice
    };
    for _ in 0..3 {
        node.failed(&elsewhere).await.unwrap();
    }
    assert_eq!(node.check(&alice).await.unwrap(), Throttle::Open);
    assert!(waits(
        until(
            async || brief.check(&alice).await.unwrap(),
            |told| *told != Throttle::Open
        )
        .await
    ));
}

#[tokio::test]
async fn what_is_switched_off_leaves_nothing_in_redis() {
    let kept = Kept::new();
    let node = kept
        .node(ThrottleRules {
            max_failures_per_address: 0,
            known_address_lifetime: Duration::ZERO,
            ..RULES
        })
        .await;
    for _ in 0..20 {
        assert_eq!(node.failed(&from_home()).await.unwrap(), Throttle::Open);
    }
    assert_eq!(kept.server.cli(&["DBSIZE"]).trim(), "20", "a count per account");
    kept.server.cli(&["FLUSHALL"]);
    let alice = from_home();
    node.succeeded(&alice).await.unwrap();
    assert_eq!(kept.server.cli(&["DBSIZE"]).trim(), "0");
    for _ in 0..3 {
        node.failed(&alice).await.unwrap();
    }
    assert!(waits(node.check(&alice).await.unwrap()), "known nowhere");
}

#[tokio::test]
async fn nobody_guesses_while_failures_can_not_be_counted() {
    let mut kept = Kept::new();
    kept.config.response_timeout = Duration::from_millis(300);
    let node = kept.node(RULES).await;
    for attempt in [from_nowhere(), from_home()] {
        node.failed(&attempt).await.unwrap();
        kept.server.kill();
        assert!(node.check(&attempt).await.is_err());
        assert!(node.failed(&attempt).await.is_err());
        assert!(node.succeeded(&attempt).await.is_err());
        kept.server.restart(false);
        let _ = until(
            async || node.check(&attempt).await,
            |told| matches!(told, Ok(Throttle::Open)),
        )
        .await;
    }
}
