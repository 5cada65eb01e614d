//! The whole of the doctor, over real stores, from the configuration to the report.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use symbolon_core::ports::ServerStore as _;
use symbolon_core::secret::SecretPurpose;
use symbolon_core::{SystemClock, SystemRng, UnixMillis};
use symbolon_jose::{EncryptionKeys, KeyEncryptionKey};
use symbolon_store_sql::{SqlConfig, SqlStore};
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::{Redis, RedisCluster};
use tempfile::TempDir;

use super::*;
use crate::config::{CommandError, ConfigFile, FileText, Sources, load, read_file};
use crate::node::{Node, Stores, Surroundings, Wraps, claim_issuer, cluster_clock};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "HxwdHhsYGRoXFBUWExAREg8MDQ4LCAkKBwQFBgMAAQI=";
const HTTP: &str = "issuer = \"http://127.0.0.1:8080\"\n";

/// A clock that stands still.
pub(super) struct Stopped(pub(super) UnixMillis);

impl Clock for Stopped {
    fn now(&self) -> UnixMillis {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// The settings of this file, beside an encryption key.
pub(super) fn settings(toml: &str) -> Settings {
    let sources = Sources {
        file: Some(ConfigFile {
            path: PathBuf::from("symbolon.toml"),
            content: FileText {
                text: toml.to_owned(),
                mode: Some(0o100_600),
            },
        }),
        environment: BTreeMap::from([("SYMBOLON_KEYS_ENCRYPTION_KEY".to_owned(), KEY.to_owned())]),
        overrides: Vec::new(),
        read_file: Box::new(read_file),
        run_command: Box::new(|_| Err(CommandError::Failed(127))),
        dangerous_key_timings: false,
        cores: NonZeroUsize::MIN,
    };
    load(&sources, Mode::Production).unwrap().settings
}

fn patient(settings: Settings) -> Patient {
    Patient {
        settings: Arc::new(settings),
        mode: Mode::Production,
        clock: Arc::new(SystemClock::new()),
        runs: false,
    }
}

#[track_caller]
fn assert(checks: &[Check], name: Name, outcome: Outcome, says: &str) {
    let check = checks.iter().find(|check| check.name == name).unwrap();
    assert_eq!(check.outcome, outcome, "{check:?}");
    assert!(check.detail.contains(says), "{check:?}");
    let mended = check.remedy.is_some();
    let wanted = matches!(outcome, Outcome::Failed | Outcome::Warning);
    assert_eq!(mended, wanted, "{check:?}");
}

/// The settings of an installation whose database a server has used.
async fn used(folder: &Path, toml: &str) -> Settings {
    let settings = on_file(folder, toml);
    start_once(&settings).await;
    settings
}

fn on_file(folder: &Path, toml: &str) -> Settings {
    let database = folder.join("symbolon.db");
    settings(&format!(
        "{HTTP}database.url = \"sqlite:{}\"\n{toml}",
        database.display()
    ))
}

/// Makes what a server makes at its first start.
async fn start_once(settings: &Settings) {
    let clock = cluster_clock(settings, Arc::new(SystemClock::new()));
    let stores = Stores::open_database_alone(settings, clock, &SystemRng)
        .await
        .unwrap();
    claim_issuer(&stores.sql, settings.issuer.as_str(), false)
        .await
        .unwrap();
    let around = Surroundings {
        rng: Arc::new(SystemRng),
        wraps: Wraps::default(),
    };
    let node = Node::open(settings, stores, around).await.unwrap();
    node.store.close().await;
}

fn other_key(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    let key = KeyEncryptionKey::from_base64(OTHER_KEY).unwrap();
    settings.keys.encryption_keys = Arc::new(EncryptionKeys::new(key, Vec::new()));
    settings
}

#[tokio::test]
async fn a_sound_installation_on_a_file_passes() {
    let folder = TempDir::new().unwrap();
    let settings = used(folder.path(), "").await;
    let checks = examine(&patient(settings)).await;
    let failed = checks.iter().filter(|check| check.outcome == Outcome::Failed);
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<&Check>::new());
    let opens = format!("{} server secrets and 2 signing keys", SecretPurpose::ALL.len());
    for (name, says) in [
        (Name::ClockDatabase, "SQLite has no clock"),
        (Name::DatabaseConnection, "can be opened"),
        (Name::DatabaseFile, "file system of this machine"),
        (Name::DatabaseDurability, "WAL"),
        (Name::DatabaseSchema, "every step is taken"),
        (Name::DatabaseIssuer, "belongs to this issuer"),
        (Name::KeysEncryption, &*opens),
        (Name::KeysActive, "an active key for ES256"),
        (Name::KeysRotation, "nothing is overdue"),
    ] {
        assert(&checks, name, Outcome::Ok, says);
    }
    assert(
        &checks,
        Name::RedisConnection,
        Outcome::Skipped,
        "`redis.url` is not set",
    );
    assert(
        &checks,
        Name::ReachabilityIssuer,
        Outcome::Skipped,
        "--before-start",
    );
    // Everything is in the report, if only to say that it was skipped.
    for name in Name::ALL {
        let own = [Name::Configuration, Name::ClockMachine].contains(name);
        assert!(own || checks.iter().any(|check| check.name == *name), "{name:?}");
    }
}

#[tokio::test]
async fn a_database_that_a_server_has_not_used_yet_is_not_touched() {
    let folder = TempDir::new().unwrap();
    let settings = on_file(folder.path(), "");
    let checks = examine(&patient(settings.clone())).await;
    assert(&checks, Name::DatabaseConnection, Outcome::Warning, "there is no");
    assert(
        &checks,
        Name::KeysActive,
        Outcome::Skipped,
        "there is no database",
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let config = SqlConfig::new(&*settings.database.url);
    let store = SqlStore::connect(&config, Arc::new(SystemClock::new()))
        .await
        .unwrap();
    let checks = examine(&patient(settings.clone())).await;
    assert(
        &checks,
        Name::DatabaseSchema,
        Outcome::Warning,
        "steps are pending",
    );
    assert(
        &checks,
        Name::KeysActive,
        Outcome::Skipped,
        "see `database.schema`",
    );
    let mut by_hand = settings.clone();
    by_hand.database.migrate_on_start = false;
    let checks = examine(&patient(by_hand)).await;
    assert(&checks, Name::DatabaseSchema, Outcome::Failed, "migrate_on_start");
    assert!(!store.pending_migrations().await.unwrap().is_empty());

    store.migrate(&SystemRng).await.unwrap();
    let checks = examine(&patient(settings)).await;
    assert(&checks, Name::DatabaseIssuer, Outcome::Ok, "no issuer yet");
    assert(
        &checks,
        Name::KeysEncryption,
        Outcome::Ok,
        "there are no keys yet",
    );
    assert(&checks, Name::KeysActive, Outcome::Skipped, "first start");
    assert!(store.secrets().await.unwrap().is_empty());
    store.close().await;
}

#[tokio::test]
async fn another_encryption_key_algorithm_or_issuer_fails_alone() {
    let folder = TempDir::new().unwrap();
    let settings = used(folder.path(), "").await;
    let checks = examine(&patient(other_key(&settings))).await;
    assert(
        &checks,
        Name::KeysEncryption,
        Outcome::Failed,
        "could not be opened",
    );
    assert(&checks, Name::KeysActive, Outcome::Ok, "ES256");
    let texts = serde_json::to_string(&checks).unwrap();
    assert!(!texts.contains(KEY) && !texts.contains(OTHER_KEY));

    let more = on_file(folder.path(), "keys.algorithms = [\"ES256\", \"EdDSA\"]");
    let checks = examine(&patient(more)).await;
    assert(
        &checks,
        Name::KeysActive,
        Outcome::Failed,
        "no active key for EdDSA",
    );
    assert(&checks, Name::KeysEncryption, Outcome::Ok, "signing keys");

    let mut moved = settings.clone();
    moved.issuer = crate::config::Issuer::loopback("127.0.0.1:9".parse().unwrap());
    let checks = examine(&patient(moved.clone())).await;
    let says = "`issuer` is http://127.0.0.1:9, and the database belongs to http://127.0.0.1:8080";
    assert(&checks, Name::DatabaseIssuer, Outcome::Failed, says);
    let mut dev = patient(moved);
    dev.mode = Mode::Dev;
    let checks = examine(&dev).await;
    assert(&checks, Name::DatabaseIssuer, Outcome::Skipped, "development");
}

#[tokio::test]
async fn a_file_that_is_no_database_fails() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("symbolon.db"), "not a database. ".repeat(100)).unwrap();
    let checks = examine(&patient(on_file(folder.path(), ""))).await;
    assert(
        &checks,
        Name::DatabaseDurability,
        Outcome::Failed,
        "no sound database",
    );
    assert(&checks, Name::DatabaseConnection, Outcome::Failed, "");
    assert(
        &checks,
        Name::DatabaseSchema,
        Outcome::Skipped,
        "database.connection",
    );
}

