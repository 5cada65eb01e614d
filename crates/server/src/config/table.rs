//! The one table of settings. Parsing, `config explain`, the reference, the example file and the names of the
//! environment variables all come from it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use symbolon_jose::{KeyEncryptionKey, SigningAlg};

use super::database_url;
use super::issuer::Issuer;
use super::kind::Kind;
use super::parse;
use super::redis_url::{self, RedisUrl};
use super::settings::{LogFormat, RedisMode};
pub(super) use super::spec::{ENVIRONMENT_PREFIX, Pointer, Preset, Setting, Spec};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

macro_rules! settings {
    ($($name:ident: $type:ty = $parse:path, $key:literal, $kind:expr, $preset:expr, $meaning:expr;)+) => {
        $(
            pub(super) static $name: Setting<$type> = Setting {
                spec: Spec { key: $key, kind: $kind, preset: $preset, meaning: $meaning },
                parse: $parse,
            };
        )+
        /// Every row, in the order of the reference.
        pub(super) static TABLE: &[&Spec] = &[$(&$name.spec),+];
    };
}

use Preset::{Required, Unset, Value};

settings! {
    ISSUER: Issuer = parse::issuer, "issuer", Kind::Issuer, Required("https://login.example.org"),
        "The issuer identifier (RFC 8414): the public URL of this server, exactly as clients and resource \
         servers know it. It is never taken from a request.";

    SERVER_LISTEN: SocketAddr = parse::socket_address, "server.listen",
        Kind::SocketAddress, Value("127.0.0.1:8080"),
        "Address and port of the public listener; port 0 is any free port. Off loopback it needs TLS or \
         trusted proxies.";
    SERVER_TLS_CERTIFICATE_FILE: PathBuf = parse::path, "server.tls_certificate_file", Kind::Path, Unset,
        "PEM file with the certificate chain. Set together with `server.tls_key_file`; without both, HTTP is \
         plain.";
    SERVER_TLS_KEY_FILE: PathBuf = parse::path, "server.tls_key_file", Kind::Path, Unset,
        "PEM file with the certificate's private key.";
    SERVER_TRUSTED_PROXIES: Vec<IpNet> = parse::networks, "server.trusted_proxies", Kind::Networks, Value(""),
        "Networks of the proxies in front of this server. Only they may say who the client is, and only \
         behind them may plain HTTP be served off loopback.";
    SERVER_MAX_CONNECTIONS: usize = parse::integer, "server.max_connections",
        Kind::Integer { min: 1, max: 1_000_000 }, Value("10000"),
        "Connections that are open at once; more wait in the system's queue.";
    SERVER_HEADER_TIMEOUT: Duration = parse::duration, "server.header_timeout",
        Kind::milliseconds(1_000, 300_000), Value("10s"),
        "Longest wait for the header of a request.";
    SERVER_REQUEST_TIMEOUT: Duration = parse::duration, "server.request_timeout",
        Kind::milliseconds(1_000, 600_000), Value("30s"),
        "Longest time for one request, from its header to its response.";
    SERVER_IDLE_TIMEOUT: Duration = parse::duration, "server.idle_timeout",
        Kind::milliseconds(1_000, 3_600_000), Value("60s"),
        "Time after which a connection without requests is closed.";
    SERVER_MAX_BODY_BYTES: usize = parse::integer, "server.max_body_bytes",
        Kind::Integer { min: 1_024, max: 1_048_576 }, Value("65536"),
        "Largest request body in bytes; a larger one is answered with 413.";
    SERVER_SHUTDOWN_GRACE: Duration = parse::duration, "server.shutdown_grace",
        Kind::milliseconds(0, 600_000), Value("20s"),
        "Time that requests in flight have to finish when the server is told to stop.";
    SERVER_WORKER_THREADS: usize = parse::integer, "server.worker_threads",
        Kind::Integer { min: 0, max: 1_024 }, Value("0"),
        "Threads that serve requests; 0 is one for each core.";

    MANAGEMENT_LISTEN: SocketAddr = parse::socket_address, "management.listen", Kind::SocketAddress,
        Value("127.0.0.1:8081"),
        "Address and port of the listener for metrics and health, which has no access control; port 0 is \
         any free port.";

    ADMIN_LISTEN: SocketAddr = parse::socket_address, "admin.listen", Kind::SocketAddress, Value("127.0.0.1:8082"),
        "Address and port of the listener for the admin API, `/admin/v1`; port 0 is any free port. On loopback it speaks \
         plain HTTP; off loopback it has the TLS certificate of the public listener, or needs trusted proxies as that does.";
    ADMIN_MAX_BODY_BYTES: usize = parse::integer, "admin.max_body_bytes",
        Kind::Integer { min: 65_536, max: 16_777_216 }, Value("1048576"),
        "Largest body of an admin request in bytes; a larger one is answered with 413. Imports are sent in batches that fit.";
    ADMIN_MAX_STREAMS: usize = parse::integer, "admin.max_streams", Kind::Integer { min: 0, max: 1_024 }, Value("16"),
        "Streams of the audit trail that are open at once on this node, half of them for one administrator; more are answered \
         with 503.";

    AUDIT_RETENTION: Duration = parse::duration, "audit.retention", Kind::seconds(DAY, 36_500 * DAY), Value("400d"),
        "How long records stay on the audit trail. Older ones are deleted in small batches, once a signed checkpoint covers \
         them.";

    DATABASE_URL: String = database_url::parse, "database.url", Kind::DatabaseUrl,
        Value("sqlite:symbolon-data/symbolon.db"),
        "The database: a file of SQLite for one node, PostgreSQL for several. The relative path of a file starts at \
         the working directory. `?sslmode=verify-full` at the end reaches PostgreSQL by TLS alone and verifies its \
         certificate. A password is never shown.";
    DATABASE_MAX_CONNECTIONS: u32 = parse::integer, "database.max_connections",
        Kind::Integer { min: 1, max: 256 }, Unset,
        "Most connections to the database that this node has open at once. On SQLite they read, and one more \
         writes; on PostgreSQL they do both, and three more keep the node up to date while requests hold all of \
         these; its own `max_connections` must suffice for all nodes. Unset, it is 4 on SQLite and 10 on PostgreSQL.";
    DATABASE_CONNECT_TIMEOUT: Duration = parse::duration, "database.connect_timeout",
        Kind::milliseconds(100, 60_000), Value("5s"),
        "Longest wait at the start for a database that does not answer yet. PostgreSQL only.";
    DATABASE_ACQUIRE_TIMEOUT: Duration = parse::duration, "database.acquire_timeout",
        Kind::milliseconds(50, 30_000), Value("2s"),
        "Longest wait of a request for a connection while all are in use, making a new one included; then it is \
         answered with 503.";
    DATABASE_STATEMENT_TIMEOUT: Duration = parse::duration, "database.statement_timeout",
        Kind::milliseconds(100, 300_000), Value("5s"),
        "Longest time for one statement, waiting for locks included; on SQLite, longest wait for the lock of \
         another process. Migrations are not bound by it.";
    DATABASE_CLOCK_TOLERANCE: Duration = parse::duration, "database.clock_tolerance",
        Kind::milliseconds(1, 1_000), Value("10ms"),
        "How exactly every node must know the database's clock, by which sessions and cutoffs are stamped: a node \
         to which the database answers too late for that is not ready. A revocation by cutoff takes about twice \
         this time and twice the measured uncertainty. The same on all nodes. PostgreSQL only.";
    DATABASE_MIGRATE_ON_START: bool = parse::boolean, "database.migrate_on_start",
        Kind::Boolean, Value("true"),
        "Whether `symbolon serve` brings the database schema up to date; otherwise `symbolon migrate` does.";

    REDIS_URL: RedisUrl = redis_url::parse, "redis.url", Kind::RedisUrl, Unset,
        "The Redis that keeps refresh-token sessions and counts failed logins, the same for all nodes. Unset, the \
         database keeps the sessions, and each node counts for itself. `rediss://` is TLS, with certificates \
         verified. User and password are never shown.";
    REDIS_CA_FILE: PathBuf = parse::path, "redis.ca_file", Kind::Path, Unset,
        "PEM file of the authorities that may have signed the certificates of Redis, instead of those that the \
         operating system trusts. Only with `rediss://`.";
    REDIS_MODE: RedisMode = parse::redis_mode, "redis.mode",
        Kind::Choice(&["single", "cluster", "sentinel"]), Value("single"),
        "How the servers that `redis.url` names work together: one server, nodes of a Redis Cluster, or Sentinels \
         that know the server.";
    REDIS_SENTINEL_SERVICE: String = parse::word, "redis.sentinel_service",
        Kind::Word { max: 128, braces: true }, Unset,
        "The name under which the Sentinels watch the server. Only, and always, with `redis.mode` sentinel.";
    REDIS_SENTINEL_USERNAME: String = parse::word, "redis.sentinel_username",
        Kind::Word { max: 128, braces: true }, Unset,
        "The user that the Sentinels ask for, with `redis.sentinel_password`. Those of `redis.url` are for the \
         server alone.";
    REDIS_SENTINEL_PASSWORD: SecretString = parse::password, "redis.sentinel_password", Kind::Password, Unset,
        "The password that the Sentinels ask for, where they do.";
    REDIS_KEY_PREFIX: String = parse::word, "redis.key_prefix",
        Kind::Word { max: 32, braces: false }, Value("sy:"),
        "What the names of all keys in Redis begin with; deployments that share a Redis each need their own. Braces \
         would decide the slot in a cluster.";
    REDIS_CONNECT_TIMEOUT: Duration = parse::duration, "redis.connect_timeout",
        Kind::milliseconds(50, 10_000), Value("2s"),
        "Longest wait for a connection to Redis.";
    REDIS_RESPONSE_TIMEOUT: Duration = parse::duration, "redis.response_timeout",
        Kind::milliseconds(50, 10_000), Value("500ms"),
        "Longest wait for an answer of Redis; then the request is answered with 503.";
    REDIS_REPLICAS: u32 = parse::integer, "redis.replicas", Kind::Integer { min: 0, max: 16 }, Value("0"),
        "Replicas that must have a revocation's fence before the revocation is promised with 200; with fewer it is \
         answered with 202. 0 promises by the master alone, which may lose its last writes when it fails.";

    KEYS_ENCRYPTION_KEY: KeyEncryptionKey = parse::encryption_key, "keys.encryption_key", Kind::EncryptionKey,
        Required("/etc/symbolon/encryption-key"),
        "The key-encryption key, under which signing keys and server secrets are stored. Without it they are \
         lost.";
    KEYS_PREVIOUS_ENCRYPTION_KEY: KeyEncryptionKey = parse::encryption_key, "keys.previous_encryption_key",
        Kind::EncryptionKey, Unset,
        "An earlier key-encryption key that may still open records while `symbolon keys rewrap` has not been \
         run. It encrypts nothing, except while a running node does not have the new one yet.";
    KEYS_ALGORITHMS: Vec<SigningAlg> = parse::algorithms, "keys.algorithms", Kind::Algorithms, Value("ES256"),
        "Signature algorithms of access tokens; a key for each is generated at the first start, and \
         published.";
    KEYS_DEFAULT_ALGORITHM: SigningAlg = parse::algorithm, "keys.default_algorithm",
        Kind::Algorithm, Value("ES256"),
        "The algorithm for clients and resource servers that name none; one of `keys.algorithms`.";
    KEYS_IMPORT_DIR: PathBuf = parse::path, "keys.import_dir", Kind::Path, Unset,
        "Folder of private keys (`*.pem`, `*.jwk`) that are imported at start.";
    KEYS_ROTATE_AUTOMATICALLY: bool = parse::boolean, "keys.rotate_automatically",
        Kind::Boolean, Value("true"),
        "Whether signing keys are rotated on schedule; otherwise `symbolon keys rotate` does it.";
    KEYS_ROTATION_INTERVAL: Duration = parse::duration, "keys.rotation_interval",
        Kind::seconds(1, 400 * DAY), Value("90d"),
        "Time for which a key signs before its successor takes over; at least \
         `keys.publish_before_signing` and `keys.publish_after_signing` together.";
    KEYS_PUBLISH_BEFORE_SIGNING: Duration = parse::duration, "keys.publish_before_signing",
        Kind::seconds(1, 200 * DAY), Unset,
        "Time for which a key is published before it signs, so that every verifier knows it by then. Unset, it \
         is the least that is accepted: 24h, or twice `jwks.max_age` where that is longer.";
    KEYS_PUBLISH_AFTER_SIGNING: Duration = parse::duration, "keys.publish_after_signing",
        Kind::seconds(1, 200 * DAY), Unset,
        "Time for which a key is published after it has stopped signing, so that the last token that it signed \
         is accepted until it expires. Unset, it is the least that is accepted: 2h 10m.";

    JWKS_MAX_AGE: Duration = parse::duration, "jwks.max_age", Kind::seconds(1, DAY), Value("15m"),
        "How long others may cache the published key set; at least 1m.";

    FEED_MAX_STALE: Duration = parse::duration, "feed.max_stale", Kind::seconds(10, DAY), Unset,
        "How long a verifier goes by what it knows of revocations while it can't read the revocation feed, unless its \
         operator says otherwise; then it refuses tokens. Unset, it is `tokens.access_token_lifetime`.";
    FEED_MAX_STREAMS: usize = parse::integer, "feed.max_streams",
        Kind::Integer { min: 0, max: 1_000_000 }, Unset,
        "Streams of the revocation feed that are open at once on this node; more are answered with 503. Below \
         `server.max_connections`, since a stream holds its connection. Unset, it is half of that, at most 10000; 0 \
         leaves verifiers to polling.";

    TOKENS_ACCESS_TOKEN_LIFETIME: Duration = parse::duration, "tokens.access_token_lifetime",
        Kind::seconds(10, HOUR), Value("5m"),
        "Lifetime of an access token where the client has none of its own; 1h is the limit for every client.";
    TOKENS_SESSION_LIFETIME: Duration = parse::duration, "tokens.session_lifetime",
        Kind::seconds(MINUTE, 400 * DAY), Value("90d"),
        "Time after a login at which its session ends, however often it was refreshed.";
    TOKENS_REFRESH_IDLE_LIFETIME: Duration = parse::duration, "tokens.refresh_idle_lifetime",
        Kind::seconds(MINUTE, 400 * DAY), Value("30d"),
        "Time after which a refresh token that was not used expires; at most `tokens.session_lifetime`.";
    TOKENS_REFRESH_OVERLAP: Duration = parse::duration, "tokens.refresh_overlap",
        Kind::seconds(0, 5 * MINUTE), Value("30s"),
        "Time after a rotation in which the previous refresh token still yields the same successor, for \
         clients that race themselves or lost a response.";
    TOKENS_REFRESH_LATE_RECOVERIES: u32 = parse::integer, "tokens.refresh_late_recoveries",
        Kind::Integer { min: 0, max: 10 }, Value("1"),
        "How often per session and day the previous refresh token is accepted after the overlap, while its \
         successor was never used. Any more is taken for theft and ends the session.";
    TOKENS_ADOPT_LOST_SESSIONS: bool = parse::boolean, "tokens.adopt_lost_sessions",
        Kind::Boolean, Value("true"),
        "Whether a genuine refresh token whose record the store has lost is accepted once the revocation log \
         has been read; otherwise its user must log in again.";

    PASSWORDS_MEMORY_KIB: u32 = parse::integer, "passwords.memory_kib",
        Kind::Integer { min: 8_192, max: 1_048_576 }, Value("19456"),
        "Memory of one Argon2id hash in KiB.";
    PASSWORDS_ITERATIONS: u32 = parse::integer, "passwords.iterations",
        Kind::Integer { min: 1, max: 16 }, Value("2"),
        "Passes of Argon2id over its memory.";
    PASSWORDS_PARALLELISM: u32 = parse::integer, "passwords.parallelism",
        Kind::Integer { min: 1, max: 16 }, Value("1"),
        "Lanes of Argon2id.";
    PASSWORDS_HASH_THREADS: usize = parse::integer, "passwords.hash_threads",
        Kind::Integer { min: 0, max: 64 },
        Value("0"),
        "Passwords that are hashed at once, on threads of their own; 0 is one fewer than there are cores, at \
         least one. Times `passwords.memory_kib` it may not exceed 8 GiB.";
    PASSWORDS_QUEUE_LENGTH: usize = parse::integer, "passwords.queue_length",
        Kind::Integer { min: 1, max: 10_000 }, Value("128"),
        "Logins that may wait for a hash thread; more are answered with 503.";
    PASSWORDS_QUEUE_DEADLINE: Duration = parse::duration, "passwords.queue_deadline",
        Kind::milliseconds(100, 30_000), Value("2s"),
        "Longest wait for a hash thread; then the login is answered with 503.";

    LOGIN_MAX_FAILURES: u32 = parse::integer, "login.max_failures",
        Kind::Integer { min: 1, max: 1_000 }, Value("10"),
        "Failed logins in a row after which an account is locked for whoever comes from an address that it has not \
         logged in from; and for a known address, those from there.";
    LOGIN_LOCKOUT: Duration = parse::duration, "login.lockout", Kind::seconds(1, HOUR), Value("1m"),
        "How long an account is locked.";
    LOGIN_MAX_FAILURES_PER_ADDRESS: u32 = parse::integer, "login.max_failures_per_address",
        Kind::Integer { min: 0, max: 1_000_000 }, Value("100"),
        "Failed logins from one address, or one /64 of IPv6, within `login.address_window` after which it is locked \
         until that has ended, for all accounts that have not logged in from there; 0 is no limit. Behind a proxy, and \
         for applications that log users in from their own server, it needs `server.trusted_proxies`: otherwise all \
         users have one address.";
    LOGIN_ADDRESS_WINDOW: Duration = parse::duration, "login.address_window", Kind::seconds(1, DAY), Value("10m"),
        "Time in which failed logins from one address are counted together, from the first of them.";
    LOGIN_KNOWN_ADDRESS_LIFETIME: Duration = parse::duration, "login.known_address_lifetime",
        Kind::seconds(0, 366 * DAY), Value("180d"),
        "Time after a login for which its address, kept as a digest, is known for the account, so that guesses made \
         elsewhere do not lock it out there; 0s is never. The latest 8 addresses are.";

    LOG_LEVEL: String = parse::log_filter, "log.level", Kind::LogFilter, Value("info"),
        "What is logged: a level, or tracing filter directives.";
    LOG_FORMAT: LogFormat = parse::log_format, "log.format",
        Kind::Choice(&["auto", "text", "json"]), Value("auto"),
        "Form of the log; auto is text on a terminal and JSON otherwise.";
}

