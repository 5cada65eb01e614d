//! Where everything is kept: one database, and Redis beside it where it is configured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use secrecy::ExposeSecret;
use symbolon_core::Clock;
use symbolon_core::Rng;
use symbolon_core::cluster_clock::{ClusterClock, Observed};
use symbolon_core::ports::{RevocationLog, SessionStore, StoreResult};
use symbolon_core::throttle::{LoginThrottle, ThrottleRules};
use symbolon_revocation::{ClusterSessions, FencedLog};
use symbolon_store_redis::{RedisConfig, RedisRecords, RedisThrottle, Topology};
use symbolon_store_sql::{SqlConfig, SqlStore};
use symbolon_token_endpoint::MemoryThrottle;

use super::background::Sweeps;
use super::place;
use crate::config::{RedisSettings, RedisTopology, Settings};

/// How often the database's clock is looked at before a node starts: the first look warms the connection up.
const FIRST_LOOKS: usize = 5;

/// Everything that a node keeps anything in, and the time that it goes by.
#[derive(Clone)]
pub struct Stores {
    /// The database.
    pub sql: SqlStore,
    /// The cluster's time.
    pub clock: Arc<ClusterClock>,
    /// How the sweeping of the database fares.
    pub(crate) sweeps: Sweeps,
    redis: Option<Redis>,
}

/// Redis, and the log as it is fenced there.
#[derive(Clone)]
struct Redis {
    records: Arc<RedisRecords>,
    log: Arc<FencedLog>,
    up: Arc<AtomicBool>,
}

/// The clock of a node: its machine's until the database has told its own.
pub fn cluster_clock(settings: &Settings, machine: Arc<dyn Clock>) -> Arc<ClusterClock> {
    Arc::new(ClusterClock::new(machine, settings.database.clock_tolerance))
}

impl Stores {
    /// Opens the database and brings its schema up to date where that is allowed; connects to Redis where it is
    /// configured.
    ///
    /// # Errors
    /// One of them can't be used, or the schema is behind and may not be migrated at start.
    pub async fn open(settings: &Settings, clock: Arc<ClusterClock>, rng: &dyn Rng) -> anyhow::Result<Self> {
        let sql = open_database(settings, clock.clone(), rng).await?;
        let redis = match &settings.redis {
            None => None,
            Some(redis) => Some(Redis::connect(redis, &sql).await?),
        };
        Self::of(sql, clock, redis).with_time().await
    }

    /// The same without Redis: for commands that must work while it is down. See [`promise_changes`].
    ///
    /// # Errors
    /// The database can't be used, or its schema is behind and may not be migrated at start.
    pub async fn open_database_alone(
        settings: &Settings,
        clock: Arc<ClusterClock>,
        rng: &dyn Rng,
    ) -> anyhow::Result<Self> {
        let sql = open_database(settings, clock.clone(), rng).await?;
        Self::of(sql, clock, None).with_time().await
    }

    fn of(sql: SqlStore, clock: Arc<ClusterClock>, redis: Option<Redis>) -> Self {
        Self {
            sql,
            clock,
            sweeps: Sweeps::default(),
            redis,
        }
    }

    async fn with_time(self) -> anyhow::Result<Self> {
        for _ in 0..FIRST_LOOKS {
            self.look_at_clock()
                .await
                .context("the database's clock can't be read")?;
        }
        Ok(self)
    }

    /// Asks the database what time it is.
    ///
    /// # Errors
    /// The store's: what was known gets less certain.
    pub async fn look_at_clock(&self) -> StoreResult<()> {
        let asked = self.clock.monotonic();
        let Some(theirs) = self.sql.time_micros().await? else {
            return Ok(()); // It has no clock of its own.
        };
        if self.clock.observe(asked, self.clock.monotonic(), theirs) == Observed::Stepped {
            tracing::warn!(
                "the database's clock stepped: sessions that began by the old one may be judged younger or older than \
                 they are against revocations of this moment"
            );
        }
        Ok(())
    }

    /// The revocation log.
    pub fn log(&self) -> Arc<dyn RevocationLog> {
        match &self.redis {
            Some(redis) => redis.log.clone(),
            None => Arc::new(self.sql.clone()),
        }
    }

    /// The sessions.
    pub fn sessions(&self) -> Arc<dyn SessionStore> {
        let sql = Arc::new(self.sql.clone());
        match &self.redis {
            Some(redis) => Arc::new(ClusterSessions::new(sql, &redis.log)),
            None => sql,
        }
    }

