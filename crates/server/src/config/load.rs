//! Values to validated settings: every setting is read once, every error is kept.

use std::net::SocketAddr;
use std::sync::Arc;

use symbolon_core::keys::KeyTimings;
use symbolon_jose::EncryptionKeys;

use super::contradictions;
use super::database_url;
use super::explain::{Explained, explained};
use super::finding::{ConfigErrors, Finding};
use super::key_timings;
use super::settings::{
    AdminSettings, AuditSettings, DatabaseSettings, FeedSettings, JwksSettings, KeySettings, LogSettings,
    LoginSettings, ManagementSettings, PasswordSettings, RedisMode, RedisSettings, RedisTopology,
    ServerSettings, Settings, ShownSettings, TlsFiles, TokenSettings,
};
use super::sources::Sources;
use super::table::{self, Setting};
use super::values::Values;

/// Most hash threads that zero may stand for.
const AUTOMATIC_HASH_THREADS: usize = 64;
/// Most streams where nobody set `feed.max_streams`.
const AUTOMATIC_STREAMS: usize = 10_000;
/// `database.max_connections` where nobody set it. A server of PostgreSQL has 100 unless told otherwise: with the three
/// that each node opens besides, enough for seven nodes.
const POSTGRES_CONNECTIONS: u32 = 10;
const SQLITE_CONNECTIONS: u32 = 4;

/// What the settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `serve --dev`: issuer and encryption key come as overrides, and nothing listens off loopback.
    Dev,
    /// Everything else.
    Production,
}

/// Settings fit to start with.
#[derive(Debug)]
pub struct Loaded {
    /// Validated, free of contradictions.
    pub settings: Settings,
    /// What is allowed but doubtful, to be logged.
    pub warnings: Vec<Finding>,
}

/// Reads and validates all settings.
///
/// # Errors
/// Everything that is wrong, all at once: unknown keys and variables, values out of bounds, required settings that
/// are missing, contradictions between settings.
pub fn load(sources: &Sources, mode: Mode) -> Result<Loaded, ConfigErrors> {
    let mut values = Values::read(sources);
    let mut errors = std::mem::take(&mut values.errors);
    let mut warnings = std::mem::take(&mut values.warnings);
    if values.file_unreadable {
        return Err(ConfigErrors::new(errors));
    }
    let settings = Assembly {
        values: &values,
        errors: &mut errors,
        cores: sources.cores.get(),
        explained: explained(&values).into(),
    }
    .settings();
    contradictions::check(&values, sources, mode, &mut errors, &mut warnings);
    match settings {
        Some(settings) if errors.is_empty() => Ok(Loaded { settings, warnings }),
        _ => Err(ConfigErrors::new(errors)),
    }
}

/// Reads the key-encryption keys anew: secrets by file and by command may have changed since the settings were
/// loaded. The file and the environment are those in `sources`; make it anew to see changes of the file, too.
///
/// # Errors
/// As [`load`]: nothing is taken from a configuration that the server would not start with.
pub fn reload_encryption_keys(sources: &Sources, mode: Mode) -> Result<Arc<EncryptionKeys>, ConfigErrors> {
    load(sources, mode).map(|loaded| loaded.settings.keys.encryption_keys)
}

/// Where the management listener is. Nothing else is judged, no secret is read, and no command is run.
///
/// # Errors
/// The file is no TOML, or the setting is unsound.
pub fn management_listen(sources: &Sources) -> Result<SocketAddr, ConfigErrors> {
    let mut values = Values::without_secrets(sources);
    if values.file_unreadable {
        return Err(ConfigErrors::new(std::mem::take(&mut values.errors)));
    }
    match values.parse(&table::MANAGEMENT_LISTEN) {
        Ok(Some(listen)) => Ok(listen),
        // It has a default, so that there is a finding, here or where the setting was read.
        Ok(None) | Err(None) => Err(ConfigErrors::new(std::mem::take(&mut values.errors))),
        Err(Some(finding)) => Err(ConfigErrors::new(vec![finding])),
    }
}

