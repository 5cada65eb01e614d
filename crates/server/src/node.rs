//! Composition: everything that one node is made of, without a socket. The binary serves it, and tests call its
//! router directly.

mod admin;
mod background;
mod claim;
mod place;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use prometheus_client::registry::Registry;
use symbolon_admin_api::trail::Journal;
use symbolon_core::Rng;
use symbolon_core::facts::{Facts, Revocations};
use symbolon_core::password::PasswordCost;
use symbolon_core::ports::{FactStore, KeyStore, RevocationLog, ServerStore, SessionStore};
use symbolon_core::tokens::AccessTokens;
use symbolon_jwks_publisher::{
    Endpoints, FEED_PATH, Keyring, KeyringConfig, Published, PublisherState, RotationConfig,
    RotationSchedule, ScheduleParts, TOKEN_PATH, check_encryption_keys, share_encryption_keys,
};
use symbolon_revocation::{Feed, FeedConfig, LiveLog};
use symbolon_store_sql::SqlStore;
use symbolon_token_endpoint::{Evidence, HashLane, LaneConfig, Lifetimes, Metrics, Service, ServiceParts};

use crate::config::Settings;
use crate::health::{self, Health};
use crate::secrets::{ISSUER_ID, open_server_keys};

use admin::{AdminSide, AdminSideParts};

pub use claim::claim_database;
pub use place::of_sqlite;
pub use stores::{Stores, cluster_clock, database_config, fenced_log, promise_changes, redis_config};

/// What a node takes from its surroundings.
pub struct Surroundings {
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// What stands between the endpoints and their ports.
    pub wraps: Wraps,
}

/// Puts something between the endpoints and their ports: tests pause, count and cut there. Nothing by default.
#[derive(Clone)]
pub struct Wraps {
    /// Around the signing keys.
    pub tokens: Wrap<dyn AccessTokens>,
    /// Around the session store.
    pub sessions: Wrap<dyn SessionStore>,
    /// Around the revocation log.
    pub log: Wrap<dyn RevocationLog>,
    /// Around the store of the signing keys.
    pub keys: Wrap<dyn KeyStore>,
}

/// Puts something around a port.
pub type Wrap<T> = Arc<dyn Fn(Arc<T>) -> Arc<T> + Send + Sync>;

impl Default for Wraps {
    fn default() -> Self {
        Self {
            tokens: Arc::new(|port| port),
            sessions: Arc::new(|port| port),
            log: Arc::new(|port| port),
            keys: Arc::new(|port| port),
        }
    }
}

/// A node that is ready to serve.
pub struct Node {
    /// The endpoints.
    pub service: Arc<Service>,
    /// The revocation log as this node follows it.
    pub log: Arc<LiveLog>,
    /// The revocation feed.
    pub feed: Arc<Feed>,
    /// The database.
    pub store: SqlStore,
    /// All that anything is kept in.
    pub stores: Stores,
    /// Counters.
    pub registry: Registry,
    /// Health.
    pub health: Arc<Health>,
    /// The rotation of the signing keys.
    pub schedule: Arc<RotationSchedule>,
    keyring: Arc<Keyring>,
    published: Arc<Published>,
    issuer_path: String,
    admin: AdminSide,
}

impl Node {
    /// Opens everything, making at the first start what is missing.
    ///
    /// # Errors
    /// Whatever keeps the node from serving, with what to do about it.
    pub async fn open(settings: &Settings, stores: Stores, around: Surroundings) -> anyhow::Result<Self> {
        let Surroundings { rng, wraps } = around;
        let (store, clock) = (stores.sql.clone(), stores.clock.clone());
        // First of all: its refusal names the signing key, and nothing has been made yet.
        check_encryption_keys(&store, &settings.keys.encryption_keys).await?;
        let keys = open_server_keys(&store, &settings.keys.encryption_keys, &*rng).await?;
        let encryption_keys = share_encryption_keys(settings.keys.encryption_keys.clone());
        let ports = Arc::new(store.clone());
        let log = (wraps.log)(stores.log());
        let feed = Feed::open(
            feed_config(settings),
            keys.feed,
            log,
            (clock.clone(), rng.clone()),
        )
        .await?;
        let log = feed.log();
        let key_store = (wraps.keys)(ports.clone());
        let keyring = Keyring::open(
            key_store.clone(),
            keyring_config(settings),
            encryption_keys.clone(),
            log.clone(),
            (clock.clone(), rng.clone()),
        );
        let keyring = Arc::new(keyring.await?);
        let schedule = RotationSchedule::new(ScheduleParts {
            store: key_store,
            keyring: keyring.clone(),
            encryption_keys: encryption_keys.clone(),
            config: rotation_config(settings),
            name: node_name(),
            clock: clock.clone(),
            rng: rng.clone(),
        });
        let published = Published::new(
            Endpoints::new(settings.issuer.as_str())?,
            store.published().await?,
        );
        let published = Arc::new(published);
        let facts = Facts::new(ports.clone() as Arc<dyn FactStore>, log.clone(), clock.clone());
        let origins = published.clone();
        let metrics = Metrics::default();
        let mut registry = Registry::with_prefix("symbolon");
        metrics.register(&mut registry);
        let journal = Arc::new(Journal::new(ports.clone(), clock.clone()));
        journal.register(&mut registry);
        let service = Service::new(ServiceParts {
            issuer: settings.issuer.as_str().to_owned(),
            facts: Arc::new(facts),
            sessions: (wraps.sessions)(stores.sessions()),
            revocations: log.clone(),
            tokens: (wraps.tokens)(keyring.clone()),
            admin_tokens: ports.clone(),
            audit: journal.clone(),
            seal: keys.refresh_seal,
            secrets: keys.client_secrets.clone(),
            lane: lane(settings)?,
            password_cost: password_cost(settings),
            throttle: stores.throttle(settings),
            clock: clock.clone(),
            rng: rng.clone(),
            lifetimes: lifetimes(settings),
            max_body_bytes: settings.server.max_body_bytes,
            evidence: Arc::new(Evidence::new(ports.clone(), clock.clone())),
            metrics,
            allows_origin: Arc::new(move |origin| origins.allows_origin(origin)),
        });
        let health = Arc::new(Health::new(log.clone(), keyring.clone(), clock));
        let admin = AdminSide::new(AdminSideParts {
            health: health.clone(),
            settings,
            stores: &stores,
            service: service.clone(),
            log: log.clone(),
            keyring: keyring.clone(),
            encryption_keys,
            journal,
            secrets: keys.client_secrets,
            cursors: keys.cursors,
            checkpoints: keys.audit,
            rng,
        });
        let issuer_path = settings.issuer.path().to_owned();
        Ok(Self {
            service,
            log,
            feed: Arc::new(feed),
            store,
            stores,
            registry,
            health,
            schedule: Arc::new(schedule),
            keyring,
            published,
            issuer_path,
            admin,
        })
    }

