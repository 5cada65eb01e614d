//! Redis fails.

use std::time::Duration;

use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::binary::Cluster;
use tokio::task::block_in_place;

use super::{AWAY, Load, Phase, Spec, Stage, settle, told};

/// SIGKILL, and a new start with the data or without. What is lost holds no kill that is not on the log.
pub(super) async fn killed(
    stage: &Stage<'_>,
    cluster: &Cluster,
    redis: &Redis,
    keep_data: bool,
) -> Vec<String> {
    let load = Load::start(cluster, &stage.cast, Spec::default()).await;
    load.pass(Phase::Before).await;
    if !keep_data {
        settle(cluster, redis).await;
    }
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
    told(&figures)
}

/// FLUSHALL, again and again. What is lost holds no kill that is not on the log.
pub(super) async fn flushed(stage: &Stage<'_>, cluster: &Cluster, redis: &Redis) -> Vec<String> {
    let load = Load::start(cluster, &stage.cast, Spec::default()).await;
    load.pass(Phase::Before).await;
    settle(cluster, redis).await;
    block_in_place(|| redis.cli(&["FLUSHALL"]));
    load.pass(Phase::During).await;
    settle(cluster, redis).await;
    block_in_place(|| redis.cli(&["FLUSHALL"]));
    let figures = load
        .finish(cluster, "Redis emptied by FLUSHALL, twice", true)
        .await;
    told(&figures)
}

/// SIGSTOP: its connections stay open and nothing answers.
pub(super) async fn frozen(stage: &Stage<'_>, cluster: &Cluster, redis: &Redis) -> Vec<String> {
    let load = Load::start(cluster, &stage.cast, Spec::default()).await;
    load.pass(Phase::Before).await;
    block_in_place(|| redis.freeze());
    load.enter(Phase::During);
    tokio::time::sleep(Duration::from_secs(10)).await;
    block_in_place(|| redis.thaw());
    let figures = load.finish(cluster, "Redis frozen for 10 s", false).await;
    told(&figures)
}
