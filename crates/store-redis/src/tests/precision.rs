//! Values at their limits, and values of another kind.

use symbolon_core::cluster::Fenced;
use symbolon_core::ports::{NewSession, StoreError};

use super::*;

fn head(log: u128, seq: u64, facts: u64) -> Head {
    Head {
        log: Uuid::from_u128(log),
        seq,
        facts,
        tip: [0; 16],
    }
}

/// Numbers in Lua are doubles: past 2^53 neighbours look alike. And its order of strings is that of the server's locale.
#[tokio::test]
async fn positions_are_told_apart_to_their_last_bit() {
    let subject = Subject(Uuid::from_u128(2));
    for seq in [
        0,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        u64::from(u32::MAX),
        1 << 32,
        1 << 53,
        u64::MAX - 1,
    ] {
        let records = records(&config(Redis::shared().url(), Topology::Single)).await;
        records.rebuild(head(7, seq, seq)).await.unwrap();
        assert_eq!(
            records.raise(None, head(7, seq + 1, seq), &[]).await.unwrap(),
            Raised::Done
        );
        assert_eq!(records.head().await.unwrap().unwrap(), head(7, seq + 1, seq));
        assert_eq!(
            records.raise(None, head(7, seq, seq + 1), &[]).await.unwrap(),
            Raised::Done
        );
        assert_eq!(records.head().await.unwrap().unwrap(), head(7, seq + 1, seq + 1));
        let fence = records.fence(subject, None).await.unwrap().unwrap();
        assert_eq!(fence.position.seq, seq + 1);
        assert_eq!(
            records
                .rotate(&request(subject, 0, head(7, seq, 0)))
                .await
                .unwrap(),
            Rotation::CatchUp,
            "{seq}"
        );
        assert!(rotated(
            records
                .rotate(&request(subject, 0, head(7, seq + 1, 0)))
                .await
                .unwrap(),
            1
        ));
    }
}

/// A moment that never comes is one that Redis can write down.
#[tokio::test]
async fn sessions_without_end_begin_and_rotate() {
    let records = records(&config(Redis::shared().url(), Topology::Single)).await;
    records.rebuild(EMPTY).await.unwrap();
    let subject = Subject(Uuid::from_u128(2));
    let session = NewSession {
        session: SessionId(Uuid::from_u128(9)),
        subject,
        client: symbolon_core::ClientUid(Uuid::from_u128(3)),
        scope: String::new(),
        ends: UnixMillis::NEVER,
        issued: NOW,
        address: None,
        user_agent: None,
        refreshable: true,
    };
    assert_eq!(records.begin(&session, EMPTY).await.unwrap(), Fenced::Done(()));
    let request = RotationRequest {
        ends: UnixMillis::NEVER,
        ..request(subject, 0, EMPTY)
    };
    assert!(rotated(records.rotate(&request).await.unwrap(), 1));
    let years = records.expires(subject, session.session).await / (365 * 24 * 3_600_000);
    assert!(years > 200_000, "{years}");
    let endless = RotationRules {
        overlap_ms: u64::MAX,
        ..request.rules
    };
    let replay = RotationRequest {
        rules: endless,
        now: NOW.plus(1 << 40),
        ..request
    };
    assert!(matches!(
        records.rotate(&replay).await.unwrap(),
        Rotation::Replayed { late: false, .. }
    ));
}

/// Nothing that is kept for one purpose is taken for another, nor guessed at.
#[tokio::test]
async fn values_of_another_kind_are_refused() {
    let records = records(&config(Redis::shared().url(), Topology::Single)).await;
    records.rebuild(EMPTY).await.unwrap();
    let subject = Subject(Uuid::from_u128(2));
    let asked = request(subject, 0, EMPTY);
    assert!(rotated(records.rotate(&asked).await.unwrap(), 1));
    let kept = records.raw(subject, asked.session).await.unwrap();
    let (record, fence) = (
        records.record_key(subject, asked.session),
        records.fence_key(subject),
    );
    let mut version = kept.clone();
    version[0] = 2;
    let longer = [&kept[..], &[0]].concat();
    for value in [&[][..], b"5", &kept[1..], &longer, &version, &[0; 24], &[0; 32]] {
        records.set(&record, value).await;
        for outcome in [records.rotate(&asked).await, records.peek(&asked).await] {
            assert!(
                matches!(outcome, Err(StoreError::Corrupt(_))),
                "{outcome:?} of {value:?}"
            );
        }
        assert!(records.fence(subject, Some(asked.session)).await.is_err());
        assert_eq!(
            records.raw(subject, asked.session).await.unwrap(),
            value,
            "nothing was written"
        );
    }
    records.set(&record, &kept).await;
    // Any value but zero has killed it.
    let mut killed = kept.clone();
    killed[22] = 7;
    records.set(&record, &killed).await;
    assert_eq!(records.rotate(&asked).await.unwrap(), Rotation::Revoked);
    for value in [&[][..], &kept, &[0; 23], &[0; 25]] {
        records.set(&fence, value).await;
        let outcome = records.rotate(&asked).await;
        assert!(
            matches!(outcome, Err(StoreError::Corrupt(_))),
            "{outcome:?} of {value:?}"
        );
    }
    // Another type is an error of Redis's own.
    records.hash(&fence).await;
    let error = records.rotate(&asked).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    // Several names at once are read without it: it is as if it were gone.
    assert_eq!(records.fence(subject, None).await.unwrap(), None);
}

/// More wait than are asked for, in one bucket, and those that are dealt with make room for all others.
#[tokio::test]
async fn every_killed_session_leaves_the_outbox() {
    let server = Redis::start(&[]);
    let records = records(&config(server.url(), Topology::Single)).await;
    records.rebuild(EMPTY).await.unwrap();
    let subject = Subject(Uuid::from_u128(2));
    for session in 0..400_u128 {
        let asked = |presented| RotationRequest {
            session: SessionId(Uuid::from_u128(session)),
            ..request(subject, presented, EMPTY)
        };
        records.rotate(&asked(4)).await.unwrap();
        assert_eq!(records.rotate(&asked(1)).await.unwrap(), Rotation::Reused);
    }
    let mut seen = std::collections::HashSet::new();
    while let some = records.killed(50).await.unwrap()
        && !some.is_empty()
    {
        assert!(some.len() <= 50);
        for killed in &some {
            seen.insert(killed.session.0);
            records.killed_logged(killed).await.unwrap();
        }
    }
    assert_eq!(seen.len(), 400);
}
