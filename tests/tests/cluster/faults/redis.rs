//! Redis fails.

use std::time::Duration;

use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::binary::Cluster;
use tokio::task::block_in_place;

use super::{AWAY, Phase, Spec, Stage};

/// SIGKILL, and a new start with the data or without.
pub(super) async fn killed(stage: &mut Stage, cluster: &Cluster, redis: &Redis, keep_data: bool) {
    let load = stage.load(cluster, Spec::default()).await;
    load.pass(Phase::Before).await;
    block_in_place(|| redis.kill());
    load.enter(Phase::During);
    tokio::time::sleep(AWAY).await;
    block_in_place(|| redis.restart(keep_data));
    let name = if keep_data {
        "Redis killed, back with its data (append-only file, appendfsync always)"
    } else {
        "Redis killed, back without its data"
    };
    let figures = load.finish(cluster, name, !keep_data).await;
    stage.note(&figures);
}

/// FLUSHALL, again and again.
pub(super) async fn flushed(stage: &mut Stage, cluster: &Cluster, redis: &Redis) {
    let load = stage.load(cluster, Spec::default()).await;
    load.pass(Phase::Before).await;
    block_in_place(|| redis.cli(&["FLUSHALL"]));
    load.pass(Phase::During).await;
    block_in_place(|| redis.cli(&["FLUSHALL"]));
    let figures = load
        .finish(cluster, "Redis emptied by FLUSHALL, twice", true)
        .await;
    stage.note(&figures);
}

/// SIGSTOP: its connections stay open and nothing answers.
pub(super) async fn frozen(stage: &mut Stage, cluster: &Cluster, redis: &Redis) {
    let load = stage.load(cluster, Spec::default()).await;
    load.pass(Phase::Before).await;
    block_in_place(|| redis.freeze());
    load.enter(Phase::During);
    tokio::time::sleep(Duration::from_secs(10)).await;
    block_in_place(|| redis.thaw());
    let figures = load.finish(cluster, "Redis frozen for 10 s", false).await;
    stage.note(&figures);
}
