//! The audit trail where two processes write it, and where somebody has changed it by hand.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use symbolon_core::UnixMillis;
use symbolon_core::audit::{
    AuditEvent, AuditFilter, AuditRecord, AuditStore, Checkpoint, EventKind, Order, Target, link,
};
use symbolon_core::ports::{Change, RevocationLog, StoreError};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::user::Role;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;
use crate::transaction::{Lock, commit};

on_each_database!(
    a_broken_record_is_not_swept,
    a_change_of_what_is_searched_by_is_found,
    a_checkpoint_that_is_not_genuine_sweeps_nothing,
    a_part_and_its_anchor_are_of_one_moment,
    a_trail_without_head_takes_nothing_more,
    an_event_that_is_not_committed_leaves_no_gap,
    records_that_were_taken_off_the_beginning_are_missed,
    two_processes_write_one_chain,
    what_stands_before_the_first_record_is_found_and_never_shown,
);

const NOW: UnixMillis = FakeClock::START;

async fn meddle(store: &SqlStore, sql: &str) {
    store.inner.write.execute_unprepared(sql).await.unwrap();
}

async fn records(store: &SqlStore) -> Vec<AuditRecord> {
    let all = AuditFilter::default();
    store
        .audit_records(&all, Order::Earliest, None, 10_000)
        .await
        .unwrap()
}

/// Positions of records that are missing before them or do not follow from those before.
async fn breaks(store: &SqlStore) -> Vec<u64> {
    let mut last = store.audit_anchor().await.unwrap();
    let mut broken = Vec::new();
    for record in records(store).await {
        let hash = link(&last.hash, last.seq + 1, &record.body);
        if record.seq != last.seq + 1 || record.hash != hash {
            broken.push(record.seq);
        }
        (last.seq, last.hash) = (record.seq, record.hash);
    }
    if store.audit_head().await.unwrap() != last {
        broken.push(last.seq + 1);
    }
    broken
}

fn event(at: u64) -> AuditEvent {
    let mut act = Fixture::act();
    act.request = Some(Uuid::from_u128(9));
    let target = Target::new("client", "app", None);
    AuditEvent::new(EventKind::AdminRefused, NOW.plus(at), act).to(target)
}

async fn with_records(place: &Place) -> SqlStore {
    let store = migrated_at(&place.url).await;
    store.record(&[0, 1, 2, 3, 4].map(event)).await.unwrap();
    store
}

/// Changes, revocations and events by themselves, fifty of each, through two stores: none is lost, and the chain is one.
async fn two_processes_write_one_chain(place: &Place) {
    let stores = [patient(&place.url).await, patient(&place.url).await];
    stores[0].migrate(&SeqRng::new()).await.unwrap();
    let mut tasks = JoinSet::new();
    for i in 0..50_usize {
        let store = stores[i % 2].clone();
        tasks.spawn(async move {
            let role = Role {
                name: format!("role{i}").parse().unwrap(),
                scope: Default::default(),
            };
            assert_eq!(admin(&store).put_role(&role).await.unwrap(), Change::Done);
        });
        let store = stores[(i + 1) % 2].clone();
        tasks.spawn(async move {
            store.record(&[event(1), event(2)]).await.unwrap();
        });
        let store = stores[i % 2].clone();
        tasks.spawn(async move {
            let revocation = NewRevocation::subject(fresh_subject(), NOW);
            store.append(&revocation, NOW).await.unwrap();
        });
    }
    tasks.join_all().await;
    assert_eq!(stores[0].audit_head().await.unwrap().seq, 200);
    assert_eq!(records(&stores[1]).await.len(), 200);
    assert_eq!(breaks(&stores[0]).await, [0; 0]);
    assert_eq!(stores[1].audit_columns_differ(0, 1_000).await.unwrap(), None);
}

