//! The whole of the doctor over real stores: what a server has used, what it has not, what is gone.

use std::path::Path;

use symbolon_core::SystemRng;
use symbolon_core::ports::ServerStore as _;
use symbolon_core::secret::SecretPurpose;
use symbolon_jose::{EncryptionKeys, KeyEncryptionKey};
use symbolon_store_sql::{SqlConfig, SqlStore};
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use tempfile::TempDir;

use super::*;
use crate::node::{Node, Stores, Surroundings, Wraps, claim_issuer, cluster_clock};

const OTHER_KEY: &str = "HxwdHhsYGRoXFBUWExAREg8MDQ4LCAkKBwQFBgMAAQI=";

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
    assert(&checks, Name::ListenServer, Outcome::Ok, "any free port");
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
