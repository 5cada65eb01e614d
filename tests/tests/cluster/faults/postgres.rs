//! PostgreSQL fails: what needs nothing of it goes on.

use std::time::Duration;

use reqwest::StatusCode;
use symbolon_tests::binary::Cluster;
use tokio::task::block_in_place;

use super::load::Load;
use super::{Phase, Spec, Stage, USERS, have_caught_up};

/// SIGKILL of all its processes, and a new start.
pub(super) async fn killed(stage: &mut Stage, cluster: &Cluster) {
    let load = stage.load(cluster, Spec::default()).await;
    load.pass(Phase::Before).await;
    have_caught_up(cluster).await;
    block_in_place(|| stage.postgres.kill());
    load.enter(Phase::During);
    goes_on(stage, &load).await;
    block_in_place(|| stage.postgres.restart());
    let figures = load
        .finish(cluster, "PostgreSQL killed, back with its data", false)
        .await;
    stage.note(&figures);
}

/// SIGSTOP: its connections stay open and nothing answers.
pub(super) async fn frozen(stage: &mut Stage, cluster: &Cluster) {
    let load = stage.load(cluster, Spec::default()).await;
    load.pass(Phase::Before).await;
    have_caught_up(cluster).await;
    block_in_place(|| stage.postgres.freeze());
    load.enter(Phase::During);
    goes_on(stage, &load).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    goes_on(stage, &load).await;
    block_in_place(|| stage.postgres.thaw());
    let figures = load
        .finish(cluster, "PostgreSQL frozen for more than 5 s", false)
        .await;
    stage.note(&figures);
}

/// Without the database both nodes refresh, introspect and serve `client_credentials`; logins and revocations have to wait.
async fn goes_on(stage: &Stage, load: &Load) {
    let field = &load.field;
    let cast = &stage.cast;
    let by_node = || [0, 1].map(|node: usize| field.tally.accepted[node].is());
    let before = by_node();
    load.until("refreshes at both nodes without PostgreSQL", || {
        by_node()
            .iter()
            .zip(before)
            .all(|(now, before)| *now >= before + 50)
    })
    .await;
    for node in [0, 1] {
        let own = [("grant_type", "client_credentials")];
        let login = [
            ("grant_type", "password"),
            ("username", USERS[0]),
            ("password", super::PASSWORD),
        ];
        let (own, login) = tokio::join!(
            field.call(node, "token_endpoint", &cast.app, &own),
            field.call(node, "token_endpoint", &cast.app, &login)
        );
        let Some((StatusCode::OK, body)) = own else {
            field
                .tally
                .other(format!("client_credentials without PostgreSQL: {own:?}"));
            continue;
        };
        let token = body["access_token"].as_str().unwrap_or_default();
        if field.introspect(node, token).await != Some(true) {
            field
                .tally
                .other(format!("introspection without PostgreSQL at node {node}"));
        }
        if matches!(&login, Some((status, _)) if *status != StatusCode::SERVICE_UNAVAILABLE) {
            field
                .tally
                .other(format!("a login without PostgreSQL: {login:?}"));
        }
    }
}