/// What a key or a variable sets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// Where a secret is.
    Pointer(Pointer, &'static Spec),
    /// The setting itself.
    Setting(&'static Spec),
}

impl Target {
    /// What a key in the file sets.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        Self::find(
            |spec| spec.key == key,
            |spec, pointer| spec.pointer_key(pointer).as_deref() == Some(key),
        )
    }

    /// What an environment variable sets.
    pub(super) fn of_variable(name: &str) -> Option<Self> {
        Self::find(
            |spec| spec.variable() == name,
            |spec, pointer| spec.pointer_variable(pointer).as_deref() == Some(name),
        )
    }

    /// The form of the value.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Pointer(pointer, _) => pointer.kind(),
            Self::Setting(spec) => spec.kind,
        }
    }

    fn find(is_setting: impl Fn(&Spec) -> bool, is_pointer: impl Fn(&Spec, Pointer) -> bool) -> Option<Self> {
        TABLE.iter().find_map(|spec| {
            if is_setting(spec) {
                return Some(Self::Setting(spec));
            }
            let pointer = Pointer::ALL
                .into_iter()
                .find(|pointer| is_pointer(spec, *pointer))?;
            Some(Self::Pointer(pointer, spec))
        })
    }
}

/// Every key that a file may hold.
pub(super) fn keys() -> Vec<String> {
    TABLE
        .iter()
        .flat_map(|spec| {
            let pointers = Pointer::ALL
                .into_iter()
                .filter_map(|pointer| spec.pointer_key(pointer));
            std::iter::once(spec.key.to_owned()).chain(pointers)
        })
        .collect()
}

