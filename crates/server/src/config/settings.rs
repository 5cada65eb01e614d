//! The validated settings: one small struct per concern.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use symbolon_core::keys::KeyTimings;
use symbolon_jose::{EncryptionKeys, SigningAlg};

use super::database_url;
use super::explain::Explained;
use super::issuer::Issuer;

/// Everything that the server needs to know, validated and free of contradictions.
/// What each field means, its variable and its default stand in the table of settings and in the reference
/// that is made from it, `docs/configuration.md`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer identifier: the only source of the server's own name.
    pub issuer: Issuer,
    /// `server.*`
    pub server: ServerSettings,
    /// `management.*`
    pub management: ManagementSettings,
    /// `admin.*`
    pub admin: AdminSettings,
    /// `audit.*`
    pub audit: AuditSettings,
    /// `database.*`
    pub database: DatabaseSettings,
    /// `redis.*`; `None` where `redis.url` is not set: sessions are in the database.
    pub redis: Option<RedisSettings>,
    /// `keys.*`
    pub keys: KeySettings,
    /// `jwks.*`
    pub jwks: JwksSettings,
    /// `feed.*`
    pub feed: FeedSettings,
    /// `tokens.*`
    pub tokens: TokenSettings,
    /// `passwords.*`
    pub passwords: PasswordSettings,
    /// `login.*`
    pub login: LoginSettings,
    /// `log.*`
    pub log: LogSettings,
    /// Every setting as it is shown, without secrets.
    pub explained: ShownSettings,
}

/// Every setting as it is shown, without secrets. What it says of sources is not part of what the settings are.
#[derive(Clone)]
pub struct ShownSettings(pub Arc<[Explained]>);

impl fmt::Debug for ShownSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShownSettings").finish_non_exhaustive()
    }
}

/// The public listener.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// `server.listen`; port 0 means any free port.
    pub listen: SocketAddr,
    /// `server.tls_certificate_file` and `server.tls_key_file`; `None` is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// `server.trusted_proxies`: whose `Forwarded` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `server.max_connections`
    pub max_connections: usize,
    /// `server.header_timeout`
    pub header_timeout: Duration,
    /// `server.request_timeout`
    pub request_timeout: Duration,
    /// `server.idle_timeout`
    pub idle_timeout: Duration,
    /// `server.max_body_bytes`
    pub max_body_bytes: usize,
    /// `server.shutdown_grace`
    pub shutdown_grace: Duration,
    /// `server.worker_threads`, at least one: the configured zero is already replaced by the number of cores.
    pub worker_threads: usize,
}

/// The PEM files of the public listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `server.tls_certificate_file`
    pub certificate: PathBuf,
    /// `server.tls_key_file`
    pub key: PathBuf,
}

/// The listener for metrics and health.
#[derive(Clone, Debug)]
pub struct ManagementSettings {
    /// `management.listen`; port 0 means any free port.
    pub listen: SocketAddr,
}

/// The admin API.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// `admin.listen`; port 0 means any free port.
    pub listen: SocketAddr,
    /// `admin.max_body_bytes`
    pub max_body_bytes: usize,
    /// `admin.max_streams`
    pub max_streams: usize,
}

/// The audit trail.
#[derive(Clone, Copy, Debug)]
pub struct AuditSettings {
    /// `audit.retention`
    pub retention: Duration,
}

/// The SQL database. `Debug` shows its URL without the password.
#[derive(Clone)]
pub struct DatabaseSettings {
    /// `database.url`: `sqlite:`, or `postgres://` and `postgresql://`, which may hold a password. Never to be shown.
    pub url: String,
    /// `database.max_connections`, already chosen by the kind of database where it is not configured.
    pub max_connections: u32,
    /// `database.connect_timeout`; PostgreSQL only.
    pub connect_timeout: Duration,
    /// `database.acquire_timeout`
    pub acquire_timeout: Duration,
    /// `database.statement_timeout`
    pub statement_timeout: Duration,
    /// `database.clock_tolerance`; PostgreSQL only.
    pub clock_tolerance: Duration,
    /// `database.migrate_on_start`
    pub migrate_on_start: bool,
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("url", &database_url::shown(&self.url))
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("clock_tolerance", &self.clock_tolerance)
            .field("migrate_on_start", &self.migrate_on_start)
            .finish()
    }
}