#[tokio::test]
async fn a_cluster_of_nodes_passes_and_what_is_gone_fails_alone() {
    let (postgres, redis) = (Postgres::shared(), Redis::start(&["--appendonly", "yes"]));
    let toml = format!(
        "{HTTP}database.url = \"{}\"\nredis.url = \"{}\"\ndatabase.clock_tolerance = \"1s\"",
        postgres.fresh_database().await,
        redis.url()
    );
    let settings = settings(&toml);
    start_once(&settings).await;
    let checks = examine(&patient(settings.clone())).await;
    let failed = checks.iter().filter(|check| check.outcome == Outcome::Failed);
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<&Check>::new());
    for (name, says) in [
        (Name::ClockDatabase, "the database's, known to"),
        (Name::ClockRedis, &*redis.address()),
        (Name::DatabaseConnection, "PostgreSQL"),
        (Name::DatabaseTls, "stays on this machine"),
        (Name::DatabaseCapacity, "room for"),
        (Name::DatabaseSchema, "every step"),
        (Name::KeysActive, "ES256"),
        (Name::RedisConnection, "version"),
        (Name::RedisTls, "stay on this machine"),
        (Name::RedisPersistence, "appended"),
        (Name::RedisMemory, "evicts nothing"),
        (Name::RedisReplicas, "by the primary alone"),
    ] {
        assert(&checks, name, Outcome::Ok, says);
    }

    redis.kill();
    let mut lost = settings.clone();
    lost.database.url = "postgres://ops:hunter2@127.0.0.1:1/gone".to_owned();
    let checks = examine(&patient(lost)).await;
    assert(&checks, Name::RedisConnection, Outcome::Failed, &redis.address());
    assert(&checks, Name::RedisMemory, Outcome::Skipped, "redis.connection");
    assert(&checks, Name::DatabaseConnection, Outcome::Failed, "");
    assert(&checks, Name::KeysActive, Outcome::Skipped, "database.connection");
    assert!(!serde_json::to_string(&checks).unwrap().contains("hunter2"));
    // What has nothing to do with either was checked.
    assert(&checks, Name::ProxiesTrusted, Outcome::Ok, "no proxy");
}

