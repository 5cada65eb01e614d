mod changes;
mod place;
mod requests;
mod seeder;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use symbolon_core::cluster_clock::ClusterClock;
use symbolon_core::secret::ClientSecrets;
use symbolon_core::{Clock, Rng, SystemRng};
use symbolon_server::config::Settings;
use symbolon_server::node::{self, Node, Stores, Surroundings, Wraps};
use symbolon_server::secrets::open_server_keys;
use symbolon_testkit::FakeClock;
use symbolon_testkit::servers::postgres::Postgres;

use self::place::Place;
pub(crate) use self::place::is_cluster;
pub use self::requests::post_request;
use self::seeder::Seeder;
use crate::fixtures::{AUDIENCE, ClientSpec, SCOPE, TestClient, TestUser};

/// A node on a database of its own, or on a cluster two of them, which get the requests by turns. Users, clients and
/// revocations are made on the database directly, as another process would make them; requests go through the router
/// that the binary serves.
pub struct Harness {
    /// The node; on a cluster the first.
    pub node: Node,
    /// The second node of a cluster.
    pub other: Option<Node>,
    /// The router of [`Harness::node`].
    pub router: Router,
    /// Its clock.
    pub clock: Arc<FakeClock>,
    /// Its settings.
    pub settings: Settings,
    /// A user with [`SCOPE`].
    pub alice: TestUser,
    /// A confidential application with every grant.
    pub app: TestClient,
    /// A public application.
    pub spa: TestClient,
    /// The resource server [`AUDIENCE`].
    pub api: TestClient,
    secrets: ClientSecrets,
    place: Place,
    turns: AtomicUsize,
    real_time: bool,
}

/// What differs from the usual.
#[derive(Clone, Default)]
pub struct HarnessOptions {
    /// Settings, as in a configuration file: key and value.
    pub settings: Vec<(&'static str, String)>,
    /// What stands between the endpoints and their ports.
    pub wraps: Wraps,
    /// The node's clock, where it is not one of its own.
    pub clock: Option<Arc<FakeClock>>,
    /// The node's randomness, where it is not the system's.
    pub rng: Option<Arc<dyn Rng>>,
    /// A machine's clock that runs by itself. The node then goes by the database's time, as it does in earnest, and the
    /// harness's own clock means nothing.
    pub machine: Option<Arc<dyn Clock>>,
}

/// What nodes over one database share: the database, its users and its clients. It outlives the nodes, which come and go.
#[derive(Clone)]
pub struct Deployment {
    alice: TestUser,
    app: TestClient,
    spa: TestClient,
    api: TestClient,
    place: Place,
}

/// A node with what a test needs of it.
struct Opened {
    node: Node,
    settings: Settings,
    clock: Arc<FakeClock>,
    secrets: ClientSecrets,
    real_time: bool,
}

/// The smallest time that tells before from after.
const TICK: std::time::Duration = std::time::Duration::from_millis(1);

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Harness {
    /// The usual.
    pub async fn start() -> Self {
        Self::with(HarnessOptions::default()).await
    }

    /// With settings of one's own.
    pub async fn with(options: HarnessOptions) -> Self {
        let clock = options.clock.clone().unwrap_or_default();
        let options = HarnessOptions {
            clock: Some(clock.clone()),
            ..options
        };
        let deployment = Deployment::seed(Place::new().await, &options.settings, &clock).await;
        // What begins at the moment of a cutoff is dead; tests begin after all of this.
        clock.advance(TICK);
        let mut harness = deployment.open(options.clone()).await.expect("a node");
        if is_cluster() {
            let other = deployment.open(options).await.expect("a second node");
            harness.other = Some(other.node);
        }
        harness
    }

    /// What this node shares with others over the same database.
    pub fn deployment(&self) -> Deployment {
        let Self {
            alice,
            app,
            spa,
            api,
            place,
            ..
        } = self;
        Deployment {
            alice: alice.clone(),
            app: app.clone(),
            spa: spa.clone(),
            api: api.clone(),
            place: place.clone(),
        }
    }

    /// The nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        [Some(&self.node), self.other.as_ref()].into_iter().flatten()
    }

    fn seeder(&self) -> Seeder<'_> {
        let Self {
            node,
            secrets,
            clock,
            settings,
            ..
        } = self;
        Seeder {
            store: &node.store,
            secrets,
            clock: &**clock,
            settings,
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Deployment {
    /// An empty database on these servers, with its users and clients. The servers are the test's to start and stop.
    pub async fn on(postgres: &Postgres, redis: String) -> Self {
        let place = Place::on(postgres, redis).await;
        Self::seed(place, &[], &Arc::default()).await
    }

    async fn seed(place: Place, settings: &[(&'static str, String)], clock: &Arc<FakeClock>) -> Self {
        let settings = place.settings(settings.to_vec());
        let stores = open_stores(&settings, clock, None).await;
        let keys = open_server_keys(&stores.sql, &settings.keys.encryption_keys, &SystemRng)
            .await
            .expect("server keys");
        let seeder = Seeder {
            store: &stores.sql,
            secrets: &keys.client_secrets,
            clock: &**clock,
            settings: &settings,
        };
        let deployment = Self {
            api: seeder.client(ClientSpec::resource_server("api", AUDIENCE)).await,
            app: seeder.client(ClientSpec::confidential("app")).await,
            spa: seeder.client(ClientSpec::public("spa")).await,
            alice: seeder.user("alice", None, SCOPE).await,
            place,
        };
        stores.sql.close().await;
        deployment
    }

    /// Opens a node on the database, with connections of its own.
    ///
    /// # Errors
    /// The node's, where it refuses to start.
    pub async fn open(&self, options: HarnessOptions) -> anyhow::Result<Harness> {
        let settings = self.place.settings(options.settings);
        let clock = options.clock.unwrap_or_default();
        let real_time = options.machine.is_some();
        let stores = open_stores(&settings, &clock, options.machine).await;
        let keys = open_server_keys(&stores.sql, &settings.keys.encryption_keys, &SystemRng)
            .await
            .expect("server keys");
        let around = Surroundings {
            rng: options.rng.unwrap_or_else(|| Arc::new(SystemRng)),
            wraps: options.wraps,
        };
        let node = Node::open(&settings, stores, around).await?;
        Ok(self.clone().harness(Opened {
            node,
            settings,
            clock,
            secrets: keys.client_secrets,
            real_time,
        }))
    }

    fn harness(self, opened: Opened) -> Harness {
        let Self {
            alice,
            app,
            spa,
            api,
            place,
        } = self;
        let Opened {
            node,
            settings,
            clock,
            secrets,
            real_time,
        } = opened;
        Harness {
            router: node.router(),
            node,
            other: None,
            clock,
            settings,
            alice,
            app,
            spa,
            api,
            secrets,
            place,
            turns: AtomicUsize::new(0),
            real_time,
        }
    }
}

/// Stores whose time is the test's, whatever the database's clock says, unless the test brings a machine's clock.
#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
async fn open_stores(settings: &Settings, clock: &Arc<FakeClock>, machine: Option<Arc<dyn Clock>>) -> Stores {
    let clock = match machine {
        Some(machine) => node::cluster_clock(settings, machine),
        None => Arc::new(ClusterClock::of_machine(clock.clone())),
    };
    Stores::open(settings, clock, &SystemRng).await.expect("stores")
}
