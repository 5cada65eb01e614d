mod place;
mod seeder;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, header};
use symbolon_core::client::Client;
use symbolon_core::cluster_clock::ClusterClock;
use symbolon_core::ports::{AdminStore, FactStore};
use symbolon_core::revocation::{LEASE, NewRevocation, Reach};
use symbolon_core::secret::ClientSecrets;
use symbolon_core::{Clock, Rng, SystemRng};
use symbolon_server::config::Settings;
use symbolon_server::node::{self, Node, Stores, Surroundings, Wraps};
use symbolon_server::secrets::open_server_keys;
use symbolon_testkit::FakeClock;
use symbolon_testkit::servers::postgres::Postgres;
use tokio::task::JoinHandle;
use tower::ServiceExt;
use url::form_urlencoded;

use self::place::Place;
pub(crate) use self::place::is_cluster;
use self::seeder::{Seeder, done};
use crate::fixtures::{AUDIENCE, ClientSpec, PASSWORD, SCOPE, TestClient, TestUser};
use crate::reply::Reply;

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

    /// Sees that every node goes by what was changed on the database, as a command does before it returns.
    pub async fn settle(&self) {
        if self.settings.redis.is_some() {
            node::promise_changes(&self.settings, &self.node.store)
                .await
                .expect("fences that can be raised");
            match self.real_time {
                true => tokio::time::sleep(LEASE).await,
                false => self.clock.advance(LEASE),
            }
        }
    }

    /// Makes a client.
    pub async fn add_client(&self, spec: ClientSpec) -> TestClient {
        let client = self.seeder().client(spec).await;
        self.clock.advance(TICK);
        self.settle().await;
        client
    }

    /// Makes a user with a role of their own that gives `scope`.
    pub async fn add_user(&self, name: &str, email: Option<&str>, scope: &str) -> TestUser {
        let user = self.seeder().user(name, email, scope).await;
        self.settle().await;
        user
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

    /// The router whose turn it is.
    fn next_router(&self) -> Router {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        match &self.other {
            Some(other) if turn % 2 == 1 => other.router(),
            _ => self.router.clone(),
        }
    }

    /// Sends a request through the router.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self
            .next_router()
            .oneshot(request)
            .await
            .expect("the router is infallible");
        Reply::read(response).await
    }

    /// A form as `client`, sent by a task of its own, so that it can be held on its way, raced and aborted.
    pub fn spawn_post(&self, path: &str, client: &TestClient, form: &[(&str, &str)]) -> JoinHandle<Reply> {
        let answer = self.next_router().oneshot(post_request(path, client, form));
        tokio::spawn(async move { Reply::read(answer.await.expect("the router is infallible")).await })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).expect("a request"))
            .await
    }

    /// A form as `client`: by Basic where it has a secret, otherwise by `client_id` in the body.
    pub async fn post(&self, path: &str, client: &TestClient, form: &[(&str, &str)]) -> Reply {
        self.send(post_request(path, client, form)).await
    }

    /// The password grant for alice.
    pub async fn login(&self, client: &TestClient) -> Reply {
        self.login_as(client, &self.alice.name, PASSWORD, &[]).await
    }

    /// The password grant.
    pub async fn login_as(
        &self,
        client: &TestClient,
        name: &str,
        password: &str,
        more: &[(&str, &str)],
    ) -> Reply {
        let mut form = vec![
            ("grant_type", "password"),
            ("username", name),
            ("password", password),
        ];
        form.extend_from_slice(more);
        self.post("/oauth2/token", client, &form).await
    }

    /// The refresh grant.
    pub async fn refresh(&self, client: &TestClient, token: &str) -> Reply {
        self.post(
            "/oauth2/token",
            client,
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
        )
        .await
    }

    /// The client credentials grant.
    pub async fn client_credentials(&self, client: &TestClient) -> Reply {
        self.post("/oauth2/token", client, &[("grant_type", "client_credentials")])
            .await
    }

    /// Introspection by [`Harness::api`].
    pub async fn introspect(&self, token: &str) -> Reply {
        self.post("/oauth2/introspect", &self.api, &[("token", token)])
            .await
    }

    /// Whether [`Harness::api`] is told that the token is active.
    pub async fn is_active(&self, token: &str) -> bool {
        self.introspect(token).await.ok()["active"] == true
    }

    /// Revocation.
    pub async fn revoke(&self, client: &TestClient, token: &str) -> Reply {
        self.post("/oauth2/revoke", client, &[("token", token)]).await
    }

    /// Puts an entry on the log through this node, as an administrator's call would.
    pub async fn log_revocation(&self, revocation: NewRevocation) {
        use symbolon_core::facts::Revocations;
        let reach = self.node.log.revoke(revocation).await.expect("logged");
        assert_eq!(reach, Reach::Everywhere);
    }

    /// The client as it is kept.
    pub async fn client(&self, client: &TestClient) -> Client {
        self.node
            .store
            .client_by_uid(client.uid)
            .await
            .expect("a store")
            .expect("a client")
    }

    /// Changes what a client may do.
    pub async fn change_client(
        &self,
        client: &TestClient,
        change: impl FnOnce(&mut symbolon_core::client::ClientPolicy),
    ) {
        let mut kept = self.client(client).await;
        change(&mut kept.policy);
        done(self.node.store.set_client_policy(&kept).await.expect("a store"));
        self.settle().await;
    }

    /// Disables a user as the command line does.
    pub async fn disable_user(&self, user: &TestUser) {
        let entry = NewRevocation::subject_blocked(user.subject);
        done(
            self.node
                .store
                .set_user_active(user.subject, false, &entry)
                .await
                .expect("a store"),
        );
        self.settle().await;
    }

    /// Disables a client as the command line does.
    pub async fn disable_client(&self, client: &TestClient) {
        let id = client.id.parse().expect("a client id");
        let entry = NewRevocation::client_blocked(&id);
        done(
            self.node
                .store
                .set_client_active(client.uid, false, &entry)
                .await
                .expect("a store"),
        );
        self.settle().await;
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

/// A form request as `client`.
#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
pub fn post_request(path: &str, client: &TestClient, form: &[(&str, &str)]) -> Request<Body> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(form);
    let mut request = Request::builder().method(Method::POST).uri(path);
    if client.secret.is_empty() {
        body.append_pair("client_id", &client.id);
    } else {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(&client.id), encode(&client.secret));
        request = request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
    }
    request
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.finish()))
        .expect("a request")
}
