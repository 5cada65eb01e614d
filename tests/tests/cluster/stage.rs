//! What clusters of the built binary stand on: a database in which everybody is known, of which each has a copy.

use std::sync::atomic::{AtomicU64, Ordering};

use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::binary::{Cluster, ClusterPlan, Credentials, Site, free_port, loopback};
use symbolon_tests::{AUDIENCE, PASSWORD};
use tokio::sync::OnceCell;
use tokio::task::{JoinSet, block_in_place};

/// Users with sessions.
pub(crate) const USERS: [&str; 3] = ["alice", "bob", "carol"];
/// Users who are disabled.
pub(crate) const DOOMED: [&str; 2] = ["mallory", "trent"];
/// Cheap passwords: they are not what this is about. And a node that can't do without PostgreSQL says so before its
/// clients have lost patience.
pub(crate) const SETTINGS: &str = "passwords.memory_kib = 8192\npasswords.iterations = 1\n\
                        database.acquire_timeout = \"500ms\"\ndatabase.statement_timeout = \"1s\"\n";

/// An application and a resource server.
#[derive(Clone)]
pub(crate) struct Cast {
    pub(crate) app: Credentials,
    pub(crate) api: Credentials,
}

/// A PostgreSQL server on which everybody is known.
pub(crate) struct Stage<'a> {
    pub(crate) postgres: &'a Postgres,
    pub(crate) cast: Cast,
    /// URL of the database that is copied.
    template: String,
}

impl Stage<'static> {
    /// For those that leave the server alone.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Stage<'static>> = OnceCell::const_new();
        let set = || async { Stage::on(block_in_place(Postgres::shared)).await };
        SHARED.get_or_init(set).await
    }
}

impl<'a> Stage<'a> {
    pub(crate) async fn on(postgres: &'a Postgres) -> Self {
        let database = postgres.fresh_database().await;
        let address = free_port();
        let mut site = Site::configured(&format!("http://{address}"), address, SETTINGS);
        site.set("SYMBOLON_DATABASE_URL", &*database);
        Self {
            postgres,
            cast: hire(&site).await,
            template: database,
        }
    }

    /// Two nodes with a database of their own, in which everybody is known.
    pub(crate) async fn cluster(&self, redis: &Redis, toml: &str) -> Cluster {
        let database = self.postgres.copy_of(&self.template).await;
        cluster(&database, redis, &format!("{SETTINGS}{toml}")).await
    }
}

/// Two nodes on this database and in room of their own on this Redis.
pub(crate) async fn cluster(database: &str, redis: &Redis, toml: &str) -> Cluster {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let room = NEXT.fetch_add(1, Ordering::Relaxed);
    let plan = ClusterPlan {
        database,
        redis: loopback(redis.port()),
        toml: &format!("{toml}redis.key_prefix = \"c{room}:\"\n"),
    };
    Cluster::start(plan).await
}

/// Makes them, and the users, in an installation that is new.
async fn hire(site: &Site) -> Cast {
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
    let mut users = JoinSet::new();
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