/// Nor is the head moved by it.
async fn an_event_that_is_not_committed_leaves_no_gap(place: &Place) {
    let store = with_records(place).await;
    let tx = store.writing(Lock::Rows).await.unwrap();
    let written = crate::audit::write(&tx, &[event(5)]).await.unwrap();
    assert_eq!(written.seq, 6);
    drop(tx);
    let tx = store.writing(Lock::Rows).await.unwrap();
    crate::audit::write(&tx, &[event(6)]).await.unwrap();
    crate::audit::write(&tx, &[event(7)]).await.unwrap();
    commit(tx).await.unwrap();
    assert_eq!(store.audit_head().await.unwrap().seq, 7);
    assert_eq!(breaks(&store).await, [0; 0]);
}

/// Each column by itself, and the body, which the chain finds, too.
async fn a_change_of_what_is_searched_by_is_found(place: &Place) {
    let store = with_records(place).await;
    let differ = async |after, limit| store.audit_columns_differ(after, limit).await.unwrap();
    assert_eq!(differ(0, 100).await, None);
    let columns = [
        ("at_ms", "at_ms + 1", "at_ms - 1"),
        ("event", "'client.created'", "'admin.refused'"),
        ("outcome", "'refused'", "'done'"),
        ("actor", "'cli:mallory'", "'cli:test'"),
        ("target_kind", "'user'", "'client'"),
        ("target", "NULL", "'app'"),
        (
            "request_id",
            "NULL",
            "(SELECT request_id FROM audit_log WHERE seq = 1)",
        ),
    ];
    for (column, other, back) in columns {
        let set = async |value| {
            meddle(
                &store,
                &format!("UPDATE audit_log SET {column} = {value} WHERE seq = 3"),
            )
            .await
        };
        set(other).await;
        assert_eq!(differ(0, 100).await, Some(3), "{column}");
        assert_eq!(differ(2, 1).await, Some(3), "{column}");
        assert_eq!(
            (differ(0, 2).await, differ(3, 100).await),
            (None, None),
            "{column}"
        );
        assert_eq!(breaks(&store).await, [0; 0], "the chain is over the body alone");
        set(back).await;
        assert_eq!(differ(0, 100).await, None, "{column}");
    }
    let body = "UPDATE audit_log SET body = (SELECT body FROM audit_log WHERE seq = 1) WHERE seq = 3";
    meddle(&store, body).await;
    assert_eq!((differ(0, 100).await, breaks(&store).await), (Some(3), vec![3]));
    meddle(&store, "UPDATE audit_log SET body = 'nothing' WHERE seq = 2").await;
    assert_eq!(
        (differ(0, 100).await, breaks(&store).await),
        (Some(2), vec![2, 3])
    );
    let hash = "UPDATE audit_log SET hash = (SELECT hash FROM audit_log WHERE seq = 1) WHERE seq = 5";
    meddle(&store, hash).await;
    assert_eq!(breaks(&store).await, [2, 3, 5, 6], "and the head knows another");
    meddle(&store, "DELETE FROM audit_log WHERE seq = 4").await;
    assert_eq!(breaks(&store).await, [2, 3, 5, 6]);
}

/// What stands first must follow from the anchor.
async fn records_that_were_taken_off_the_beginning_are_missed(place: &Place) {
    let store = with_records(place).await;
    let differ = async || store.audit_columns_differ(0, 100).await.unwrap();
    let covered = Checkpoint {
        seq: 5,
        at: NOW,
        signed: "jws".into(),
    };
    store.add_checkpoint(&covered).await.unwrap();
    assert_eq!(
        store
            .sweep_audit(NOW.plus(1), Duration::ZERO, 100, &|_| true)
            .await
            .unwrap(),
        1
    );
    assert_eq!(differ().await, None);
    meddle(&store, "DELETE FROM audit_log WHERE seq < 3").await;
    assert_eq!(differ().await, Some(2));
    assert_eq!(
        store.audit_columns_differ(2, 100).await.unwrap(),
        None,
        "the rest is as it was"
    );
    meddle(&store, "DELETE FROM audit_log").await;
    assert_eq!(differ().await, Some(2));
    meddle(
        &store,
        "UPDATE audit_head SET anchor_seq = seq, anchor_hash = hash",
    )
    .await;
    assert_eq!(differ().await, None, "only a checkpoint tells of it");
}

