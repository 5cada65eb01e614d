//! PostgreSQL fails: what needs nothing of it goes on.

use std::time::Duration;

use reqwest::StatusCode;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::binary::Cluster;
use tokio::task::block_in_place;

use super::{Load, Phase, Spec, Stage, USERS, settle, told};

/// SIGKILL of all its processes, and a new start.
pub(super) async fn killed(stage: &Stage<'_>, cluster: &Cluster, redis: &Redis) -> Vec<String> {
    let load = Load::start(cluster, &stage.cast, Spec::default()).await;
    load.pass(Phase::Before).await;
    settle(cluster, redis).await;
    block_in_place(|| stage.postgres.kill());
    load.enter(Phase::During);
    goes_on(stage, &load).await;
    block_in_place(|| stage.postgres.restart());
    let figures = load
        .finish(cluster, "PostgreSQL killed, back with its data", false)
        .await;
    told(&figures)
}

/// SIGSTOP: its connections stay open and nothing answers.
pub(super) async fn frozen(stage: &Stage<'_>, cluster: &Cluster, redis: &Redis) -> Vec<String> {
    let load = Load::start(cluster, &stage.cast, Spec::default()).await;
    load.pass(Phase::Before).await;
    settle(cluster, redis).await;
    block_in_place(|| stage.postgres.freeze());
    load.enter(Phase::During);
    goes_on(stage, &load).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    refreshes(&load).await;
    block_in_place(|| stage.postgres.thaw());
    let figures = load
        .finish(cluster, "PostgreSQL frozen for more than 5 s", false)
        .await;
    told(&figures)
}

/// Without the database both nodes refresh, introspect and serve `client_credentials`; logins have to wait.
async fn goes_on(stage: &Stage<'_>, load: &Load) {
    refreshes(load).await;
    tokio::join!(serves(stage, load, 0), serves(stage, load, 1));
}

/// Both nodes go on refreshing.
async fn refreshes(load: &Load) {
    let tally = &load.field.tally;
    let by_node = || [0, 1].map(|node: usize| tally.accepted[node].is());
    let before = by_node();
    load.until("refreshes at both nodes without PostgreSQL", || {
        by_node()
            .iter()
            .zip(before)
            .all(|(now, before)| *now >= before + 50)
    })
    .await;
}

async fn serves(stage: &Stage<'_>, load: &Load, node: usize) {
    let (field, app) = (&load.field, &stage.cast.app);
    let own = [("grant_type", "client_credentials")];
    let login = [
        ("grant_type", "password"),
        ("username", USERS[0]),
        ("password", super::PASSWORD),
    ];
    let (own, login) = tokio::join!(
        field.call(node, "token_endpoint", app, &own),
        field.call(node, "token_endpoint", app, &login)
    );
    let token = own.as_ref().and_then(|(_, body)| body["access_token"].as_str());
    let active = field.introspect(node, token.unwrap_or_default()).await;
    if active != Some(true) {
        let what = format!("client_credentials without PostgreSQL: {own:?}, active: {active:?}");
        field.tally.other(what);
    }
    if matches!(&login, Some((status, _)) if *status != StatusCode::SERVICE_UNAVAILABLE) {
        field
            .tally
            .other(format!("a login without PostgreSQL: {login:?}"));
    }
}
