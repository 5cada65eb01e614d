//! The revocation feed over real nodes: two of the built binary over PostgreSQL and Redis, real verifiers in this process
//! that follow it over HTTP, and what becomes of it when lines, nodes and databases fail, or when somebody lies.
//!
//! The runs with faults each print a row of figures (`--nocapture`, `cargo xtask test` shows how). A token may be
//! accepted for at most `max_stale` after its revocation was answered, and by a verifier that has refused it as revoked
//! never again; one that nobody revoked is never refused as revoked.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "whatever fails in what tests share is a failed test, and the figures are its result"
)]

mod court;
mod every_kind;
mod figures;
mod history;
mod judge;
mod lies;
mod meddler;
mod outages;
mod revoker;

use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::binary::Cluster;
use tokio::task::block_in_place;

use crate::stage::Stage;

/// Tokens that outlive a run, however slow the machine is; and tokens may be signed as the feed is.
const FEED_SETTINGS: &str =
    "tokens.access_token_lifetime = \"1h\"\nkeys.algorithms = [\"ES256\", \"EdDSA\"]\n";

/// Two nodes with a database and room in Redis of their own.
async fn cluster() -> Cluster {
    let redis = block_in_place(Redis::shared);
    Stage::shared().await.cluster(redis, FEED_SETTINGS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifiers_refuse_what_was_revoked_whatever_fails() {
    let (cut, killed) = tokio::join!(outages::streams_cut(), outages::node_killed());
    let (unreachable, apart, ()) = tokio::join!(
        outages::unreachable(),
        outages::clocks_apart(),
        outages::the_watch_sees_what_is_wrong()
    );
    let faults = [cut, killed, unreachable, apart].concat();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifiers_refuse_what_was_revoked_whatever_the_database_forgets() {
    let (restored, lost) = tokio::join!(history::restored(), history::commits_lost());
    let faults = [restored, lost].concat();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifiers_refuse_what_was_revoked_whoever_lies() {
    let faults = lies::told().await;
    assert!(faults.is_empty(), "{faults:#?}");
}