async fn on_redis(url: &str, toml: &str) -> Vec<Check> {
    let settings = settings(&format!("{HTTP}redis.url = \"{url}\"\n{toml}"));
    redis::checks(&patient(settings)).await
}

#[tokio::test]
async fn a_redis_that_forgets_is_told() {
    let redis = Redis::start(&["--requirepass", "hunter2"]);
    let url = format!("redis://:hunter2@{}", redis.address());
    let cli = |line: &str| {
        let arguments: Vec<_> = "--no-auth-warning -a hunter2"
            .split(' ')
            .chain(line.split(' '))
            .collect();
        redis.cli(&arguments)
    };
    let checks = on_redis(&url, "redis.replicas = 1").await;
    assert(&checks, Name::RedisConnection, Outcome::Ok, "version");
    assert(&checks, Name::RedisPersistence, Outcome::Warning, "appendonly no");
    assert(
        &checks,
        Name::RedisReplicas,
        Outcome::Warning,
        "0 replicas and `redis.replicas` is 1",
    );
    cli("CONFIG SET maxmemory-policy allkeys-lru");
    let checks = on_redis(&url, "").await;
    assert(&checks, Name::RedisMemory, Outcome::Warning, "allkeys-lru");
    cli("CONFIG SET maxmemory 100mb");
    let checks = on_redis(&url, "").await;
    assert(&checks, Name::RedisMemory, Outcome::Failed, "evicts sessions");
    cli("CONFIG SET maxmemory-policy noeviction");
    cli("CONFIG SET maxmemory 1mb");
    let checks = on_redis(&url, "").await;
    assert(&checks, Name::RedisMemory, Outcome::Warning, "of 1 MiB");
    cli("REPLICAOF 127.0.0.1 1");
    let checks = on_redis(&url, "").await;
    assert(&checks, Name::RedisConnection, Outcome::Failed, "is a replica");
    cli("REPLICAOF NO ONE");
    cli("ACL SETUSER blind on >hunter3 ~* &* +@all -info");
    let blind = format!("redis://blind:hunter3@{}", redis.address());
    let checks = on_redis(&blind, "").await;
    assert(&checks, Name::RedisConnection, Outcome::Ok, "no INFO of");
    assert(
        &checks,
        Name::RedisMemory,
        Outcome::Skipped,
        "does not answer INFO",
    );
    let wrong = on_redis(&format!("redis://:hunter4@{}", redis.address()), "").await;
    assert(&wrong, Name::RedisConnection, Outcome::Failed, &redis.address());
    for checks in [checks, wrong] {
        assert!(!serde_json::to_string(&checks).unwrap().contains("hunter"));
    }
}

