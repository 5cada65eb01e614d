use std::collections::BTreeSet;

use symbolon_core::keys::{
    KeyAuthority, KeyChange, KeyChangeOutcome, KeyState, ScheduleTime, SigningKeyRecord,
};
use symbolon_core::ports::{KeyStore, RevocationLog};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rotation::Rotation;
use symbolon_jose::{Kid, SigningAlg};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_give_one_token_one_successor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let stores = [migrated(&path).await, migrated(&path).await];
    let request = begun(&stores[0]).await;
    let mut tasks = JoinSet::new();
    for i in 0..50 {
        let store = stores[i % 2].clone();
        tasks.spawn(async move { store.rotate(&request).await.unwrap() });
    }
    let outcomes = tasks.join_all().await;
    let rotated = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Rotation::Rotated { generation: 1, .. }));
    let replayed = outcomes.iter().filter(
        |outcome| matches!(outcome, Rotation::Replayed { generation: 1, issued, .. } if *issued == request.now),
    );
    assert_eq!((rotated.count(), replayed.count()), (1, 49));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_write_one_gapless_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let stores = [migrated(&path).await, migrated(&path).await];
    let now = FakeClock::START;
    let mut tasks = JoinSet::new();
    for i in 0..50 {
        let store = stores[i % 2].clone();
        tasks.spawn(async move {
            let revocation = NewRevocation::all(now);
            store.append(&revocation, now).await.unwrap().head.seq
        });
    }
    let seqs: BTreeSet<_> = tasks.join_all().await.into_iter().collect();
    assert_eq!(seqs, (1..=50).collect());
    for store in stores {
        assert_eq!(store.head().await.unwrap().seq, 50);
        assert_eq!(store.entries(0, now, 100).await.unwrap().len(), 50);
    }
}

/// Of many leases taken at once by two processes one is given, and of many changes under it one is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_act_on_one_lease_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let stores = [migrated(&path).await, migrated(&path).await];
    let mut tasks = JoinSet::new();
    for i in 0..50 {
        let store = stores[i % 2].clone();
        let holder = Uuid::from_u128(i as u128);
        tasks.spawn(async move {
            let (now, ttl) = (FakeClock::START, Duration::from_secs(30));
            store
                .take_key_lease(holder, now, ttl, ScheduleTime(0))
                .await
                .unwrap()
        });
    }
    let leases: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let [lease] = leases[..] else {
        panic!("one lease: {leases:?}");
    };
    let mut tasks = JoinSet::new();
    for i in 0..50 {
        let store = stores[i % 2].clone();
        let change = KeyChange {
            authority: KeyAuthority::Lease(lease),
            at: ScheduleTime(1),
            moves: Vec::new(),
            add: vec![SigningKeyRecord {
                kid: Kid::parse(&format!("key-{i}")).unwrap(),
                alg: SigningAlg::Es256,
                state: KeyState::Pending {
                    published: FakeClock::START,
                },
                entered: ScheduleTime(1),
                wrapped: "jwe".into(),
                certificates: None,
                created: FakeClock::START,
            }],
            entries: Vec::new(),
        };
        tasks.spawn(async move { store.change_keys(&change).await.unwrap() });
    }
    let outcomes = tasks.join_all().await;
    let done = outcomes
        .iter()
        .filter(|outcome| **outcome == KeyChangeOutcome::Done);
    let conflicts = outcomes
        .iter()
        .filter(|outcome| **outcome == KeyChangeOutcome::Conflict);
    assert_eq!((done.count(), conflicts.count()), (1, 49));
    for store in stores {
        assert_eq!(store.signing_keys().await.unwrap().len(), 1);
        assert_eq!(store.head().await.unwrap().facts, 1);
    }
}

/// A revocation by one process stands between any two rotations by the other: none is answered after the append was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_by_another_process_holds_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (store, other) = (migrated(&path).await, migrated(&path).await);
    let request = begun(&store).await;
    let revocation = NewRevocation::subject(request.subject, request.now);
    other.append(&revocation, request.now).await.unwrap();
    assert_eq!(store.rotate(&request).await.unwrap(), Rotation::CatchUp);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_take_each_step_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut tasks = JoinSet::new();
    for i in 0..4 {
        let url = url(&path);
        tasks.spawn(async move {
            let store = opened(&url).await;
            let taken = store.migrate(&SeqRng::starting_at(i * 2)).await.unwrap();
            (taken, store.head().await.unwrap().log)
        });
    }
    let outcomes = tasks.join_all().await;
    let logs: BTreeSet<_> = outcomes.iter().map(|(_, log)| *log).collect();
    let taken: u32 = outcomes.iter().map(|(taken, _)| taken).sum();
    assert_eq!((taken, logs.len()), (2, 1));
}
