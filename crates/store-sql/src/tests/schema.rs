use sea_orm::ConnectionTrait;
use symbolon_core::ports::{RevocationLog, StoreError};

use super::*;

const FIRST: &str = "0001_ground";

#[tokio::test]
async fn steps_are_listed_taken_once_and_listed_as_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&url(&folder.path().join("db")), Patience::DEFAULT).await;
    assert_eq!(store.pending_migrations().await.unwrap(), [FIRST]);
    let error = store.head().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(why) if why.contains("symbolon migrate")),
        "{error:?}"
    );
    assert_eq!(
        store.pending_migrations().await.unwrap(),
        [FIRST],
        "looking changes nothing"
    );
    assert_eq!(store.migrate(&SeqRng::new()).await.unwrap(), 1);
    let log = store.head().await.unwrap().log;
    assert_eq!(log.get_version_num(), 4);
    assert_eq!(store.migrate(&SeqRng::starting_at(9)).await.unwrap(), 0);
    assert_eq!(store.head().await.unwrap().log, log, "a log keeps its identity");
    assert!(store.pending_migrations().await.unwrap().is_empty());
    let taken = crate::MigrationState {
        name: FIRST.into(),
        applied: true,
    };
    assert_eq!(store.migration_status().await.unwrap(), [taken]);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = migrated(&folder.path().join("db")).await;
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('9999_future', 0)";
    store.inner.write.execute_unprepared(newer).await.unwrap();
    for error in [
        store.migrate(&SeqRng::new()).await.unwrap_err(),
        store.pending_migrations().await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, StoreError::Unavailable(why) if why.contains("9999_future")),
            "{error:?}"
        );
    }
}