/// Nor does it keep records from being swept, or go with them.
async fn what_stands_before_the_first_record_is_found_and_never_shown(place: &Place) {
    let store = with_records(place).await;
    let found = async || store.audit_before_anchor().await.unwrap();
    let all = AuditFilter::default();
    let of_tests = AuditFilter {
        actor: Some("cli:test".to_owned()),
        ..AuditFilter::default()
    };
    let seqs = async |filter, order, from| -> Vec<u64> {
        let records = store.audit_records(filter, order, from, 100).await.unwrap();
        records.iter().map(|record| record.seq).collect()
    };
    let sweep = async |limit| {
        let swept = store.sweep_audit(NOW.plus(100), Duration::ZERO, limit, &|_| true);
        swept.await.unwrap()
    };
    let put_in = async |seq: i64| {
        let sql = format!(
            "INSERT INTO audit_log SELECT {seq}, at_ms, event, outcome, actor, target_kind, target, request_id, body, hash \
             FROM audit_log WHERE seq = 5"
        );
        meddle(&store, &sql).await;
    };
    assert_eq!(found().await, None);
    for planted in [0, -3] {
        put_in(planted).await;
        assert_eq!(found().await, Some(0));
    }
    let mut first = 1;
    for swept in [0, 2, 1] {
        let covered = Checkpoint {
            seq: 5,
            at: NOW,
            signed: "jws".into(),
        };
        store.add_checkpoint(&covered).await.unwrap();
        assert_eq!(sweep(swept).await, u64::from(swept));
        first += u64::from(swept);
        if swept > 0 {
            put_in(first as i64 - 1).await;
        }
        let shown: Vec<_> = (first..=5).collect();
        for filter in [&all, &of_tests] {
            for from in [None, Some(0), Some(first - 1)] {
                let mut earliest = seqs(filter, Order::Earliest, from).await;
                earliest.retain(|seq| *seq <= 5);
                assert_eq!(earliest, shown, "{from:?}");
            }
            let mut latest = seqs(filter, Order::Latest, Some(6)).await;
            latest.reverse();
            assert_eq!(latest, shown);
            let unbounded = seqs(filter, Order::Latest, None).await;
            assert!(unbounded.iter().all(|seq| *seq >= first), "{unbounded:?}");
        }
        for after in [0, first - 1] {
            let (anchor, part) = store.audit_part(after, 1).await.unwrap();
            assert_eq!((anchor.seq, part[0].seq), (first - 1, first));
        }
        assert_eq!(store.audit_columns_differ(0, 100).await.unwrap(), None);
        assert_eq!(found().await, Some(0));
    }
    meddle(&store, "DELETE FROM audit_log WHERE seq <= 0").await;
    assert_eq!(found().await, Some(2), "it was not swept with the third");
    meddle(&store, "DELETE FROM audit_log WHERE seq < 4").await;
    assert_eq!(found().await, None);
}

/// While sweeps go on, what is read first follows from the anchor that is read with it.
async fn a_part_and_its_anchor_are_of_one_moment(place: &Place) {
    const RECORDS: u64 = 200;
    let (reader, sweeper) = (patient(&place.url).await, patient(&place.url).await);
    sweeper.migrate(&SeqRng::new()).await.unwrap();
    sweeper.record(&[0; RECORDS as usize].map(event)).await.unwrap();
    let covered = Checkpoint {
        seq: RECORDS,
        at: NOW,
        signed: "jws".into(),
    };
    sweeper.add_checkpoint(&covered).await.unwrap();
    let sweeping = tokio::spawn(async move {
        let sweep = || sweeper.sweep_audit(NOW.plus(1), Duration::ZERO, 2, &|_| true);
        while sweep().await.unwrap() > 0 {}
    });
    loop {
        let is_over = sweeping.is_finished();
        let (anchor, part) = reader.audit_part(0, 3).await.unwrap();
        let hash = link(&anchor.hash, anchor.seq + 1, &part[0].body);
        assert_eq!((part[0].seq, part[0].hash), (anchor.seq + 1, hash));
        assert_eq!(
            reader.audit_part(anchor.seq, 1).await.unwrap().1.len(),
            1,
            "what tells of the sweep is there"
        );
        if is_over {
            assert_eq!(anchor.seq, RECORDS);
            break;
        }
    }
    sweeping.await.unwrap();
}

