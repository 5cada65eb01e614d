//! Who waits for whom.

use symbolon_core::ports::RevocationLog;
use symbolon_core::revocation::NewRevocation;

use super::*;
use crate::transaction::{Lock, commit};

/// Waits until so many wait for a lock in the database.
async fn until_waiting(url: &str, count: usize) {
    let waiting = format!(
        "SELECT count(*) FROM pg_locks WHERE NOT granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = '{}')",
        database_name(url)
    );
    for _ in 0..1_000 {
        if Postgres::shared().sql("postgres", &waiting) == count.to_string() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{count} should wait for a lock");
}

/// A login that has found nothing new is committed before any revocation, and one that comes while a revocation waits
/// waits behind it: however many come, the revocation has its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_waits_for_those_who_decide_and_no_longer() {
    let url = database().await;
    let patient = SqlConfig {
        statement_timeout: Duration::from_secs(60),
        ..config(&url)
    };
    let (store, other) = (opened_by(&patient).await, opened_by(&patient).await);
    let request = begun(&store).await;
    let deciding = [
        store.writing(Lock::Head).await.unwrap(),
        store.writing(Lock::Head).await.unwrap(),
    ];
    let revocation = NewRevocation::all(request.now);
    let append = tokio::spawn({
        let other = other.clone();
        async move { other.append(&revocation, request.now).await }
    });
    until_waiting(&url, 1).await;
    let late = tokio::spawn({
        let store = store.clone();
        async move { store.begin(&new_session(request.now), request.applied).await }
    });
    until_waiting(&url, 2).await;
    for deciding in deciding {
        assert!(!append.is_finished() && !late.is_finished());
        assert_eq!(
            other.head().await.unwrap(),
            request.applied,
            "a poll waits for nobody"
        );
        commit(deciding).await.unwrap();
    }
    assert_eq!(append.await.unwrap().unwrap().head.seq, 1);
    assert_eq!(late.await.unwrap().unwrap(), Begin::CatchUp);
}

/// While one changes facts, nobody else changes any, nor decides by them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_changes_facts_is_alone() {
    let url = database().await;
    let patient = SqlConfig {
        statement_timeout: Duration::from_secs(60),
        ..config(&url)
    };
    let (store, other) = (opened_by(&patient).await, opened_by(&patient).await);
    let request = begun(&store).await;
    let changing = store.writing(Lock::HeadAlone).await.unwrap();
    let revocation = NewRevocation::all(request.now);
    let append = tokio::spawn({
        let other = other.clone();
        async move { other.append(&revocation, request.now).await }
    });
    let rotate = tokio::spawn({
        let other = other.clone();
        async move { other.rotate(&request).await }
    });
    until_waiting(&url, 2).await;
    assert!(!append.is_finished() && !rotate.is_finished());
    drop(changing);
    assert_eq!(append.await.unwrap().unwrap().head.seq, 1);
    rotate.await.unwrap().unwrap();
}
