//! Two stores on one database, as two processes have them: whatever both do, it is as if one had done it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use symbolon_core::keys::{
    KeyAuthority, KeyChange, KeyChangeOutcome, KeyNode, KeyState, ScheduleTime, SigningKeyRecord,
};
use symbolon_core::ports::{Begin, Change, KeyStore, RevocationLog, UserQuery};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rotation::Rotation;
use symbolon_core::user::Role;
use symbolon_jose::{Kid, SigningAlg};
use symbolon_testkit::{fresh_session, user};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;

on_each_database!(
    a_lost_record_is_adopted_once,
    a_revocation_by_another_process_holds_at_once,
    administrators_at_two_processes_follow_one_upon_the_other,
    batches_of_two_processes_do_not_wait_for_each_other_in_a_circle,
    no_login_and_no_rotation_slips_past_a_revocation,
    no_login_slips_past_a_change_of_facts,
    nodes_that_report_and_forget_do_not_get_in_each_others_way,
    processes_that_start_together_take_each_step_once,
    two_processes_act_on_one_lease_once,
    two_processes_give_one_token_one_successor,
    two_processes_write_one_gapless_log,
);

async fn two_processes_give_one_token_one_successor(place: &Place) {
    let stores = two(place).await;
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

async fn two_processes_write_one_gapless_log(place: &Place) {
    let stores = two(place).await;
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
async fn two_processes_act_on_one_lease_once(place: &Place) {
    let stores = two(place).await;
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
            act: Fixture::act(),
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
async fn a_revocation_by_another_process_holds_at_once(place: &Place) {
    let [store, other] = two(place).await;
    let request = begun(&store).await;
    let revocation = NewRevocation::subject(request.subject, request.now);
    other.append(&revocation, request.now).await.unwrap();
    assert_eq!(store.rotate(&request).await.unwrap(), Rotation::CatchUp);
}

async fn processes_that_start_together_take_each_step_once(place: &Place) {
    let mut tasks = JoinSet::new();
    for i in 0..10 {
        let url = place.url.clone();
        tasks.spawn(async move {
            let store = opened(&url).await;
            let taken = store.migrate(&SeqRng::starting_at(i * 2)).await.unwrap();
            (taken, store.head().await.unwrap().log)
        });
    }
    let outcomes = tasks.join_all().await;
    let logs: BTreeSet<_> = outcomes.iter().map(|(_, log)| *log).collect();
    let taken: u32 = outcomes.iter().map(|(taken, _)| taken).sum();
    assert_eq!((taken, logs.len()), (6, 1));
}

/// A record that the store has lost is adopted by one of many, whichever process they come to.
async fn a_lost_record_is_adopted_once(place: &Place) {
    let stores = two(place).await;
    let mut requests = Vec::new();
    for presented in 1..=5 {
        let mut request = begun(&stores[0]).await;
        request.session = fresh_session(request.now);
        request.presented = presented;
        request.rules.adopt = true;
        requests.push(request);
    }
    let mut tasks = JoinSet::new();
    for i in 0..100 {
        // In one order here and in the other there.
        let at = if i % 2 == 0 { i / 2 % 5 } else { 4 - i / 2 % 5 };
        let (store, request) = (stores[i % 2].clone(), requests[at]);
        tasks.spawn(async move { (at, store.rotate(&request).await.unwrap()) });
    }
    let outcomes = tasks.join_all().await;
    for (at, request) in requests.iter().enumerate() {
        let of_this = || {
            outcomes
                .iter()
                .filter(|(of, _)| *of == at)
                .map(|(_, outcome)| outcome)
        };
        let generation = request.presented + 1;
        let adopted = of_this().filter(
            |outcome| matches!(outcome, Rotation::Rotated { generation: g, adopted: true, .. } if *g == generation),
        );
        let replayed = of_this().filter(
            |outcome| matches!(outcome, Rotation::Replayed { generation: g, .. } if *g == generation),
        );
        assert_eq!((adopted.count(), replayed.count()), (1, 19), "{outcomes:?}");
    }
}

/// Batches of the same sessions in opposite orders, while sweepers take the rows of some.
async fn batches_of_two_processes_do_not_wait_for_each_other_in_a_circle(place: &Place) {
    let stores = two(place).await;
    let mut requests = Vec::new();
    for _ in 0..40 {
        requests.push(begun(&stores[0]).await);
    }
    let mut tasks = JoinSet::new();
    for i in 0..400 {
        let store = stores[i % 2].clone();
        let request = requests[if i % 2 == 0 { i / 2 % 40 } else { 39 - i / 2 % 40 }];
        tasks.spawn(async move { store.rotate(&request).await.map(drop) });
        if i % 20 == 0 {
            let (store, later) = (stores[i / 20 % 2].clone(), request.ends.plus(1));
            tasks.spawn(async move { store.sweep(later, 1).await.map(drop) });
        }
    }
    for outcome in tasks.join_all().await {
        outcome.unwrap();
    }
}

/// Whatever is asked of one process after the other has answered a revocation finds it, in the middle of everything.
async fn no_login_and_no_rotation_slips_past_a_revocation(place: &Place) {
    let [store, other] = two(place).await;
    let request = begun(&store).await;
    let revoked = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for i in 0..8 {
        let (store, revoked) = (store.clone(), revoked.clone());
        tasks.spawn(async move {
            loop {
                let too_late = revoked.load(Ordering::SeqCst);
                let caught = if i % 2 == 0 {
                    let session = NewSession {
                        subject: request.subject,
                        ..new_session(request.now)
                    };
                    let begin = store.begin(&session, request.applied).await;
                    begin.unwrap() == Begin::CatchUp
                } else {
                    store.rotate(&request).await.unwrap() == Rotation::CatchUp
                };
                assert!(caught || !too_late, "{i} slipped past");
                if too_late {
                    return;
                }
            }
        });
    }
    let revocation = NewRevocation::subject(request.subject, request.now);
    other.append(&revocation, request.now).await.unwrap();
    revoked.store(true, Ordering::SeqCst);
    tasks.join_all().await;
}

/// An administrator's change is a change of facts: logins by the facts before are turned back.
async fn no_login_slips_past_a_change_of_facts(place: &Place) {
    let [store, other] = two(place).await;
    let person = user("alice").build_new();
    admin(&other).add_user(&person).await.unwrap();
    let request = begun(&store).await;
    let changed = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let (store, changed) = (store.clone(), changed.clone());
        tasks.spawn(async move {
            loop {
                let too_late = changed.load(Ordering::SeqCst);
                let begin = store.begin(&new_session(request.now), request.applied).await;
                assert!(begin.unwrap() == Begin::CatchUp || !too_late);
                if too_late {
                    return;
                }
            }
        });
    }
    let subject = person.user.subject;
    let entry = NewRevocation::subject(subject, request.now);
    let change = admin(&other).set_user_active(subject, false, &entry).await;
    assert_eq!(change.unwrap(), Change::Done);
    changed.store(true, Ordering::SeqCst);
    tasks.join_all().await;
}

/// Of administrators who want the same name through two processes one gets it, and each change is counted.
async fn administrators_at_two_processes_follow_one_upon_the_other(place: &Place) {
    let stores = two(place).await;
    let before = stores[0].head().await.unwrap();
    let mut tasks = JoinSet::new();
    for i in 0..20 {
        let store = stores[i % 2].clone();
        tasks.spawn(async move { admin(&store).add_user(&user("alice").build_new()).await.unwrap() });
        let store = stores[i % 2].clone();
        tasks.spawn(async move {
            let role = Role {
                name: "clerk".parse().unwrap(),
                scope: [format!("orders:{i}").parse().unwrap()].into_iter().collect(),
            };
            admin(&store).put_role(&role).await.unwrap()
        });
    }
    let outcomes = tasks.join_all().await;
    let done = outcomes.iter().filter(|change| **change == Change::Done).count();
    let taken = outcomes
        .iter()
        .filter(|change| **change == Change::Taken("username"));
    assert_eq!((done, taken.count()), (21, 19));
    let head = stores[1].head().await.unwrap();
    assert_eq!((head.seq, head.facts), (before.seq, before.facts + 21));
    assert_eq!(
        admin(&stores[1]).roles().await.unwrap()[0].scope.iter().count(),
        1
    );
    assert_eq!(
        admin(&stores[1])
            .users(&UserQuery::default(), None, 10)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

async fn nodes_that_report_and_forget_do_not_get_in_each_others_way(place: &Place) {
    let stores = two(place).await;
    let day = 24 * 3600 * 1000;
    let mut tasks = JoinSet::new();
    for i in 0..60_u64 {
        let store = stores[i as usize % 2].clone();
        // One in three speaks from so late that it forgets the others.
        let seen = ScheduleTime(if i % 3 == 0 { 3 * day } else { day });
        tasks.spawn(async move {
            let node = KeyNode {
                node: Uuid::from_u128(u128::from(i % 10)),
                name: "host".into(),
                seen,
                complete_since: None,
                opens: Vec::new(),
            };
            store.report_key_node(&node).await.unwrap();
        });
    }
    tasks.join_all().await;
}

async fn two(place: &Place) -> [SqlStore; 2] {
    [migrated_at(&place.url).await, migrated_at(&place.url).await]
}