/// What shows that somebody has changed the trail stays until somebody has looked.
async fn a_broken_record_is_not_swept(place: &Place) {
    let store = with_records(place).await;
    let covered = Checkpoint {
        seq: 5,
        at: NOW,
        signed: "jws".into(),
    };
    store.add_checkpoint(&covered).await.unwrap();
    meddle(&store, "UPDATE audit_log SET at_ms = 0 WHERE seq = 3").await;
    let late = NOW.plus(1_000);
    assert_eq!(
        store
            .sweep_audit(late, Duration::ZERO, 100, &|_| true)
            .await
            .unwrap(),
        2,
        "those before it"
    );
    for _ in 0..2 {
        let error = store
            .sweep_audit(late, Duration::ZERO, 100, &|_| true)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt(why) if why.contains("record 3")),
            "{error:?}"
        );
    }
    assert_eq!(records(&store).await.len(), 4, "and what tells of the sweep");
    meddle(&store, "DELETE FROM audit_log WHERE seq = 3").await;
    let error = store
        .sweep_audit(late, Duration::ZERO, 100, &|_| true)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Corrupt(why) if why.contains("record 3")),
        "{error:?}"
    );
    assert_eq!(records(&store).await.len(), 3);
}

/// Nor does one behind it that has not come to its age; and who judges is told what is kept beside it.
async fn a_checkpoint_that_is_not_genuine_sweeps_nothing(place: &Place) {
    let store = with_records(place).await;
    for (seq, at) in [(3, NOW), (5, NOW.plus(100))] {
        let signed = format!("jws-of-{seq}");
        let kept = Checkpoint { seq, at, signed };
        store.add_checkpoint(&kept).await.unwrap();
    }
    let as_it_was_made = |kept: &Checkpoint| kept.signed == "jws-of-3" && (kept.seq, kept.at) == (3, NOW);
    let sweep = || store.sweep_audit(NOW.plus(50), Duration::ZERO, 100, &as_it_was_made);
    for (set, told) in [("at_ms = 0", "at 3"), ("seq = 4", "at 4")] {
        meddle(
            &store,
            &format!("UPDATE audit_checkpoints SET {set} WHERE seq = 3"),
        )
        .await;
        let error = sweep().await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt(why) if why.contains(told)),
            "{error:?}"
        );
        let at = NOW.0;
        let back = format!("UPDATE audit_checkpoints SET seq = 3, at_ms = {at} WHERE seq < 5");
        meddle(&store, &back).await;
    }
    assert_eq!(records(&store).await.len(), 5);
    assert_eq!(sweep().await.unwrap(), 3);
}

/// No change is made that can't be put on it.
async fn a_trail_without_head_takes_nothing_more(place: &Place) {
    let store = migrated_at(&place.url).await;
    meddle(&store, "DELETE FROM audit_head").await;
    let before = store.head().await.unwrap();
    let role = Role {
        name: "clerk".parse().unwrap(),
        scope: Default::default(),
    };
    let revocation = NewRevocation::all(NOW);
    let errors = [
        store.audit_head().await.unwrap_err(),
        store.record(&[event(0)]).await.unwrap_err(),
        admin(&store).put_role(&role).await.unwrap_err(),
        store.append(&revocation, NOW).await.unwrap_err(),
    ];
    for error in errors {
        assert!(
            matches!(&error, StoreError::Corrupt(why) if why.contains("no head")),
            "{error:?}"
        );
    }
    assert_eq!(store.head().await.unwrap(), before);
    assert_eq!(admin(&store).roles().await.unwrap(), []);
}
