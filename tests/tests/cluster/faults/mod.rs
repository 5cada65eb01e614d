//! Processes that fail under load: two nodes of the built binary over PostgreSQL and Redis, honest clients that refresh
//! at both by turns, sessions that are revoked before, during and after the fault, and thieves that replay old tokens.
//!
//! Each run prints a line of figures (`--nocapture`). Nothing may be accepted once it was said to be dead, and nobody
//! who was not revoked may be logged out.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "whatever fails in what tests share is a failed test, and the figures are its result"
)]

mod calls;
mod failover;
mod figures;
mod load;
mod nodes;
mod postgres;
mod redis;
mod victims;

use std::time::Duration;

use futures_util::future::join_all;
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::PASSWORD;
use symbolon_tests::binary::{Cluster, PATIENCE};
use tokio::task::block_in_place;

use calls::Phase;
use figures::Figures;
use load::{Load, Spec};

use crate::stage::{Cast, DOOMED, SETTINGS, Stage, USERS};

/// How long a server is away.
const AWAY: Duration = Duration::from_millis(800);

/// Prints what a run came to; what is wrong with it.
fn told(figures: &Figures) -> Vec<String> {
    println!("{figures}");
    figures.faults()
}

/// A Redis that writes to disk before it answers: what it has said survives.
fn durable() -> Redis {
    block_in_place(|| Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]))
}

/// How long nothing is to happen before nothing is on its way any more.
const QUIET: Duration = Duration::from_millis(300);

/// Waits until no kill waits to be logged, which nodes do beside requests, and both nodes have applied the same of the
/// log: from then on it moves by what is revoked alone.
async fn settle(cluster: &Cluster, redis: &Redis) {
    let settled = async {
        while !block_in_place(|| redis.cli(&["KEYS", "*}k"])).trim().is_empty() {
            tokio::time::sleep(QUIET / 10).await;
        }
        tokio::time::sleep(QUIET).await;
        let applied = async |node: usize| {
            let remote = cluster.nodes[node].remote();
            remote.metric("symbolon_revocation_log_seq").await
        };
        while applied(0).await != applied(1).await {
            tokio::time::sleep(QUIET / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled)
        .await
        .expect("nodes that catch up");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrongly_accepted_and_nobody_logged_out_when_redis_fails() {
    let (stage, redis) = (Stage::shared().await, durable());
    let cluster = stage.cluster(&redis, "").await;
    let mut faults = redis::killed(stage, &cluster, &redis, true).await;
    faults.extend(redis::killed(stage, &cluster, &redis, false).await);
    faults.extend(redis::flushed(stage, &cluster, &redis).await);
    faults.extend(redis::frozen(stage, &cluster, &redis).await);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrongly_accepted_and_nobody_logged_out_when_redis_fails_over() {
    let stage = Stage::shared().await;
    let runs = [0, 1].map(|replicas| failover::to_a_replica_that_lags(stage, replicas));
    let faults = join_all(runs).await.concat();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrongly_accepted_and_nobody_logged_out_when_postgresql_fails() {
    let (postgres, redis) = block_in_place(|| (Postgres::start(&[]), Redis::start(&[])));
    let stage = Stage::on(&postgres).await;
    let cluster = stage.cluster(&redis, "").await;
    let mut faults = postgres::killed(&stage, &cluster, &redis).await;
    faults.extend(postgres::frozen(&stage, &cluster, &redis).await);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrongly_accepted_and_nobody_logged_out_when_nodes_fail() {
    let (stage, redis) = (Stage::shared().await, block_in_place(|| Redis::start(&[])));
    let mut cluster = stage.cluster(&redis, "").await;
    let mut faults = nodes::killed(stage, &mut cluster).await;
    faults.extend(nodes::cut_off_from_redis(stage, &cluster).await);
    faults.extend(nodes::cut_off_from_postgres(stage, &cluster, &redis).await);
    nodes::the_watch_sees_what_nobody_told_redis(stage, &cluster, &redis).await;
    assert!(faults.is_empty(), "{faults:#?}");
}
