use symbolon_core::ports::{RevocationLog, StoreError};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rotation::Rotation;
use tokio::task::JoinSet;

use super::*;
use crate::transaction::Lock;

fn is_rotated(outcome: &Rotation) -> bool {
    matches!(
        outcome,
        Rotation::Rotated {
            generation: 1,
            adopted: false,
            ..
        }
    )
}

#[tokio::test]
async fn while_another_process_writes_too_long_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = impatient(&folder).await;
    let request = begun(&store).await;
    let locked = other.writing(Lock::Rows).await.unwrap();
    let revocation = NewRevocation::all(request.now);
    let errors = [
        store.rotate(&request).await.unwrap_err(),
        store.append(&revocation, request.now).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    assert_eq!(
        store.head().await.unwrap(),
        request.applied,
        "readers do not wait for writers"
    );
    drop(locked);
    // The first to come after the lock is given back may find it still held.
    other.migrate(&SeqRng::new()).await.unwrap();
    assert!(is_rotated(&store.rotate(&request).await.unwrap()));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_serves_those_who_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (store, other) = (migrated(&path).await, migrated(&path).await);
    let request = begun(&store).await;
    let locked = other.writing(Lock::Rows).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..1_200 {
        let store = store.clone();
        tasks.spawn(async move { store.rotate(&request).await });
    }
    let first = tasks.join_next().await.unwrap().unwrap();
    assert!(
        matches!(&first, Err(StoreError::Unavailable(why)) if why == "too many rotations wait"),
        "{first:?}"
    );
    drop(locked);
    let outcomes = tasks.join_all().await;
    let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((1_024..=1_024 + 64).contains(&served), "{served}");
    let rotated = outcomes.iter().flatten().filter(|outcome| is_rotated(outcome));
    assert_eq!(rotated.count(), 1);
}

#[tokio::test]
async fn who_goes_away_has_rotated_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (store, other) = (migrated(&path).await, migrated(&path).await);
    let request = begun(&store).await;
    let locked = other.writing(Lock::Rows).await.unwrap();
    let rotation = store.rotate(&request);
    tokio::select! {
        biased;
        outcome = rotation => panic!("{outcome:?} while the database is locked"),
        () = tokio::task::yield_now() => {}
    }
    drop(locked);
    let again = store.rotate(&request).await.unwrap();
    assert!(
        matches!(again, Rotation::Replayed { generation: 1, .. }),
        "{again:?}"
    );
}
