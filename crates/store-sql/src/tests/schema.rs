use sea_orm::ConnectionTrait;
use symbolon_core::UnixMillis;
use symbolon_core::keys::{KeyState, ScheduleTime};
use symbolon_core::ports::{KeyStore, RevocationLog, StoreError};
use symbolon_migrations::{Migrator, MigratorTrait};

use super::*;
use crate::error::unless_taken;
use crate::transaction::Lock;

on_each_database!(
    a_database_of_a_newer_version_is_left_alone,
    a_newer_version_that_says_so_is_stood_beside,
    keys_of_the_first_version_come_through,
    steps_are_listed_taken_once_and_listed_as_taken,
);

const STEPS: [&str; 6] = [
    "0001_ground",
    "0002_key_schedule",
    "0003_tips_beside_0002",
    "0004_verifiers_beside_0002",
    "0005_audit_beside_0002",
    "0006_admin_beside_0002",
];

async fn steps_are_listed_taken_once_and_listed_as_taken(place: &Place) {
    let store = opened(&place.url).await;
    assert_eq!(store.pending_migrations().await.unwrap(), STEPS);
    let error = store.head().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(why) if why.contains("symbolon migrate")),
        "{error:?}"
    );
    assert_eq!(
        store.pending_migrations().await.unwrap(),
        STEPS,
        "looking changes nothing"
    );
    assert_eq!(store.migrate(&SeqRng::new()).await.unwrap(), 6);
    let log = store.head().await.unwrap().log;
    assert_eq!(log.get_version_num(), 4);
    assert_eq!(store.migrate(&SeqRng::starting_at(9)).await.unwrap(), 0);
    assert_eq!(store.head().await.unwrap().log, log, "a log keeps its identity");
    assert!(store.pending_migrations().await.unwrap().is_empty());
    let taken = STEPS.map(|name| crate::MigrationState {
        name: name.into(),
        applied: true,
    });
    assert_eq!(store.migration_status().await.unwrap(), taken);
}

/// Keys of the first version stay what they are, but for private keys that nobody needs and a second pending key.
async fn keys_of_the_first_version_come_through(place: &Place) {
    let store = opened(&place.url).await;
    let tx = store.writing(Lock::Rows).await.unwrap();
    Migrator::up(tx.unbounded(), Some(1)).await.unwrap();
    let keys = "INSERT INTO signing_keys (kid, alg, state, published_ms, activated_ms, retiring_ms, retired_ms, \
        compromised_ms, wrapped, created_ms) VALUES \
        ('a', 'ES256', 'active', 1, 2, NULL, NULL, NULL, 'jwe', 1), \
        ('b', 'ES256', 'pending', 3, NULL, NULL, NULL, NULL, 'jwe', 2), \
        ('c', 'ES256', 'pending', 4, NULL, NULL, NULL, NULL, 'jwe', 3), \
        ('d', 'RS256', 'pending', 5, NULL, NULL, NULL, NULL, 'jwe', 4), \
        ('e', 'RS256', 'retiring', 6, NULL, 7, NULL, NULL, 'jwe', 5), \
        ('f', 'ES256', 'retired', NULL, NULL, NULL, 8, NULL, 'jwe', 6), \
        ('g', 'ES256', 'compromised', NULL, NULL, NULL, NULL, 9, 'jwe', 7)";
    tx.execute_unprepared(keys).await.unwrap();
    crate::transaction::commit(tx).await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), STEPS[1..]);

    assert_eq!(store.migrate(&SeqRng::new()).await.unwrap(), 5);
    let at = UnixMillis;
    let expected = [
        (
            "g",
            KeyState::Compromised {
                activated: None,
                compromised: at(9),
            },
            "",
        ),
        (
            "f",
            KeyState::Retired {
                activated: None,
                retired: at(8),
            },
            "",
        ),
        (
            "e",
            KeyState::Retiring {
                published: at(6),
                activated: at(6),
                retiring: at(7),
            },
            "jwe",
        ),
        ("d", KeyState::Pending { published: at(5) }, "jwe"),
        (
            "c",
            KeyState::Retired {
                activated: None,
                retired: at(4),
            },
            "",
        ),
        ("b", KeyState::Pending { published: at(3) }, "jwe"),
        (
            "a",
            KeyState::Active {
                published: at(1),
                activated: at(2),
            },
            "jwe",
        ),
    ];
    let kept = store.key_history(10).await.unwrap();
    let kept: Vec<_> = kept
        .iter()
        .map(|key| (key.kid.as_str(), key.state, &*key.wrapped))
        .collect();
    assert_eq!(kept, expected);
    let listed = store.signing_keys().await.unwrap();
    assert!(listed.iter().all(|key| key.entered == ScheduleTime(0)));
    assert_eq!(listed.len(), 4);
    let second = "UPDATE signing_keys SET state = 'pending' WHERE kid = 'c'";
    let error = store.inner.write.execute_unprepared(second).await.unwrap_err();
    assert!(unless_taken::<()>(Err(error)).unwrap().is_none());
}

async fn a_database_of_a_newer_version_is_left_alone(place: &Place) {
    let store = migrated_at(&place.url).await;
    took(&store, "9999_future").await;
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

async fn a_newer_version_that_says_so_is_stood_beside(place: &Place) {
    let store = migrated_at(&place.url).await;
    took(&store, "9999_future_beside_0002").await;
    assert_eq!(store.migrate(&SeqRng::new()).await.unwrap(), 0);
    assert!(store.pending_migrations().await.unwrap().is_empty());
    let last = store.migration_status().await.unwrap().pop().unwrap();
    assert_eq!((&*last.name, last.applied), ("9999_future_beside_0002", true));
    // Steps are taken in order: what is between is of another line of versions.
    let gone = "DELETE FROM seaql_migrations WHERE version = '0002_key_schedule'";
    store.inner.write.execute_unprepared(gone).await.unwrap();
    let error = store.migrate(&SeqRng::new()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

async fn took(store: &SqlStore, step: &str) {
    let newer = format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{step}', 0)");
    store.inner.write.execute_unprepared(&newer).await.unwrap();
}
