//! A node fails, or is cut off by itself.

use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::binary::{Cluster, Site, free_port};

use super::{AWAY, DOOMED, Load, Phase, SETTINGS, Spec, Stage, told};

/// SIGKILL in the middle of 1,000 rotations; the clients go on at the other node.
pub(super) async fn killed(stage: &Stage<'_>, cluster: &mut Cluster) -> Vec<String> {
    let load = Load::start(cluster, &stage.cast, Spec::default()).await;
    load.pass(Phase::Before).await;
    let tally = load.field.tally.clone();
    load.until("500 rotations", || tally.accepted() >= 500).await;
    cluster.nodes[0].kill();
    load.pass(Phase::During).await;
    load.until("1,000 rotations", || tally.accepted() >= 1_000).await;
    cluster.nodes[0].start().await;
    let figures = load
        .finish(cluster, "a node killed amid 1,000 rotations", false)
        .await;
    told(&figures)
}

/// One node reaches PostgreSQL alone.
pub(super) async fn cut_off_from_redis(stage: &Stage<'_>, cluster: &Cluster) -> Vec<String> {
    let load = Load::start(cluster, &stage.cast, Spec::default()).await;
    load.pass(Phase::Before).await;
    let line = &cluster.nodes[0].to_redis;
    let redis = line.cut();
    load.pass(Phase::During).await;
    tokio::time::sleep(AWAY).await;
    line.lead_to(redis);
    let figures = load.finish(cluster, "a node cut off from Redis", false).await;
    told(&figures)
}

/// One node reaches Redis alone. It goes on until something changes, and a user who is disabled beside it is refused by
/// it as soon as the command has returned.
pub(super) async fn cut_off_from_postgres(
    stage: &Stage<'_>,
    cluster: &Cluster,
    redis: &Redis,
) -> Vec<String> {
    let spec = Spec {
        doomed: Some(DOOMED[0]),
        ..Spec::default()
    };
    let load = Load::start(cluster, &stage.cast, spec).await;
    load.pass(Phase::Before).await;
    super::settle(cluster, redis).await;
    let line = &cluster.nodes[0].to_postgres;
    let postgres = line.cut();
    let tally = load.field.tally.clone();
    let before = tally.accepted[0].is();
    load.until("refreshes at a node cut off from PostgreSQL", || {
        tally.accepted[0].is() >= before + 100
    })
    .await;
    load.doom();
    cluster
        .commands
        .json(&format!("user disable {}", DOOMED[0]))
        .await;
    load.doomed_is_promised();
    tokio::time::sleep(AWAY).await;
    load.pass(Phase::During).await;
    line.lead_to(postgres);
    let name = "a node cut off from PostgreSQL while a user is disabled";
    let figures = load.finish(cluster, name, false).await;
    told(&figures)
}

/// That the watch over the dead is not blind: both nodes are cut off from PostgreSQL, and a user is disabled by a command
/// line that knows of no Redis, so that nobody tells the nodes. They go on accepting, and it is seen.
pub(super) async fn the_watch_sees_what_nobody_told_redis(
    stage: &Stage<'_>,
    cluster: &Cluster,
    redis: &Redis,
) {
    let spec = Spec {
        honest: 2,
        victims: 0,
        thieves: 2,
        doomed: Some(DOOMED[1]),
    };
    let load = Load::start(cluster, &stage.cast, spec).await;
    load.pass(Phase::Before).await;
    super::settle(cluster, redis).await;
    let lines = cluster.nodes.each_ref().map(|node| &node.to_postgres);
    let [postgres, _] = lines.map(|line| line.cut());
    let address = free_port();
    let mut site = Site::configured(&format!("http://{address}"), address, SETTINGS);
    site.set("SYMBOLON_DATABASE_URL", &*cluster.database);
    load.doom();
    site.json(&format!("user disable {}", DOOMED[1])).await;
    load.doomed_is_promised();
    let tally = load.field.tally.clone();
    load.until("what is wrongly accepted to be seen", || tally.wrongs() >= 4)
        .await;
    lines.iter().for_each(|line| line.lead_to(postgres));
    let name = "control: a user disabled behind Redis's back while both nodes are cut off from PostgreSQL";
    let figures = load.finish(cluster, name, false).await;
    println!("{figures}");
    assert!(tally.wrongs() > 0);
}