    /// The count of failed logins: of all nodes where they share Redis, otherwise of this one.
    pub fn throttle(&self, settings: &Settings) -> Arc<dyn LoginThrottle> {
        let login = &settings.login;
        let rules = ThrottleRules {
            max_failures: login.max_failures,
            lockout: login.lockout,
            max_failures_per_address: login.max_failures_per_address,
            address_window: login.address_window,
            known_address_lifetime: login.known_address_lifetime,
        };
        match &self.redis {
            Some(redis) => Arc::new(RedisThrottle::new(&redis.records, rules)),
            None => Arc::new(MemoryThrottle::new(self.clock.clone(), rules)),
        }
    }

    /// The log with its fences, where there is Redis.
    pub(crate) fn fenced_log(&self) -> Option<Arc<FencedLog>> {
        self.redis.as_ref().map(|redis| redis.log.clone())
    }

    /// Asks Redis for nothing, to see that it answers. Does nothing where it is not configured.
    ///
    /// # Errors
    /// It does not.
    pub(crate) async fn look_at_redis(&self) -> StoreResult<()> {
        let Some(redis) = &self.redis else {
            return Ok(());
        };
        let answer = redis.records.ping().await;
        redis.up.store(answer.is_ok(), Ordering::Relaxed);
        answer
    }

    /// Whether Redis answered the last time it was asked; nothing where it is not configured.
    pub(crate) fn redis_up(&self) -> Option<bool> {
        self.redis.as_ref().map(|redis| redis.up.load(Ordering::Relaxed))
    }
}

impl Redis {
    async fn connect(settings: &RedisSettings, sql: &SqlStore) -> anyhow::Result<Self> {
        let records = RedisRecords::connect(&redis_config(settings))
            .await
            .with_context(|| place::of_redis(settings.url.expose_secret()))?;
        let records = Arc::new(records);
        Ok(Self {
            log: Arc::new(FencedLog::new(Arc::new(sql.clone()), records.clone())),
            records,
            up: Arc::new(AtomicBool::new(true)),
        })
    }
}

/// The revocation log for what is revoked beside the servers: with its fences in Redis, where that is configured.
///
/// # Errors
/// Redis can't be reached.
pub async fn fenced_log(settings: &Settings, sql: &SqlStore) -> anyhow::Result<Arc<dyn RevocationLog>> {
    Ok(match &settings.redis {
        Some(redis) => Redis::connect(redis, sql).await?.log,
        None => Arc::new(sql.clone()),
    })
}

/// Raises every fence in Redis to what the database's log holds now, so that a change that was made beside the servers
/// reaches nodes that are cut off from the database. Does nothing where Redis is not configured.
///
/// # Errors
/// One of the two can't be reached. The change stands; such nodes learn of it when they reach the database again.
pub async fn promise_changes(settings: &Settings, sql: &SqlStore) -> anyhow::Result<()> {
    let Some(redis) = &settings.redis else {
        return Ok(());
    };
    let redis = Redis::connect(redis, sql).await?;
    let head = sql.head().await?;
    Ok(redis.log.raise(None, head).await?)
}

/// How Redis is reached.
pub fn redis_config(settings: &RedisSettings) -> RedisConfig {
    RedisConfig {
        url: settings.url.expose_secret().to_owned(),
        topology: match &settings.topology {
            RedisTopology::Cluster => Topology::Cluster,
            RedisTopology::Sentinel { service } => Topology::Sentinel {
                service: service.clone(),
            },
            RedisTopology::Single => Topology::Single,
        },
        prefix: settings.key_prefix.clone(),
        connect_timeout: settings.connect_timeout,
        response_timeout: settings.response_timeout,
        replicas: settings.replicas,
        ca_file: settings.ca_file.clone(),
        sentinel_username: settings.sentinel_username.clone(),
        sentinel_password: settings
            .sentinel_password
            .as_ref()
            .map(|password| password.expose_secret().to_owned()),
    }
}

/// How the database is reached.
pub fn database_config(settings: &Settings) -> SqlConfig {
    let database = &settings.database;
    SqlConfig {
        url: database.url.clone(),
        max_connections: database.max_connections,
        connect_timeout: database.connect_timeout,
        acquire_timeout: database.acquire_timeout,
        statement_timeout: database.statement_timeout,
    }
}

async fn open_database(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    rng: &dyn Rng,
) -> anyhow::Result<SqlStore> {
    let store = SqlStore::connect(&database_config(settings), clock)
        .await
        .with_context(|| match place::of_database(&settings.database.url) {
            Some(place) => format!(
                "database.url can't be opened ({place}; see that it runs there and lets this machine in)"
            ),
            None => "database.url can't be opened".to_owned(),
        })?;
    if settings.database.migrate_on_start {
        store
            .migrate(rng)
            .await
            .context("the database schema can't be brought up to date")?;
    } else if !store.pending_migrations().await?.is_empty() {
        bail!(
            "the database schema is behind: run `symbolon migrate`, or set database.migrate_on_start to true"
        );
    }
    Ok(store)
}
