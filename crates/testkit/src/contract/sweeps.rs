//! Deleting what has come to its age from the audit trail.

use std::slice;
use std::time::Duration;

use symbolon_core::audit::{AuditRecord, Checkpoint, EventKind, GENESIS, Sweep, link};

use super::audit::{NOW, checkpoint, event, head, record, told_since, trail};
use crate::Fixture;

const DAY_MS: u64 = 86_400_000;

/// Deletes what was made before that moment.
async fn sweep(fixture: &Fixture, before: u64, limit: u32) -> u64 {
    let (now, retention) = (NOW.plus(before).plus(DAY_MS), Duration::from_millis(DAY_MS));
    let swept = fixture.audit.sweep_audit(now, retention, limit, &|_| true);
    swept.await.unwrap()
}

/// Only records of age, by a checkpoint of age, the earliest first, in batches.
pub async fn only_what_a_checkpoint_covers_is_swept(fixture: &Fixture) {
    // The fourth was told by a clock that was behind.
    let events = [0, 1, 2, 0, 3, 9].map(|at| event(EventKind::TokenIssued, at));
    record(fixture, &events).await;
    let first = async || trail(fixture).await.first().map(|record| record.seq);
    assert_eq!(sweep(fixture, 100, 10).await, 0, "nothing covers them");
    checkpoint(fixture, 5).await;
    assert_eq!(sweep(fixture, 0, 10).await, 0, "none is of age");
    assert_eq!(
        sweep(fixture, 2, 10).await,
        2,
        "up to the first that is not of age"
    );
    assert_eq!(first().await, Some(3));
    let young = Checkpoint {
        seq: 6,
        at: NOW.plus(100),
        signed: "jws-of-6".into(),
    };
    fixture.audit.add_checkpoint(&young).await.unwrap();
    assert_eq!(sweep(fixture, 100, 2).await, 2);
    assert_eq!(sweep(fixture, 100, 0).await, 0);
    assert_eq!(
        sweep(fixture, 100, 2).await,
        1,
        "what covers the last might be younger than it"
    );
    assert_eq!(first().await, Some(6));
    assert_eq!(sweep(fixture, 100, 2).await, 0);
    assert_eq!(sweep(fixture, 101, 2).await, 1);
    assert_eq!(first().await, Some(7));
}

/// What comes later follows from it even where nothing else is left.
pub async fn the_anchor_holds_on_to_what_was_swept(fixture: &Fixture) {
    let anchor = async || fixture.audit.audit_anchor().await.unwrap();
    let begins = anchor().await;
    assert_eq!((begins.seq, begins.hash), (0, GENESIS));
    record(fixture, &[0, 1, 2].map(|at| event(EventKind::TokenIssued, at))).await;
    let records = trail(fixture).await;
    checkpoint(fixture, 3).await;
    assert_eq!(sweep(fixture, 1, 10).await, 1);
    let swept = anchor().await;
    assert_eq!((swept.seq, swept.hash), (records[0].seq, records[0].hash));
    assert_eq!(trail(fixture).await[..2], records[1..]);

    assert_eq!(sweep(fixture, 9, 10).await, 2);
    let swept = anchor().await;
    assert_eq!((swept.seq, swept.hash), (records[2].seq, records[2].hash));
    let left = trail(fixture).await;
    assert_eq!(left[0].hash, link(&records[2].hash, 4, &left[0].body));
}

/// With the range that went; where nothing went there is none, and one alone is no reason for the next.
pub async fn each_sweep_stands_on_the_trail(fixture: &Fixture) {
    record(fixture, &[0, 0, 0, 0].map(|at| event(EventKind::TokenIssued, at))).await;
    assert_eq!(sweep(fixture, 9, 3).await, 0);
    assert_eq!(head(fixture).await, 4);
    checkpoint(fixture, 4).await;
    assert_eq!((sweep(fixture, 9, 3).await, sweep(fixture, 9, 3).await), (3, 1));
    let sweeps = async || -> Vec<(u64, u64, u64)> {
        let read = |record: &AuditRecord| Sweep::read(&record.body).map(|it| (record.seq, it.from, it.to));
        trail(fixture).await.iter().filter_map(read).collect()
    };
    assert_eq!(sweeps().await, [(5, 1, 3), (6, 4, 4)]);
    let told = told_since(fixture, 4).await;
    assert_eq!(
        (
            &told[0]["actor"],
            &told[0]["count"],
            &told[0]["details"]["retention_s"]
        ),
        (&"server".into(), &3.into(), &86_400.into())
    );

    checkpoint(fixture, 6).await;
    assert_eq!(sweep(fixture, 9, 3).await, 0, "they tell of sweeps alone");
    assert_eq!(head(fixture).await, 6);
    assert_eq!(sweep(fixture, 9, 2).await, 2, "two go for one");
    assert_eq!(sweeps().await, [(7, 5, 6)]);
    record(fixture, slice::from_ref(&event(EventKind::TokenIssued, 0))).await;
    checkpoint(fixture, 8).await;
    assert_eq!(
        sweep(fixture, 9, 3).await,
        2,
        "with what else has come to its age"
    );
    assert_eq!(sweeps().await, [(9, 7, 8)]);
}
