//! Failed logins of all nodes together.

use symbolon_core::throttle::{LoginThrottle, Throttle, ThrottleKey};

use super::*;
use crate::RedisThrottle;

const LOCKOUT: Duration = Duration::from_secs(60);
const KEY: ThrottleKey = ThrottleKey([0x7d; 16]);

fn waits(throttle: Throttle) -> bool {
    matches!(throttle, Throttle::Wait(wait) if wait <= LOCKOUT && wait > LOCKOUT / 2)
}

/// One that locks at the first failure.
pub(super) async fn locks_and_opens(throttle: &RedisThrottle) {
    assert_eq!(throttle.check(KEY).await.unwrap(), Throttle::Open);
    throttle.failed(KEY).await.unwrap();
    assert!(waits(throttle.check(KEY).await.unwrap()));
    throttle.succeeded(KEY).await.unwrap();
    assert_eq!(throttle.check(KEY).await.unwrap(), Throttle::Open);
}

/// Two nodes, each with a connection of its own.
async fn two(config: &RedisConfig, most: u32, lockout: Duration) -> [RedisThrottle; 2] {
    let (a, b) = (records(config).await, records(config).await);
    [
        RedisThrottle::new(&a, most, lockout),
        RedisThrottle::new(&b, most, lockout),
    ]
}

async fn counts_together(config: RedisConfig) {
    let [a, b] = two(&config, 3, LOCKOUT).await;
    for node in [&a, &b, &a] {
        assert_eq!(a.check(KEY).await.unwrap(), Throttle::Open);
        assert_eq!(b.check(KEY).await.unwrap(), Throttle::Open);
        node.failed(KEY).await.unwrap();
    }
    assert!(waits(a.check(KEY).await.unwrap()));
    assert!(waits(b.check(KEY).await.unwrap()));
    assert_eq!(b.check(ThrottleKey([2; 16])).await.unwrap(), Throttle::Open);
    b.succeeded(KEY).await.unwrap();
    assert_eq!(a.check(KEY).await.unwrap(), Throttle::Open);
    // It counts from the beginning.
    for node in [&a, &b] {
        node.failed(KEY).await.unwrap();
        assert_eq!(a.check(KEY).await.unwrap(), Throttle::Open);
    }
}

#[tokio::test]
async fn nodes_count_together() {
    counts_together(config(Redis::shared().url(), Topology::Single)).await;
    counts_together(config(RedisCluster::shared().url(), Topology::Cluster)).await;
}

#[tokio::test]
async fn a_race_of_failures_loses_none() {
    for config in [
        config(Redis::shared().url(), Topology::Single),
        config(RedisCluster::shared().url(), Topology::Cluster),
    ] {
        let nodes = two(&config, 100, LOCKOUT).await;
        let race = |from: usize, to: usize| {
            let nodes = &nodes;
            futures_util::future::join_all((from..to).map(move |i| nodes[i % 2].failed(KEY)))
        };
        assert!(race(0, 99).await.into_iter().all(|counted| counted.is_ok()));
        assert_eq!(nodes[0].check(KEY).await.unwrap(), Throttle::Open);
        nodes[1].failed(KEY).await.unwrap();
        assert!(waits(nodes[0].check(KEY).await.unwrap()));
    }
}

/// After the lock-out one more failure locks again; after a quiet quarter of an hour, or two lock-outs, none counts.
#[tokio::test]
async fn a_count_opens_again_and_expires_by_itself() {
    let server = Redis::start(&[]);
    let config = config(server.url(), Topology::Single);
    let [node, _] = two(&config, 2, LOCKOUT).await;
    node.failed(KEY).await.unwrap();
    node.failed(KEY).await.unwrap();
    let name = server.cli(&["KEYS", "*"]);
    assert_eq!(name.lines().count(), 1, "{name}");
    // Time passes where it is kept: in Redis.
    let left = |millis: u64| {
        server.cli(&[
            "EVAL",
            "return redis.call('PEXPIRE', redis.call('KEYS', '*')[1], ARGV[1])",
            "0",
            &millis.to_string(),
        ])
    };
    let left_now = |_: ()| -> u64 {
        server
            .cli(&[
                "EVAL",
                "return redis.call('PTTL', redis.call('KEYS', '*')[1])",
                "0",
            ])
            .trim()
            .parse()
            .unwrap()
    };
    assert!(
        (895_000..=900_000).contains(&left_now(())),
        "a quarter of an hour"
    );
    left(900_000 - 30_000);
    assert!(matches!(node.check(KEY).await.unwrap(), Throttle::Wait(wait) if wait <= LOCKOUT / 2));
    left(900_000 - 60_000);
    assert_eq!(node.check(KEY).await.unwrap(), Throttle::Open);
    node.failed(KEY).await.unwrap();
    assert!(waits(node.check(KEY).await.unwrap()));
    left(1);
    until(async || server.cli(&["DBSIZE"]), |size| size.trim() == "0").await;
    node.failed(KEY).await.unwrap();
    assert_eq!(
        node.check(KEY).await.unwrap(),
        Throttle::Open,
        "the count began anew"
    );
    let [long, _] = two(&config, 1, LOCKOUT * 60).await;
    long.failed(KEY).await.unwrap();
    assert!((7_190_000..=7_200_000).contains(&left_now(())), "two lock-outs");
}

#[tokio::test]
async fn nobody_guesses_while_failures_can_not_be_counted() {
    let server = Redis::start(&[]);
    let mut config = config(server.url(), Topology::Single);
    config.response_timeout = Duration::from_millis(300);
    let [node, _] = two(&config, 2, LOCKOUT).await;
    node.failed(KEY).await.unwrap();
    server.kill();
    assert!(node.check(KEY).await.is_err());
    assert!(node.failed(KEY).await.is_err());
    assert!(node.succeeded(KEY).await.is_err());
    server.restart(false);
    let _ = until(
        async || node.check(KEY).await,
        |told| matches!(told, Ok(Throttle::Open)),
    )
    .await;
}
