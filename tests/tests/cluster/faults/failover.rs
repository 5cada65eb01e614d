//! A replica takes over that has not got the last writes.

use symbolon_testkit::servers::redis::{Redis, free_port};
use symbolon_tests::binary::loopback;
use tokio::task::block_in_place;

use super::{Load, Phase, Spec, Stage, settle, told};

/// The replica is cut off from the primary, the primary dies, and the replica takes its place: fences, rotations and kills
/// of the time between are lost. `replicas` is the setting: with 1 a revocation is not promised while no replica has it,
/// and with 0 it holds once every node has read the log.
pub(super) async fn to_a_replica_that_lags(stage: &Stage<'_>, replicas: usize) -> Vec<String> {
    let (primary, replica) = block_in_place(|| {
        let primary = Redis::start(&[]);
        let replica = Redis::replica_of(&primary);
        (primary, replica)
    });
    let toml = format!("redis.replicas = {replicas}\n");
    let cluster = stage.cluster(&primary, &toml).await;
    let load = Load::start(&cluster, &stage.cast, Spec::default()).await;
    let nowhere = free_port().to_string();
    let lag = || block_in_place(|| replica.cli(&["REPLICAOF", "127.0.0.1", &nowhere]));
    if replicas == 0 {
        lag();
        load.pass(Phase::Before).await;
    } else {
        // What is promised, is there; then the link breaks, and nothing is promised any more.
        load.pass(Phase::Before).await;
        lag();
        load.enter(Phase::During);
    }
    load.serves(10).await;
    settle(&cluster, &primary).await;
    block_in_place(|| primary.kill());
    load.enter(Phase::During);
    block_in_place(|| replica.promote());
    cluster.lead_to_redis(loopback(replica.port()));
    // Promises want a replica again.
    let _next = (replicas > 0).then(|| block_in_place(|| Redis::replica_of(&replica)));
    let name = match replicas {
        0 => "Redis failed over to a replica without the last writes, redis.replicas = 0",
        _ => "Redis failed over to a replica without the last writes, redis.replicas = 1",
    };
    let figures = load.finish(&cluster, name, true).await;
    told(&figures)
}
