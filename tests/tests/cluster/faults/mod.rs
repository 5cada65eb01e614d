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

use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::binary::{Cluster, ClusterPlan, Credentials, PATIENCE, Site, free_port, loopback};
use symbolon_tests::{AUDIENCE, PASSWORD};

use tokio::task::block_in_place;

use calls::Phase;
use figures::Figures;
use load::{Load, Spec};

/// Users with sessions.
pub(crate) const USERS: [&str; 3] = ["alice", "bob", "carol"];
/// Users who are disabled.
pub(crate) const DOOMED: [&str; 2] = ["mallory", "trent"];
/// Cheap passwords: they are not what this is about. And a node that can't do without PostgreSQL says so before its
/// clients have lost patience.
pub(crate) const SETTINGS: &str = "passwords.memory_kib = 8192\npasswords.iterations = 1\n\
                        database.acquire_timeout = \"500ms\"\ndatabase.statement_timeout = \"1s\"\n";
/// How long a server is away.
const AWAY: Duration = Duration::from_millis(800);

/// An application and a resource server.
#[derive(Clone)]
pub(crate) struct Cast {
    pub(crate) app: Credentials,
    pub(crate) api: Credentials,
}

/// What all runs stand on.
struct Stage {
    postgres: Postgres,
    cast: Cast,
    faults: Vec<String>,
}

/// The database in which everybody is known, of which each cluster has a copy.
pub(crate) const TEMPLATE: &str = "test_0";

impl Stage {
    async fn set() -> Self {
        let postgres = block_in_place(|| Postgres::start(&[]));
        assert_eq!(postgres.fresh_database().await, postgres.url(TEMPLATE));
        let address = free_port();
        let mut site = Site::configured(&format!("http://{address}"), address, SETTINGS);
        site.set("SYMBOLON_DATABASE_URL", postgres.url(TEMPLATE));
        let cast = hire(&site).await;
        Self {
            postgres,
            cast,
            faults: Vec::new(),
        }
    }

    /// Two nodes with a database of their own.
    async fn cluster(&self, redis: &Redis, toml: &str) -> (Cluster, String) {
        let database = self.postgres.copy_of(TEMPLATE).await;
        let plan = ClusterPlan {
            database: &database,
            redis: loopback(redis.port()),
            toml: &format!("{SETTINGS}{toml}"),
        };
        (Cluster::start(plan).await, database)
    }

    async fn load(&self, cluster: &Cluster, spec: Spec) -> Load {
        let load = Load::start(cluster, &self.cast, spec).await;
        load.serves(3).await;
        load
    }

    fn note(&mut self, figures: &Figures) {
        println!("{figures}");
        self.faults.extend(figures.faults());
    }
}

/// Makes them, and the users, in an installation that is new.
pub(crate) async fn hire(site: &Site) -> Cast {
    site.json("migrate").await;
    let first = [
        format!("client add --name API --client-id api --serves {AUDIENCE}"),
        "role put user --scope orders:read".to_owned(),
    ];
    let api = Credentials::of(&site.json_all(&first).await[0]);
    let app = format!(
        "client add --name App --client-id app --grant client_credentials --grant password --grant refresh_token \
         --auth-method client_secret_basic --scope orders:read --default-scope orders:read --audience {AUDIENCE}"
    );
    let mut users = tokio::task::JoinSet::new();
    for user in USERS.into_iter().chain(DOOMED) {
        let line = format!("user add {user} --role user --password-stdin");
        let mut adding = site.spawn(PASSWORD, line.split(' '));
        users.spawn(async move { adding.end().await });
    }
    let app = Credentials::of(&site.json(&app).await);
    for added in users.join_all().await {
        assert_eq!(added.code, Some(0), "{}", added.err);
    }
    Cast { app, api }
}

/// How long nothing is to happen before nothing is on its way any more.
const QUIET: Duration = Duration::from_millis(300);

/// Waits until no kill waits to be logged, which nodes do beside requests, and both nodes have applied the same of the
/// log: from then on it moves by what is revoked alone.
async fn settle(cluster: &Cluster, redis: &Redis) {
    let settled = async {
        while !block_in_place(|| redis.cli(&["KEYS", "sy:*}k"]))
            .trim()
            .is_empty()
        {
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

/// One run after the other: each needs the processors for itself.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrongly_accepted_and_nobody_logged_out_when_processes_fail() {
    let mut stage = Stage::set().await;
    // Written to disk before it is answered: what Redis has said survives.
    let server = block_in_place(|| Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]));
    let (mut cluster, database) = stage.cluster(&server, "").await;
    redis::killed(&mut stage, &cluster, &server, true).await;
    redis::killed(&mut stage, &cluster, &server, false).await;
    redis::flushed(&mut stage, &cluster, &server).await;
    redis::frozen(&mut stage, &cluster, &server).await;
    postgres::killed(&mut stage, &cluster, &server).await;
    postgres::frozen(&mut stage, &cluster, &server).await;
    nodes::killed(&mut stage, &mut cluster).await;
    nodes::cut_off_from_redis(&mut stage, &cluster).await;
    nodes::cut_off_from_postgres(&mut stage, &cluster, &server).await;
    nodes::the_watch_sees_what_nobody_told_redis(&stage, &cluster, (&server, &database)).await;
    drop((cluster, server));
    failover::to_a_replica_that_lags(&mut stage, 0).await;
    failover::to_a_replica_that_lags(&mut stage, 1).await;
    assert!(stage.faults.is_empty(), "{:#?}", stage.faults);
}