#[tokio::test]
async fn sentinels_lead_to_the_primary_and_clusters_have_many() {
    let primary = Redis::start(&[]);
    let sentinel = Redis::sentinel_of(&primary, "main", &[]);
    let url = format!("redis://127.0.0.1:1,{}", sentinel.address());
    let named = "redis.mode = \"sentinel\"\nredis.sentinel_service = \"main\"";
    let checks = on_redis(&url, named).await;
    assert(&checks, Name::RedisConnection, Outcome::Ok, &primary.address());
    let unnamed = named.replace("\"main\"", "\"other\"");
    let checks = on_redis(&url, &unnamed).await;
    assert(
        &checks,
        Name::RedisConnection,
        Outcome::Failed,
        "`redis.sentinel_service`",
    );

    let cluster = RedisCluster::start(&[]);
    let clustered = "redis.mode = \"cluster\"";
    let checks = on_redis(&cluster.url(), clustered).await;
    assert(
        &checks,
        Name::RedisConnection,
        Outcome::Ok,
        &cluster.node(2).address(),
    );
    cluster.kill(1);
    cluster
        .node(0)
        .wait_for(&["CLUSTER", "INFO"], "cluster_state:fail");
    let checks = on_redis(&cluster.url(), clustered).await;
    assert(&checks, Name::RedisConnection, Outcome::Failed, "cluster_state");
}

#[tokio::test]
async fn a_store_that_stands_still_fails_in_the_end_and_hides_nothing() {
    let redis = Redis::start(&[]);
    redis.freeze();
    let checks = on_redis(&redis.url(), "redis.response_timeout = \"100ms\"").await;
    assert(
        &checks,
        Name::RedisConnection,
        Outcome::Failed,
        "no answer in time",
    );
    redis.thaw();
}

#[test]
fn off_this_machine_redis_wants_tls() {
    for (url, outcome) in [
        ("redis://localhost,127.0.0.1:6380,[::1]:1", Outcome::Ok),
        ("redis://u:p@localhost:6379/1", Outcome::Ok),
        ("redis://localhost,redis.internal", Outcome::Warning),
        ("rediss://redis.internal", Outcome::Ok),
    ] {
        let mode = if url.contains(',') { "cluster" } else { "single" };
        let settings = settings(&format!("{HTTP}redis.url = \"{url}\"\nredis.mode = \"{mode}\""));
        let check = redis::tls(settings.redis.as_ref().unwrap());
        assert_eq!(check.outcome, outcome, "{url}: {check:?}");
    }
}

/// A run without a configuration: nobody gives one to the tests' process.
async fn run_without(json: bool, config: Option<&str>) -> (CliError, String) {
    let global = GlobalArgs {
        config: config.map(PathBuf::from),
        ..GlobalArgs::default()
    };
    let mut written = Vec::new();
    let mut out = Output {
        out: &mut written,
        err: &mut Vec::new(),
        json,
    };
    let clock = Arc::new(SystemClock::new());
    let error = run(&global, clock, &mut out, DoctorArgs::default())
        .await
        .unwrap_err();
    (error, String::from_utf8(written).unwrap())
}

#[tokio::test]
async fn a_configuration_that_does_not_load_hides_nothing_that_needs_none() {
    let (error, written) = run_without(true, None).await;
    assert_eq!((error.kind, error.kind.exit_code()), (ErrorKind::Unhealthy, 7));
    let report: Value = serde_json::from_str(&written).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let outcomes = |name: &str| -> Vec<&str> {
        let own = checks.iter().filter(|check| check["name"] == name);
        own.map(|check| check["outcome"].as_str().unwrap()).collect()
    };
    // Both settings that are missing.
    assert_eq!(outcomes("configuration"), ["failed", "failed"]);
    assert_eq!(outcomes("clock.machine"), ["ok"]);
    assert_eq!(outcomes("limits.open_files"), ["ok"]);
    assert_eq!(outcomes("database.connection"), ["skipped"]);
    for name in Name::ALL {
        assert!(!outcomes(name.as_str()).is_empty(), "{name:?}");
    }
    let (error, written) = run_without(true, Some("/no/such/file.toml")).await;
    assert_eq!(error.kind, ErrorKind::Unhealthy);
    assert!(written.contains("/no/such/file.toml"));
}

#[tokio::test]
async fn people_read_a_line_for_each_check_and_its_remedy_below() {
    let (error, written) = run_without(false, None).await;
    assert_eq!(
        error.to_string(),
        "2 checks failed: configuration, configuration; do what the report says, then run `symbolon doctor` again"
    );
    let mut lines = written.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with("failed   configuration "), "{first}");
    let second = lines.next().unwrap();
    assert!(second.trim_start().starts_with("remedy: "), "{second}");
}

#[test]
fn hostile_text_can_not_forge_a_line() {
    let text = text(&[Check::failed(
        Name::ReachabilityIssuer,
        "x\nok       configuration",
        "a\u{1b}[2Jb",
    )]);
    assert_eq!(text.lines().count(), 2);
    assert!(
        text.contains("x\\u{a}ok") && text.contains("a\\u{1b}[2Jb"),
        "{text}"
    );
}

#[test]
fn the_manual_tells_of_every_check() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    for name in Name::ALL {
        assert!(manual.contains(&format!("| `{}` |", name.as_str())), "{name:?}");
    }
}