    /// Looks at the log and the facts now, rather than at the next tick.
    ///
    /// # Errors
    /// The store's.
    pub async fn refresh(&self) -> anyhow::Result<()> {
        self.log.catch_up().await?;
        self.published.refresh(self.store.published().await?);
        self.keyring.reload().await?;
        Ok(())
    }

    /// The opened signing keys.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.clone()
    }

    /// Puts on the audit trail what requests have left to be put there: once they are done, before the store is closed.
    pub async fn write_rest(&self) {
        if let Err(error) = self.admin.write_rest().await {
            tracing::error!(%error, "the last events could not be put on the audit trail");
        }
    }

    /// Everything that the listener for the admin API answers.
    pub fn admin_router(&self) -> Router {
        self.admin.router()
    }

    /// Everything that the public listener answers.
    pub fn router(&self) -> Router {
        let documents = PublisherState {
            keyring: self.keyring.clone(),
            published: self.published.clone(),
        };
        let feed_path = self.published.endpoints().route(FEED_PATH);
        symbolon_token_endpoint::router(self.service.clone(), &self.issuer_path)
            .merge(symbolon_revocation::router(self.feed.clone(), &feed_path))
            .merge(symbolon_jwks_publisher::router(documents))
            .merge(health::router(self.health.clone()))
    }
}

/// Compares the issuer with the one that the database belongs to.
///
/// # Errors
/// It is another one: tokens of the old issuer would be refused at once. `replace` records the new one instead.
pub async fn claim_issuer(store: &SqlStore, issuer: &str, replace: bool) -> anyhow::Result<()> {
    match store.issuer().await? {
        Some((_, known)) if known == issuer => {}
        Some((_, known)) if !replace => bail!(
            "issuer is {issuer}, but this database belongs to {known}: every access token out there would be refused; \
             set issuer back, or give `serve --dangerous-change-issuer` once",
        ),
        _ => store.set_issuer(ISSUER_ID, issuer).await?,
    }
    Ok(())
}

/// The token endpoint of an issuer.
pub fn token_endpoint(issuer: &str) -> String {
    format!("{issuer}{TOKEN_PATH}")
}

/// How keys come and go, by the settings.
pub fn rotation_config(settings: &Settings) -> RotationConfig {
    RotationConfig {
        algorithms: settings.keys.algorithms.clone(),
        timings: settings.keys.timings,
        automatically: settings.keys.rotate_automatically,
    }
}

/// Which process this is, for people: host and process id.
pub(crate) fn node_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}", std::process::id())
}

fn keyring_config(settings: &Settings) -> KeyringConfig {
    KeyringConfig {
        issuer: settings.issuer.as_str().to_owned(),
        rotation: rotation_config(settings),
        default_algorithm: settings.keys.default_algorithm,
        import_dir: settings.keys.import_dir.clone(),
        max_age: settings.jwks.max_age,
    }
}

fn feed_config(settings: &Settings) -> FeedConfig {
    FeedConfig {
        issuer: settings.issuer.as_str().to_owned(),
        max_stale: settings.feed.max_stale,
        max_streams: settings.feed.max_streams,
        keys_max_age: settings.jwks.max_age,
    }
}

/// What the settings say a password hash should cost.
pub fn password_cost(settings: &Settings) -> PasswordCost {
    let passwords = &settings.passwords;
    PasswordCost {
        memory_kib: passwords.memory_kib,
        iterations: passwords.iterations,
        parallelism: passwords.parallelism,
    }
}

fn lane(settings: &Settings) -> anyhow::Result<HashLane> {
    let passwords = &settings.passwords;
    let config = LaneConfig {
        threads: passwords.hash_threads,
        queue_length: passwords.queue_length,
        queue_deadline: passwords.queue_deadline,
    };
    HashLane::start(config).context("passwords.hash_threads: the threads can't be started")
}

fn lifetimes(settings: &Settings) -> Lifetimes {
    let tokens = &settings.tokens;
    let secs = |lifetime: Duration| u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    Lifetimes {
        access_token_secs: secs(tokens.access_token_lifetime),
        session_secs: secs(tokens.session_lifetime),
        refresh_idle_secs: secs(tokens.refresh_idle_lifetime),
        refresh_overlap_ms: u64::try_from(tokens.refresh_overlap.as_millis()).unwrap_or(u64::MAX),
        late_recoveries: u8::try_from(tokens.refresh_late_recoveries).unwrap_or(u8::MAX),
        adopt_lost_sessions: tokens.adopt_lost_sessions,
    }
}