/// The Redis that keeps sessions.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// `redis.url`: `redis://` or `rediss://`, credentials, hosts separated by commas, database. One host where the
    /// topology is [`RedisTopology::Single`], no database but 0 where it is [`RedisTopology::Cluster`].
    pub url: SecretString,
    /// `redis.mode` and `redis.sentinel_service`
    pub topology: RedisTopology,
    /// `redis.ca_file`; only where the scheme is `rediss`.
    pub ca_file: Option<PathBuf>,
    /// `redis.sentinel_username`; never without the password.
    pub sentinel_username: Option<String>,
    /// `redis.sentinel_password`; only where the topology is [`RedisTopology::Sentinel`].
    pub sentinel_password: Option<SecretString>,
    /// `redis.key_prefix`: printable ASCII without braces.
    pub key_prefix: String,
    /// `redis.connect_timeout`
    pub connect_timeout: Duration,
    /// `redis.response_timeout`
    pub response_timeout: Duration,
    /// `redis.replicas`: how many must have a fence before a revocation is promised.
    pub replicas: u32,
}

/// How the servers that `redis.url` names work together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisTopology {
    /// They are nodes of a Redis Cluster.
    Cluster,
    /// They are Sentinels, which know the server.
    Sentinel {
        /// `redis.sentinel_service`: the name under which they watch it.
        service: String,
    },
    /// It is one server.
    Single,
}

/// `redis.mode` by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RedisMode {
    Cluster,
    Sentinel,
    Single,
}

impl fmt::Display for RedisMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Sentinel => "sentinel",
            Self::Single => "single",
        })
    }
}

/// Signing keys and the key that encrypts them.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// `keys.encryption_key`, which encrypts, and `keys.previous_encryption_key`, which may only open.
    pub encryption_keys: Arc<EncryptionKeys>,
    /// `keys.algorithms`: at least one, no repeats.
    pub algorithms: Vec<SigningAlg>,
    /// `keys.default_algorithm`: one of `algorithms`.
    pub default_algorithm: SigningAlg,
    /// `keys.import_dir`
    pub import_dir: Option<PathBuf>,
    /// `keys.rotate_automatically`
    pub rotate_automatically: bool,
    /// `keys.rotation_interval`, `keys.publish_before_signing`, `keys.publish_after_signing`; the latter two are
    /// derived where nobody set them.
    pub timings: KeyTimings,
}

/// The published key set.
#[derive(Clone, Debug)]
pub struct JwksSettings {
    /// `jwks.max_age`
    pub max_age: Duration,
}

/// The revocation feed.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// `feed.max_stale`, already derived where it is not configured.
    pub max_stale: Duration,
    /// `feed.max_streams`, below `server.max_connections`; already derived where it is not configured.
    pub max_streams: usize,
}

/// Tokens and sessions.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// `tokens.access_token_lifetime`
    pub access_token_lifetime: Duration,
    /// `tokens.session_lifetime`
    pub session_lifetime: Duration,
    /// `tokens.refresh_idle_lifetime`: at most `session_lifetime`.
    pub refresh_idle_lifetime: Duration,
    /// `tokens.refresh_overlap`
    pub refresh_overlap: Duration,
    /// `tokens.refresh_late_recoveries`: per session and day.
    pub refresh_late_recoveries: u32,
    /// `tokens.adopt_lost_sessions`
    pub adopt_lost_sessions: bool,
}

/// Password hashing.
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// `passwords.memory_kib`
    pub memory_kib: u32,
    /// `passwords.iterations`
    pub iterations: u32,
    /// `passwords.parallelism`
    pub parallelism: u32,
    /// `passwords.hash_threads`, at least one: the configured zero is already replaced by cores minus one.
    pub hash_threads: usize,
    /// `passwords.queue_length`
    pub queue_length: usize,
    /// `passwords.queue_deadline`
    pub queue_deadline: Duration,
}

/// Failed logins.
#[derive(Clone, Debug)]
pub struct LoginSettings {
    /// `login.max_failures`
    pub max_failures: u32,
    /// `login.lockout`
    pub lockout: Duration,
    /// `login.max_failures_per_address`: zero for no limit.
    pub max_failures_per_address: u32,
    /// `login.address_window`
    pub address_window: Duration,
    /// `login.known_address_lifetime`: zero for no address.
    pub known_address_lifetime: Duration,
}

/// The log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `log.level`: a tracing filter that is known to parse.
    pub filter: String,
    /// `log.format`
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One JSON object per line.
    Json,
    /// Text for people.
    Text,
}
