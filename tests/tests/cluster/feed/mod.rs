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

use std::time::Duration;

use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::binary::{Cluster, ClusterPlan, Site, free_port, loopback};
use tokio::task::block_in_place;

use crate::faults::{Cast, SETTINGS, TEMPLATE, hire};

/// Tokens that outlive a run, however slow the machine is; and tokens may be signed as the feed is.
const FEED_SETTINGS: &str =
    "tokens.access_token_lifetime = \"1h\"\nkeys.algorithms = [\"ES256\", \"EdDSA\"]\n";

/// What the runs stand on.
struct Stage {
    postgres: Postgres,
    redis: Redis,
    cast: Cast,
}

impl Stage {
    async fn set() -> Self {
        let (postgres, redis) = block_in_place(|| (Postgres::start(&[]), Redis::start(&[])));
        assert_eq!(postgres.fresh_database().await, postgres.url(TEMPLATE));
        let address = free_port();
        let mut site = Site::configured(&format!("http://{address}"), address, SETTINGS);
        site.set("SYMBOLON_DATABASE_URL", postgres.url(TEMPLATE));
        let cast = hire(&site).await;
        Self {
            postgres,
            redis,
            cast,
        }
    }

    /// Two nodes with a database of their own, whose name comes with them, on an empty Redis.
    async fn cluster(&self) -> (Cluster, String) {
        let database = self.postgres.copy_of(TEMPLATE).await;
        block_in_place(|| self.redis.cli(&["FLUSHALL"]));
        let plan = ClusterPlan {
            database: &database,
            redis: loopback(self.redis.port()),
            toml: &format!("{SETTINGS}{FEED_SETTINGS}"),
        };
        let name = database.rsplit('/').next().expect("a name").to_owned();
        (Cluster::start(plan).await, name)
    }
}

/// For what has no end of its own to be waited for.
const MOMENT: Duration = Duration::from_millis(5);

/// One after the other: each needs the processors for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifiers_refuse_what_was_revoked_whatever_fails() {
    let stage = Stage::set().await;
    println!("{}", figures::HEADING);
    let mut faults = Vec::new();
    faults.extend(outages::streams_cut(&stage).await);
    faults.extend(outages::node_killed(&stage).await);
    faults.extend(outages::unreachable(&stage).await);
    faults.extend(outages::clocks_apart(&stage).await);
    outages::the_watch_sees_what_is_wrong(&stage).await;
    faults.extend(history::restored(&stage).await);
    faults.extend(history::commits_lost(&stage).await);
    faults.extend(lies::told(&stage).await);
    assert!(faults.is_empty(), "{faults:#?}");
}