/// Every variable that the environment may hold.
pub(super) fn variables() -> Vec<String> {
    TABLE
        .iter()
        .flat_map(|spec| {
            let pointers = Pointer::ALL
                .into_iter()
                .filter_map(|pointer| spec.pointer_variable(pointer));
            std::iter::once(spec.variable()).chain(pointers)
        })
        .collect()
}

/// The sections, in the order of the reference, without the top level.
pub(super) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = TABLE
        .iter()
        .map(|spec| spec.section_and_name().0)
        .filter(|name| !name.is_empty())
        .collect();
    sections.dedup();
    sections
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_settings_share_a_key_or_a_variable() {
        let (keys, variables) = (keys(), variables());
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert_eq!(variables.iter().collect::<BTreeSet<_>>().len(), variables.len());
    }

    #[test]
    fn sections_are_contiguous() {
        let sections = sections();
        assert_eq!(sections.iter().collect::<BTreeSet<_>>().len(), sections.len());
    }

    #[test]
    fn variables_are_named_after_the_key() {
        assert_eq!(
            TOKENS_ACCESS_TOKEN_LIFETIME.spec.variable(),
            "SYMBOLON_TOKENS_ACCESS_TOKEN_LIFETIME"
        );
        assert_eq!(
            KEYS_ENCRYPTION_KEY.spec.pointer_variable(Pointer::File).unwrap(),
            "SYMBOLON_KEYS_ENCRYPTION_KEY_FILE"
        );
    }
}