/// The number of hash threads: zero stands for one fewer than there are cores, at least one.
pub(super) fn hash_threads(configured: usize, cores: usize) -> usize {
    match configured {
        0 => cores.saturating_sub(1).clamp(1, AUTOMATIC_HASH_THREADS),
        threads => threads,
    }
}

/// Builds the typed settings. Each method reads all its settings before it gives up on any of them, so that
/// every error is seen.
struct Assembly<'a> {
    values: &'a Values,
    errors: &'a mut Vec<Finding>,
    cores: usize,
    explained: Arc<[Explained]>,
}

impl Assembly<'_> {
    /// A setting that always has a value; `None` after an error, which is kept.
    fn value<T>(&mut self, setting: &Setting<T>) -> Option<T> {
        self.optional(setting)?
    }

    /// A setting that may stay unset; the outer `None` after an error, which is kept.
    fn optional<T>(&mut self, setting: &Setting<T>) -> Option<Option<T>> {
        match self.values.parse(setting) {
            Ok(value) => Some(value),
            Err(finding) => {
                self.errors.extend(finding);
                None
            }
        }
    }

    fn settings(&mut self) -> Option<Settings> {
        let issuer = self.value(&table::ISSUER);
        let server = self.server();
        let management = self
            .value(&table::MANAGEMENT_LISTEN)
            .map(|listen| ManagementSettings { listen });
        let admin = self.admin();
        let audit = self.audit();
        let database = self.database();
        let redis = self.redis();
        let keys = self.keys();
        let jwks = self
            .value(&table::JWKS_MAX_AGE)
            .map(|max_age| JwksSettings { max_age });
        let feed = self.feed();
        let tokens = self.tokens();
        let passwords = self.passwords();
        let login = self.login();
        let log = self.log();
        Some(Settings {
            issuer: issuer?,
            server: server?,
            management: management?,
            admin: admin?,
            audit: audit?,
            database: database?,
            redis: redis?,
            keys: keys?,
            jwks: jwks?,
            feed: feed?,
            tokens: tokens?,
            passwords: passwords?,
            login: login?,
            log: log?,
            explained: ShownSettings(self.explained.clone()),
        })
    }

    fn server(&mut self) -> Option<ServerSettings> {
        let listen = self.value(&table::SERVER_LISTEN);
        let certificate = self.optional(&table::SERVER_TLS_CERTIFICATE_FILE);
        let key = self.optional(&table::SERVER_TLS_KEY_FILE);
        let trusted_proxies = self.value(&table::SERVER_TRUSTED_PROXIES);
        let max_connections = self.value(&table::SERVER_MAX_CONNECTIONS);
        let header_timeout = self.value(&table::SERVER_HEADER_TIMEOUT);
        let request_timeout = self.value(&table::SERVER_REQUEST_TIMEOUT);
        let idle_timeout = self.value(&table::SERVER_IDLE_TIMEOUT);
        let max_body_bytes = self.value(&table::SERVER_MAX_BODY_BYTES);
        let shutdown_grace = self.value(&table::SERVER_SHUTDOWN_GRACE);
        let worker_threads = self.value(&table::SERVER_WORKER_THREADS);
        Some(ServerSettings {
            listen: listen?,
            // One without the other is refused as a contradiction.
            tls: certificate?
                .zip(key?)
                .map(|(certificate, key)| TlsFiles { certificate, key }),
            trusted_proxies: trusted_proxies?,
            max_connections: max_connections?,
            header_timeout: header_timeout?,
            request_timeout: request_timeout?,
            idle_timeout: idle_timeout?,
            max_body_bytes: max_body_bytes?,
            shutdown_grace: shutdown_grace?,
            worker_threads: match worker_threads? {
                0 => self.cores,
                threads => threads,
            },
        })
    }

    fn database(&mut self) -> Option<DatabaseSettings> {
        let url = self.value(&table::DATABASE_URL);
        let max_connections = self.optional(&table::DATABASE_MAX_CONNECTIONS);
        let connect_timeout = self.value(&table::DATABASE_CONNECT_TIMEOUT);
        let acquire_timeout = self.value(&table::DATABASE_ACQUIRE_TIMEOUT);
        let statement_timeout = self.value(&table::DATABASE_STATEMENT_TIMEOUT);
        let clock_tolerance = self.value(&table::DATABASE_CLOCK_TOLERANCE);
        let migrate_on_start = self.value(&table::DATABASE_MIGRATE_ON_START);
        let url = url?;
        let automatic_connections = match database_url::is_sqlite(&url) {
            true => SQLITE_CONNECTIONS,
            false => POSTGRES_CONNECTIONS,
        };
        Some(DatabaseSettings {
            url,
            max_connections: max_connections?.unwrap_or(automatic_connections),
            connect_timeout: connect_timeout?,
            acquire_timeout: acquire_timeout?,
            statement_timeout: statement_timeout?,
            clock_tolerance: clock_tolerance?,
            migrate_on_start: migrate_on_start?,
        })
    }

    /// The inner `None` where Redis is not used.
    fn redis(&mut self) -> Option<Option<RedisSettings>> {
        let url = self.optional(&table::REDIS_URL);
        let mode = self.value(&table::REDIS_MODE);
        let service = self.optional(&table::REDIS_SENTINEL_SERVICE);
        let ca_file = self.optional(&table::REDIS_CA_FILE);
        let sentinel_username = self.optional(&table::REDIS_SENTINEL_USERNAME);
        let sentinel_password = self.optional(&table::REDIS_SENTINEL_PASSWORD);
        let key_prefix = self.value(&table::REDIS_KEY_PREFIX);
        let connect_timeout = self.value(&table::REDIS_CONNECT_TIMEOUT);
        let response_timeout = self.value(&table::REDIS_RESPONSE_TIMEOUT);
        let replicas = self.value(&table::REDIS_REPLICAS);
        let Some(url) = url? else {
            return Some(None);
        };
        Some(Some(RedisSettings {
            url: url.text,
            topology: match mode? {
                RedisMode::Cluster => RedisTopology::Cluster,
                // One without the other is refused as a contradiction.
                RedisMode::Sentinel => RedisTopology::Sentinel { service: service?? },
                RedisMode::Single => RedisTopology::Single,
            },
            ca_file: ca_file?,
            sentinel_username: sentinel_username?,
            sentinel_password: sentinel_password?,
            key_prefix: key_prefix?,
            connect_timeout: connect_timeout?,
            response_timeout: response_timeout?,
            replicas: replicas?,
        }))
    }

    fn keys(&mut self) -> Option<KeySettings> {
        let encryption_key = self.value(&table::KEYS_ENCRYPTION_KEY);
        let previous_encryption_key = self.optional(&table::KEYS_PREVIOUS_ENCRYPTION_KEY);
        let algorithms = self.value(&table::KEYS_ALGORITHMS);
        let default_algorithm = self.value(&table::KEYS_DEFAULT_ALGORITHM);
        let import_dir = self.optional(&table::KEYS_IMPORT_DIR);
        let rotate_automatically = self.value(&table::KEYS_ROTATE_AUTOMATICALLY);
        let timings = self.key_timings();
        let previous = previous_encryption_key?.into_iter().collect();
        Some(KeySettings {
            encryption_keys: Arc::new(EncryptionKeys::new(encryption_key?, previous)),
            algorithms: algorithms?,
            default_algorithm: default_algorithm?,
            import_dir: import_dir?,
            rotate_automatically: rotate_automatically?,
            timings: timings?,
        })
    }

    fn key_timings(&mut self) -> Option<KeyTimings> {
        let rotate_every = self.value(&table::KEYS_ROTATION_INTERVAL);
        let publish_before = self.optional(&table::KEYS_PUBLISH_BEFORE_SIGNING);
        let publish_after = self.optional(&table::KEYS_PUBLISH_AFTER_SIGNING);
        // Its error is kept where the key set's settings are read.
        let max_age = self.values.sound(&table::JWKS_MAX_AGE)?;
        Some(key_timings::derived(
            rotate_every?,
            publish_before?,
            publish_after?,
            max_age,
        ))
    }

    fn admin(&mut self) -> Option<AdminSettings> {
        let listen = self.value(&table::ADMIN_LISTEN);
        let max_body_bytes = self.value(&table::ADMIN_MAX_BODY_BYTES);
        let max_streams = self.value(&table::ADMIN_MAX_STREAMS);
        Some(AdminSettings {
            listen: listen?,
            max_body_bytes: max_body_bytes?,
            max_streams: max_streams?,
        })
    }

    fn audit(&mut self) -> Option<AuditSettings> {
        let retention = self.value(&table::AUDIT_RETENTION);
        Some(AuditSettings {
            retention: retention?,
        })
    }

    fn feed(&mut self) -> Option<FeedSettings> {
        let max_stale = self.optional(&table::FEED_MAX_STALE);
        let max_streams = self.optional(&table::FEED_MAX_STREAMS);
        // The errors of the others are kept where they are read themselves.
        let lifetime = self.values.sound(&table::TOKENS_ACCESS_TOKEN_LIFETIME)?;
        let connections = self.values.sound(&table::SERVER_MAX_CONNECTIONS)?;
        Some(FeedSettings {
            max_stale: max_stale?.unwrap_or(lifetime),
            max_streams: max_streams?.unwrap_or((connections / 2).min(AUTOMATIC_STREAMS)),
        })
    }

    fn tokens(&mut self) -> Option<TokenSettings> {
        let access_token_lifetime = self.value(&table::TOKENS_ACCESS_TOKEN_LIFETIME);
        let session_lifetime = self.value(&table::TOKENS_SESSION_LIFETIME);
        let refresh_idle_lifetime = self.value(&table::TOKENS_REFRESH_IDLE_LIFETIME);
        let refresh_overlap = self.value(&table::TOKENS_REFRESH_OVERLAP);
        let refresh_late_recoveries = self.value(&table::TOKENS_REFRESH_LATE_RECOVERIES);
        let adopt_lost_sessions = self.value(&table::TOKENS_ADOPT_LOST_SESSIONS);
        Some(TokenSettings {
            access_token_lifetime: access_token_lifetime?,
            session_lifetime: session_lifetime?,
            refresh_idle_lifetime: refresh_idle_lifetime?,
            refresh_overlap: refresh_overlap?,
            refresh_late_recoveries: refresh_late_recoveries?,
            adopt_lost_sessions: adopt_lost_sessions?,
        })
    }

    fn passwords(&mut self) -> Option<PasswordSettings> {
        let memory_kib = self.value(&table::PASSWORDS_MEMORY_KIB);
        let iterations = self.value(&table::PASSWORDS_ITERATIONS);
        let parallelism = self.value(&table::PASSWORDS_PARALLELISM);
        let configured_threads = self.value(&table::PASSWORDS_HASH_THREADS);
        let queue_length = self.value(&table::PASSWORDS_QUEUE_LENGTH);
        let queue_deadline = self.value(&table::PASSWORDS_QUEUE_DEADLINE);
        Some(PasswordSettings {
            memory_kib: memory_kib?,
            iterations: iterations?,
            parallelism: parallelism?,
            hash_threads: hash_threads(configured_threads?, self.cores),
            queue_length: queue_length?,
            queue_deadline: queue_deadline?,
        })
    }

    fn login(&mut self) -> Option<LoginSettings> {
        let max_failures = self.value(&table::LOGIN_MAX_FAILURES);
        let lockout = self.value(&table::LOGIN_LOCKOUT);
        let max_failures_per_address = self.value(&table::LOGIN_MAX_FAILURES_PER_ADDRESS);
        let address_window = self.value(&table::LOGIN_ADDRESS_WINDOW);
        let known_address_lifetime = self.value(&table::LOGIN_KNOWN_ADDRESS_LIFETIME);
        Some(LoginSettings {
            max_failures: max_failures?,
            lockout: lockout?,
            max_failures_per_address: max_failures_per_address?,
            address_window: address_window?,
            known_address_lifetime: known_address_lifetime?,
        })
    }

    fn log(&mut self) -> Option<LogSettings> {
        let filter = self.value(&table::LOG_LEVEL);
        let format = self.value(&table::LOG_FORMAT);
        Some(LogSettings {
            filter: filter?,
            format: format?,
        })
    }
}
