//! What is known of this process: for `/server` of the admin API.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use symbolon_admin_api::{DependencyView, HealthView, ServerInfo, ServerView, SettingView};
use symbolon_core::facts::Revocations as _;
use symbolon_core::ports::{RevocationLog as _, StoreResult};
use symbolon_core::time::rfc3339;
use symbolon_core::tokens::AccessTokens as _;
use symbolon_core::{Clock, UnixMillis};
use symbolon_jwks_publisher::Keyring;
use symbolon_revocation::LiveLog;
use symbolon_store_sql::SqlStore;

use crate::config::{Explained, Settings};
use crate::health::Health;
use crate::node::{Stores, node_name};

/// How long a dependency may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What runs, since when, and by which settings.
struct Process {
    issuer: String,
    started: UnixMillis,
    settings: Arc<[Explained]>,
}

impl Process {
    fn of(settings: &Settings, started: UnixMillis) -> Self {
        Self {
            issuer: settings.issuer.as_str().to_owned(),
            started,
            settings: settings.explained.0.clone(),
        }
    }

    fn server(&self) -> ServerView {
        ServerView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            issuer: self.issuer.clone(),
            node: node_name(),
            started: rfc3339(self.started),
            started_ms: self.started.0,
        }
    }

    fn settings(&self) -> Vec<SettingView> {
        let view = |setting: &Explained| SettingView {
            key: setting.key.to_owned(),
            value: setting.value.clone(),
            source: setting.source.clone(),
        };
        self.settings.iter().map(view).collect()
    }
}

/// A node.
pub struct NodeInfo {
    process: Process,
    health: Arc<Health>,
    stores: Stores,
    log: Arc<LiveLog>,
    keyring: Arc<Keyring>,
}

impl NodeInfo {
    /// The node that goes by those settings.
    pub fn new(
        settings: &Settings,
        health: Arc<Health>,
        stores: &Stores,
        log: Arc<LiveLog>,
        keyring: Arc<Keyring>,
    ) -> Self {
        Self {
            process: Process::of(settings, stores.clock.now()),
            health,
            stores: stores.clone(),
            log,
            keyring,
        }
    }

    fn log(&self) -> DependencyView {
        let (head, observed) = {
            let applied = self.log.applied();
            (applied.head.seq, applied.observed)
        };
        let age = self.stores.clock.monotonic().saturating_sub(observed);
        DependencyView {
            name: "revocation_log".to_owned(),
            up: age < Duration::from_secs(3),
            detail: format!("entry {head}, looked at {} ms ago", age.as_millis()),
        }
    }

    fn keys(&self) -> DependencyView {
        let signs = self.keyring.can_sign(None);
        DependencyView {
            name: "signing_keys".to_owned(),
            up: signs.is_ok(),
            detail: signs.map_or_else(
                |error| error.to_string(),
                |()| "there is a key to sign with".to_owned(),
            ),
        }
    }

    fn clock(&self) -> DependencyView {
        let uncertain = self.stores.clock.is_too_uncertain();
        DependencyView {
            name: "clock".to_owned(),
            up: !uncertain,
            detail: if uncertain {
                "the database's clock can't be known to database.clock_tolerance".to_owned()
            } else {
                "the database's clock is known".to_owned()
            },
        }
    }
}

#[async_trait]
impl ServerInfo for NodeInfo {
    fn server(&self) -> ServerView {
        self.process.server()
    }

    fn settings(&self) -> Vec<SettingView> {
        self.process.settings()
    }

    async fn health(&self) -> HealthView {
        let mut dependencies = vec![database(&self.stores.sql).await];
        if self.stores.redis_up().is_some() {
            dependencies.push(within("redis", self.stores.look_at_redis()).await);
        }
        dependencies.extend([self.log(), self.keys(), self.clock()]);
        let reason = self.health.not_ready();
        HealthView {
            ready: reason.is_none(),
            reason: reason.map(str::to_owned),
            dependencies,
        }
    }
}

/// A command that works on the database itself.
pub struct CommandInfo {
    process: Process,
    store: SqlStore,
}

impl CommandInfo {
    /// The command that goes by those settings.
    pub fn new(settings: &Settings, store: SqlStore, clock: &dyn Clock) -> Self {
        Self {
            process: Process::of(settings, clock.now()),
            store,
        }
    }
}

#[async_trait]
impl ServerInfo for CommandInfo {
    fn server(&self) -> ServerView {
        self.process.server()
    }

    fn settings(&self) -> Vec<SettingView> {
        self.process.settings()
    }

    async fn health(&self) -> HealthView {
        HealthView {
            ready: false,
            reason: Some("this is a command, and no server".to_owned()),
            dependencies: vec![database(&self.store).await],
        }
    }
}

async fn database(store: &SqlStore) -> DependencyView {
    within("database", async { store.head().await.map(drop) }).await
}

async fn within(name: &str, asked: impl Future<Output = StoreResult<()>>) -> DependencyView {
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let (up, detail) = match answer {
        Ok(Ok(())) => (true, "it answers".to_owned()),
        Ok(Err(error)) => (false, error.to_string()),
        Err(_) => (
            false,
            format!("it does not answer within {} s", PATIENCE.as_secs()),
        ),
    };
    DependencyView {
        name: name.to_owned(),
        up,
        detail,
    }
}
