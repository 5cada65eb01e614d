use sea_orm::ConnectionTrait;
use symbolon_core::ports::{RevocationLog, StoreError};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rotation::Rotation;

use super::*;
use crate::connection::Connections;

#[cfg(unix)]
#[tokio::test]
async fn files_and_folders_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/db");
    let store = migrated(&path).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let mut files = 0;
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        files += 1;
    }
    assert_eq!(files, 3, "the database, its log, and the log's index");
    store.close().await;
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = migrated(&path).await;
    let mut request = begun(&store).await;
    let first = store.rotate(&request).await.unwrap();
    let revocation = NewRevocation::subject(request.subject, request.now);
    let head = store.append(&revocation, request.now).await.unwrap().head;
    drop(store);

    let store = migrated(&path).await;
    assert_eq!(store.head().await.unwrap(), head, "the log keeps its identity");
    let entries = store.entries(0, request.now, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].seq, entries[0].entry), (head.seq, revocation.entry));
    request.applied = head;
    let Rotation::Rotated {
        generation, issued, ..
    } = first
    else {
        panic!("{first:?}");
    };
    let again = Rotation::Replayed {
        generation,
        issued,
        late: false,
    };
    assert_eq!(store.rotate(&request).await.unwrap(), again);
}

#[tokio::test]
async fn every_connection_is_set_to_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = migrated(&folder.path().join("db")).await;
    for pool in [&store.inner.read, &store.inner.write] {
        for (pragma, expected) in [("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5_000)] {
            assert_eq!(pragma_of::<i32>(pool, pragma).await, expected, "{pragma}");
        }
        assert_eq!(pragma_of::<String>(pool, "journal_mode").await, "wal");
    }
}

async fn pragma_of<T: sea_orm::TryGetable>(pool: &Connections, name: &str) -> T {
    let statement = sea_orm::Statement::from_string(pool.get_database_backend(), format!("PRAGMA {name}"));
    let row = pool.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let letter = "Dear diary, this is not a database. ".repeat(100);
    std::fs::write(&path, &letter).unwrap();
    let config = SqlConfig {
        max_connections: 1,
        ..SqlConfig::new(url(&path))
    };
    let error = SqlStore::connect(&config, Arc::new(FakeClock::new())).await;
    assert!(matches!(error, Err(StoreError::Corrupt(_))), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter);
}

/// While another writes a file that is new, SQLite does not switch it to write-ahead logging, nor wait until it can.
#[tokio::test]
async fn a_new_file_that_another_writes_is_waited_for() {
    use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
    use sea_orm::sqlx::{ConnectOptions, Connection, Executor};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Delete);
    let mut writer = options.connect().await.unwrap();
    let mut writing = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    writing.execute("CREATE TABLE t (x)").await.unwrap();
    let config = SqlConfig {
        max_connections: 1,
        ..SqlConfig::new(url(&path))
    };
    let impatient = SqlConfig {
        statement_timeout: Duration::ZERO,
        ..config.clone()
    };
    let clock = Arc::new(FakeClock::new());
    let refused = SqlStore::connect(&impatient, clock.clone()).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("locked")),
        "{refused:?}"
    );
    let opening = tokio::spawn(async move { SqlStore::connect(&config, clock).await });
    // Whenever the writer ends, the store opens; a little later than at once, so that it has had to wait.
    tokio::time::sleep(Duration::from_millis(50)).await;
    writing.commit().await.unwrap();
    writer.close().await.unwrap();
    opening.await.unwrap().unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn urls_that_are_not_understood_are_refused() {
    for (url, part) in [
        ("mysql://localhost/x", "sqlite:"),
        ("/var/lib/symbolon/db", "sqlite:"),
        ("sqlite:", "no file"),
        ("sqlite://", "no file"),
        ("sqlite:/tmp/symbolon-x?mode=rwc", "`?`"),
        ("sqlite:/proc/symbolon/db", "/proc/symbolon/db"),
    ] {
        let config = SqlConfig {
            max_connections: 1,
            ..SqlConfig::new(url)
        };
        let error = SqlStore::connect(&config, Arc::new(FakeClock::new()))
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains(part), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_store_that_is_closed_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let store = migrated(&folder.path().join("db")).await;
    let request = begun(&store).await;
    store.ping().await.unwrap();
    store.close().await;
    let unavailable = |error| matches!(error, StoreError::Unavailable(_));
    assert!(unavailable(store.ping().await.unwrap_err()));
    assert!(unavailable(store.head().await.unwrap_err()));
    assert!(unavailable(store.rotate(&request).await.unwrap_err()));
    let revocation = NewRevocation::all(request.now);
    assert!(unavailable(
        store.append(&revocation, request.now).await.unwrap_err()
    ));
}
