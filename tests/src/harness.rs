use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, header};
use secrecy::ExposeSecret;
use symbolon_core::client::Client;
use symbolon_core::password::{HashMemory, PasswordHash};
use symbolon_core::ports::{AdminStore, Change, FactStore, NewUser};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::secret::ClientSecrets;
use symbolon_core::user::{LoginName, Role, RoleName, User};
use symbolon_core::{ClientUid, Clock, Rng, Subject, SystemRng};
use symbolon_oauth_types::ScopeSet;
use symbolon_server::config::{Mode, Override, Settings, Sources, load, read_file, run_command};
use symbolon_server::node::{self, Node, Surroundings, Wraps, password_cost};
use symbolon_server::secrets::open_server_keys;
use symbolon_testkit::FakeClock;
use tokio::task::JoinHandle;
use tower::ServiceExt;
use url::form_urlencoded;

use crate::fixtures::{AUDIENCE, ClientSpec, PASSWORD, SCOPE, TestClient, TestUser};
use crate::reply::Reply;

/// A node on a database file of its own. Users, clients and revocations are made on the database directly, as another
/// process would make them; requests go through the router that the binary serves.
pub struct Harness {
    /// The node.
    pub node: Node,
    /// Its router.
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
    dir: Arc<tempfile::TempDir>,
}

