//! Redis: one server, Sentinels, clusters; that which forgets and that which stands still.

use symbolon_testkit::servers::redis::{Redis, RedisCluster};

use super::super::redis::{checks as checks_of, tls};
use super::*;

async fn on_redis(url: &str, toml: &str) -> Vec<Check> {
    let settings = settings(&format!("{HTTP}redis.url = \"{url}\"\n{toml}"));
    checks_of(&patient(settings)).await
}

#[tokio::test]
async fn a_redis_that_forgets_is_told() {
    let redis = Redis::start(&["--requirepass", "hunter2"]);
    let url = format!("redis://:hunter2@{}", redis.address());
    let cli = |line: &str| {
        let arguments: Vec<_> = "--no-auth-warning -a hunter2"
            .split(' ')
            .chain(line.split(' '))
            .collect();
        redis.cli(&arguments)
    };
    let checks = on_redis(&url, "redis.replicas = 1").await;
    assert(&checks, Name::RedisConnection, Outcome::Ok, "version");
    assert(&checks, Name::RedisPersistence, Outcome::Warning, "appendonly no");
    assert(
        &checks,
        Name::RedisReplicas,
        Outcome::Warning,
        "0 replicas and `redis.replicas` is 1",
    );
    cli("CONFIG SET maxmemory-policy allkeys-lru");
    let checks = on_redis(&url, "").await;
    assert(&checks, Name::RedisMemory, Outcome::Warning, "allkeys-lru");
    cli("CONFIG SET maxmemory 100mb");
    let checks = on_redis(&url, "").await;
    assert(&checks, Name::RedisMemory, Outcome::Failed, "evicts sessions");
    cli("CONFIG SET maxmemory-policy noeviction");
    cli("CONFIG SET maxmemory 1mb");
    let checks = on_redis(&url, "").await;
    assert(&checks, Name::RedisMemory, Outcome::Warning, "of 1 MiB");
    cli("REPLICAOF 127.0.0.1 1");
    let checks = on_redis(&url, "").await;
    assert(&checks, Name::RedisConnection, Outcome::Failed, "is a replica");
    cli("REPLICAOF NO ONE");
    cli("ACL SETUSER blind on >hunter3 ~* &* +@all -info");
    let blind = format!("redis://blind:hunter3@{}", redis.address());
    let checks = on_redis(&blind, "").await;
    assert(&checks, Name::RedisConnection, Outcome::Ok, "no INFO of");
    assert(
        &checks,
        Name::RedisMemory,
        Outcome::Skipped,
        "does not answer INFO",
    );
    let wrong = on_redis(&format!("redis://:hunter4@{}", redis.address()), "").await;
    assert(&wrong, Name::RedisConnection, Outcome::Failed, &redis.address());
    for checks in [checks, wrong] {
        assert!(!serde_json::to_string(&checks).unwrap().contains("hunter"));
    }
}

#[tokio::test]
async fn sentinels_lead_to_the_primary_and_clusters_have_many() {
    let primary = Redis::start(&[]);
    let sentinel = Redis::sentinel_of(&primary, "main", &[]);
    let url = format!("redis://127.0.0.1:1,{}", sentinel.address());
    let named = "redis.mode = \"sentinel\"\nredis.sentinel_service = \"main\"";
    let checks = on_redis(&url, named).await;
    assert(&checks, Name::RedisConnection, Outcome::Ok, &primary.address());
    let unnamed = named.replace("\"main\"", "\"other\"");
    let checks = on_redis(&url, &unnamed).await;
    assert(
        &checks,
        Name::RedisConnection,
        Outcome::Failed,
        "`redis.sentinel_service`",
    );

    let cluster = RedisCluster::start(&[]);
    let clustered = "redis.mode = \"cluster\"";
    let checks = on_redis(&cluster.url(), clustered).await;
    assert(
        &checks,
        Name::RedisConnection,
        Outcome::Ok,
        &cluster.node(2).address(),
    );
    cluster.kill(1);
    cluster
        .node(0)
        .wait_for(&["CLUSTER", "INFO"], "cluster_state:fail");
    let checks = on_redis(&cluster.url(), clustered).await;
    assert(&checks, Name::RedisConnection, Outcome::Failed, "cluster_state");
}

#[tokio::test]
async fn a_store_that_stands_still_fails_in_the_end_and_hides_nothing() {
    let redis = Redis::start(&[]);
    redis.freeze();
    let checks = on_redis(&redis.url(), "redis.response_timeout = \"100ms\"").await;
    assert(
        &checks,
        Name::RedisConnection,
        Outcome::Failed,
        "no answer in time",
    );
    redis.thaw();
}

#[test]
fn off_this_machine_redis_wants_tls() {
    for (url, outcome) in [
        ("redis://localhost,127.0.0.1:6380,[::1]:1", Outcome::Ok),
        ("redis://u:p@localhost:6379/1", Outcome::Ok),
        ("redis://localhost,redis.internal", Outcome::Warning),
        ("rediss://redis.internal", Outcome::Ok),
    ] {
        let mode = if url.contains(',') { "cluster" } else { "single" };
        let settings = settings(&format!("{HTTP}redis.url = \"{url}\"\nredis.mode = \"{mode}\""));
        let check = tls(settings.redis.as_ref().unwrap());
        assert_eq!(check.outcome, outcome, "{url}: {check:?}");
    }
}
