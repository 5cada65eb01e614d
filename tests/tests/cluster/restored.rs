//! A database that was restored from a backup: its log lacks what Redis and the nodes know of.

use std::sync::Arc;
use symbolon_core::ports::RevocationLog as _;
use symbolon_core::{SystemClock, SystemRng};
use symbolon_server::node;
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::Deployment;

use crate::Running;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_log_is_refused_until_it_has_another_identity() {
    let deployment = Deployment::on(Postgres::shared(), Redis::shared().url()).await;
    let one = Running::start(&deployment, Arc::new(SystemClock::new())).await;
    let other = Running::start(&deployment, Arc::new(SystemClock::new())).await;
    let (h, store) = (&one.h, &one.h.node.store);
    let before = store.head().await.unwrap();
    let lost = h.login(&h.app).await;
    h.revoke(&h.app, &lost.text("refresh_token")).await.ok();
    let kept = h.login(&h.app).await;
    // What a backup from before the revocation would have brought back.
    Postgres::shared().sql(
        &h.settings.database.url,
        &format!(
            "DELETE FROM revocation_log WHERE seq > {0}; UPDATE revocation_head SET seq = {0}, facts = facts + 1",
            before.seq
        ),
    );
    // The bucket of the subject is fenced by an entry that nobody can read.
    let token = kept.text("refresh_token");
    for node in [&one, &other] {
        node.h.node.refresh().await.unwrap();
        let refused = node.h.refresh(&h.app, &token).await;
        refused.assert_error(503, "temporarily_unavailable");
    }
    store.renew_log(&SystemRng).await.unwrap();
    node::promise_changes(&h.settings, store).await.unwrap();
    let refreshed = one.h.refresh(&h.app, &token).await;
    refreshed.ok();
    other
        .h
        .refresh(&h.app, &refreshed.text("refresh_token"))
        .await
        .ok();
    // And the log goes on.
    h.revoke(&h.app, &refreshed.text("refresh_token")).await.ok();
    for node in [&one, &other] {
        let refused = node.h.refresh(&h.app, &refreshed.text("refresh_token")).await;
        refused.assert_error(400, "invalid_grant");
    }
}