/// What differs from the usual.
#[derive(Default)]
pub struct HarnessOptions {
    /// Settings, as in a configuration file: key and value.
    pub settings: Vec<(&'static str, String)>,
    /// What stands between the endpoints and their ports.
    pub wraps: Wraps,
    /// The node's clock, where it is not one of its own.
    pub clock: Option<Arc<FakeClock>>,
    /// The node's randomness, where it is not the system's.
    pub rng: Option<Arc<dyn Rng>>,
}

/// What nodes over one database share: the file, its users and its clients. It outlives the nodes, which come and go.
#[derive(Clone)]
pub struct Deployment {
    alice: TestUser,
    app: TestClient,
    spa: TestClient,
    api: TestClient,
    dir: Arc<tempfile::TempDir>,
}

/// The smallest time that tells before from after.
const TICK: std::time::Duration = std::time::Duration::from_millis(1);
/// The issuer of every test, unless a test says otherwise.
const ISSUER: &str = "https://as.example";

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
        let dir = Arc::new(tempfile::tempdir().expect("a folder"));
        let settings = settings(&dir, options.settings);
        let clock = options.clock.clone().unwrap_or_default();
        let store = node::open_store(&settings, clock.clone(), &SystemRng)
            .await
            .expect("a store");
        let keys = open_server_keys(&store, &settings.keys.encryption_keys, &SystemRng)
            .await
            .expect("server keys");
        let seeder = Seeder {
            store: &store,
            secrets: &keys.client_secrets,
            clock: &*clock,
            settings: &settings,
        };
        let deployment = Deployment {
            api: seeder.client(ClientSpec::resource_server("api", AUDIENCE)).await,
            app: seeder.client(ClientSpec::confidential("app")).await,
            spa: seeder.client(ClientSpec::public("spa")).await,
            alice: seeder.user("alice", None, SCOPE).await,
            dir,
        };
        // What begins at the moment of a cutoff is dead; tests begin after all of this.
        clock.advance(TICK);
        let around = Surroundings {
            clock: clock.clone(),
            rng: options.rng.unwrap_or_else(|| Arc::new(SystemRng)),
            wraps: options.wraps,
        };
        let node = Node::open(&settings, store, around).await.expect("a node");
        deployment.harness(node, settings, clock, keys.client_secrets)
    }

    /// What this node shares with others over the same database.
    pub fn deployment(&self) -> Deployment {
        let Self {
            alice,
            app,
            spa,
            api,
            dir,
            ..
        } = self;
        Deployment {
            alice: alice.clone(),
            app: app.clone(),
            spa: spa.clone(),
            api: api.clone(),
            dir: dir.clone(),
        }
    }

    /// Makes a client.
    pub async fn add_client(&self, spec: ClientSpec) -> TestClient {
        let client = self.seeder().client(spec).await;
        self.clock.advance(TICK);
        client
    }

    /// Makes a user with a role of their own that gives `scope`.
    pub async fn add_user(&self, name: &str, email: Option<&str>, scope: &str) -> TestUser {
        self.seeder().user(name, email, scope).await
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

    /// Sends a request through the router.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router is infallible");
        Reply::read(response).await
    }

    /// A form as `client`, sent by a task of its own, so that it can be held on its way, raced and aborted.
    pub fn spawn_post(&self, path: &str, client: &TestClient, form: &[(&str, &str)]) -> JoinHandle<Reply> {
        let answer = self.router.clone().oneshot(post_request(path, client, form));
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
        self.node.log.revoke(revocation).await.expect("logged");
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
    }
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Deployment {
    /// Opens a node on the database, with connections of its own.
    ///
    /// # Errors
    /// The node's, where it refuses to start.
    pub async fn open(&self, options: HarnessOptions) -> anyhow::Result<Harness> {
        let settings = settings(&self.dir, options.settings);
        let clock = options.clock.unwrap_or_default();
        let store = node::open_store(&settings, clock.clone(), &SystemRng)
            .await
            .expect("a store");
        let keys = open_server_keys(&store, &settings.keys.encryption_keys, &SystemRng)
            .await
            .expect("server keys");
        let around = Surroundings {
            clock: clock.clone(),
            rng: options.rng.unwrap_or_else(|| Arc::new(SystemRng)),
            wraps: options.wraps,
        };
        let node = Node::open(&settings, store, around).await?;
        Ok(self.clone().harness(node, settings, clock, keys.client_secrets))
    }

    fn harness(
        self,
        node: Node,
        settings: Settings,
        clock: Arc<FakeClock>,
        secrets: ClientSecrets,
    ) -> Harness {
        let Self {
            alice,
            app,
            spa,
            api,
            dir,
        } = self;
        Harness {
            router: node.router(),
            node,
            clock,
            settings,
            alice,
            app,
            spa,
            api,
            secrets,
            dir,
        }
    }
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

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
fn settings(dir: &tempfile::TempDir, changes: Vec<(&'static str, String)>) -> Settings {
    let database = format!("sqlite:{}", dir.path().join("test.db").display());
    let key = STANDARD.encode((0..32).collect::<Vec<u8>>());
    let mut values = vec![
        ("issuer", ISSUER.to_owned()),
        ("database.url", database),
        ("keys.encryption_key", key),
        ("passwords.memory_kib", "8192".to_owned()),
        ("passwords.iterations", "1".to_owned()),
    ];
    values.extend(changes);
    let overrides = values
        .into_iter()
        .map(|(key, value)| Override::new(key, value, "the test"))
        .collect();
    let sources = Sources {
        file: None,
        environment: Default::default(),
        overrides,
        read_file: Box::new(read_file),
        run_command: Box::new(run_command),
        dangerous_key_timings: false,
        cores: NonZeroUsize::new(2).expect("two"),
    };
    match load(&sources, Mode::Production) {
        Ok(loaded) => loaded.settings,
        Err(errors) => panic!("{errors}"),
    }
}

struct Seeder<'a> {
    store: &'a symbolon_store_sql::SqlStore,
    secrets: &'a ClientSecrets,
    clock: &'a dyn Clock,
    settings: &'a Settings,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Seeder<'_> {
    async fn client(&self, spec: ClientSpec) -> TestClient {
        spec.policy.validate().expect("a valid policy");
        let now = self.clock.now();
        let uid = ClientUid::new(now, &SystemRng);
        let confidential = spec.policy.client_type == symbolon_core::client::ClientType::Confidential;
        let secret = confidential.then(|| ClientSecrets::generate(&SystemRng));
        let client = Client {
            uid,
            client_id: spec.id.parse().expect("a client id"),
            active: true,
            created: now,
            policy: spec.policy,
            audiences: vec![],
            secrets: secret
                .iter()
                .filter_map(|secret| self.secrets.hash(uid, secret))
                .collect(),
        };
        let lift = NewRevocation::client_lifted(&client.client_id, now);
        done(self.store.add_client(&client, &lift).await.expect("a store"));
        let secret = secret
            .map(|secret| secret.expose_secret().to_owned())
            .unwrap_or_default();
        TestClient {
            uid,
            id: spec.id,
            secret,
        }
    }

    async fn user(&self, name: &str, email: Option<&str>, scope: &str) -> TestUser {
        let role: RoleName = format!("role-of-{name}").to_lowercase().parse().expect("a role");
        let scope: ScopeSet = scope.parse().expect("a scope");
        done(
            self.store
                .put_role(&Role {
                    name: role.clone(),
                    scope,
                })
                .await
                .expect("a store"),
        );
        let now = self.clock.now();
        let cost = password_cost(self.settings);
        let user = User {
            subject: Subject::new(now, &SystemRng),
            username: name.to_owned(),
            email: email.map(str::to_owned),
            active: true,
            roles: vec![role],
            scope: ScopeSet::default(),
            created: now,
        };
        let subject = user.subject;
        let names: Vec<LoginName> = [Some(name), email]
            .into_iter()
            .flatten()
            .map(|n| n.parse().expect("a name"))
            .collect();
        let password = PasswordHash::create(&PASSWORD.into(), cost, &SystemRng, &mut HashMemory::default());
        let new = NewUser {
            user,
            names,
            password: password.expect("a hash"),
        };
        done(self.store.add_user(&new).await.expect("a store"));
        TestUser {
            subject,
            name: name.to_owned(),
        }
    }
}

#[track_caller]
fn done(change: Change) {
    assert_eq!(change, Change::Done);
}
