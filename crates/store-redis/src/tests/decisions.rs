//! The script decides as `decide` does.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use symbolon_core::rotation::{SessionRecord, decide};

use super::*;

const DAY: u64 = 24 * 3600 * 1000;
const NOW: u64 = 1_800_000_000_000;
const HEAD: Head = Head {
    log: Uuid::from_u128(7),
    seq: 3,
    facts: 0,
    tip: [0; 16],
};

/// One use of a token: generation, passed since the use before, and the client's rules.
#[derive(Clone, Debug)]
struct Use {
    presented: u32,
    passed: i64,
    rules: RotationRules,
}

/// Any use at any time, by rules that change with each.
fn any_uses() -> impl Strategy<Value = Vec<Use>> {
    let passed = prop_oneof![
        4 => 0_i64..40_000,
        1 => -50_000_i64..0,
        1 => Just(30_000),
        1 => (DAY as i64 - 2)..(DAY as i64 + 2),
    ];
    let rules = (
        any::<bool>(),
        prop_oneof![Just(0), Just(30_000)],
        proptest::option::of(0_u8..3),
        any::<bool>(),
    );
    let presented = prop_oneof![6 => 0_u32..4, 1 => Just(u32::MAX), 1 => Just(u32::MAX - 1)];
    let one = (presented, passed, rules).prop_map(
        |(presented, passed, (rotate, overlap_ms, late_per_day, adopt))| Use {
            presented,
            passed,
            rules: RotationRules {
                rotate,
                overlap_ms,
                late_per_day,
                adopt,
            },
        },
    );
    proptest::collection::vec(one, 1..12)
}

/// A client that keeps coming with the predecessor, mostly: after the overlap, about its end, and about the end of the one
/// that a late recovery opens.
fn late_uses() -> impl Strategy<Value = Vec<Use>> {
    let passed = prop_oneof![
        3 => 0_i64..4,
        2 => 14_998_i64..15_002,
        3 => 29_998_i64..30_003,
        1 => 30_001_i64..40_000,
        1 => -40_000_i64..0,
        1 => (DAY as i64 - 30_002)..(DAY as i64 + 2),
    ];
    let presented = prop_oneof![1 => Just(1_u32), 6 => Just(2_u32)];
    let history = proptest::collection::vec((presented, passed), 3..12);
    (history, proptest::option::weighted(0.9, 0_u8..4)).prop_map(|(history, late_per_day)| {
        let rules = RotationRules {
            rotate: true,
            overlap_ms: 30_000,
            late_per_day,
            adopt: true,
        };
        // What comes first makes the predecessor that the others present.
        let first = Use {
            presented: 1,
            passed: 1,
            rules,
        };
        let others = history.into_iter().map(|(presented, passed)| Use {
            presented,
            passed,
            rules,
        });
        std::iter::once(first).chain(others).collect()
    })
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    prop_oneof![any_uses(), late_uses()]
}

/// Whether a use is of the generation that is current, or near it, must not be left to chance.
fn near(uses: &mut [Use], record: Option<&SessionRecord>, i: usize) {
    if let Some(record) = record
        && uses[i].presented < 4
    {
        uses[i].presented = record
            .generation
            .saturating_add(1)
            .saturating_sub(uses[i].presented);
    }
}

fn of(one: &Use, now: i64, ends: UnixMillis) -> RotationRequest {
    RotationRequest {
        session: SessionId(Uuid::nil()),
        subject: Subject(Uuid::nil()),
        presented: one.presented,
        ends,
        applied: HEAD,
        now: UnixMillis(now as u64),
        rules: one.rules,
    }
}

/// What the histories are worth: they come to repeats of a late recovery, and to uses of the same token beyond them.
#[test]
fn the_histories_repeat_late_recoveries_within_their_overlap_and_beyond() {
    let mut runner = TestRunner::deterministic();
    let ends = UnixMillis(NOW + 3 * DAY);
    let (mut repeated, mut killed, mut recovered) = (0, 0, 0);
    for _ in 0..300 {
        let mut uses = uses().new_tree(&mut runner).unwrap().current();
        let mut kept = SessionRecord::begun(UnixMillis(NOW), ends);
        let mut now = NOW as i64;
        for i in 0..uses.len() {
            near(&mut uses, Some(&kept), i);
            now += uses[i].passed;
            let request = of(&uses[i], now, ends);
            let beyond_its_own = request.now.since(kept.rotated) > request.rules.overlap_ms;
            let (outcome, next) = decide(Some(&kept), &request);
            match outcome {
                Rotation::Replayed { late: false, .. } if beyond_its_own => repeated += 1,
                Rotation::Replayed { late: true, .. } if kept.late > 0 => recovered += 1,
                Rotation::Reused if kept.late > 0 && request.presented + 1 == kept.generation => killed += 1,
                _ => {}
            }
            kept = next.unwrap_or(kept);
        }
    }
    assert!(
        repeated > 30 && killed > 30 && recovered > 30,
        "{repeated} repeated, {killed} killed, {recovered} recovered again"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_script_decides_as_the_rule_does(mut uses in uses(), begun in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let records = records(&config(Redis::shared().url(), Topology::Single)).await;
            records.rebuild(HEAD).await.unwrap();
            let (session, subject) = (SessionId(Uuid::from_u128(1)), Subject(Uuid::from_u128(2)));
            let ends = UnixMillis(NOW + 3 * DAY);
            let mut kept = begun.then(|| SessionRecord::begun(UnixMillis(NOW), ends));
            if let Some(record) = &kept {
                records.put(subject, session, record).await;
            }
            let mut now = NOW as i64;
            for i in 0..uses.len() {
                near(&mut uses, kept.as_ref(), i);
                now += uses[i].passed;
                let request = RotationRequest {
                    session,
                    subject,
                    ..of(&uses[i], now, ends)
                };
                let (expected, next) = decide(kept.as_ref(), &request);
                assert_eq!(records.peek(&request).await.unwrap(), expected, "peek {i} of {uses:?}");
                assert_eq!(records.rotate(&request).await.unwrap(), expected, "{i} of {uses:?}");
                if next.is_some() {
                    kept = next;
                }
                assert_eq!(records.raw(subject, session).await, kept.as_ref().map(crate::record::pack), "{i} of {uses:?}");
                if expected == Rotation::Reused {
                    let killed = records.killed(10).await.unwrap();
                    assert_eq!((killed.len(), killed[0].session, killed[0].subject), (1, session, Some(subject)));
                }
            }
        });
    }
}

#[tokio::test]
async fn who_is_behind_or_on_another_log_must_catch_up() {
    let records = records(&config(Redis::shared().url(), Topology::Single)).await;
    let request = |log: u128, seq| RotationRequest {
        session: SessionId(Uuid::from_u128(1)),
        subject: Subject(Uuid::from_u128(2)),
        presented: 0,
        ends: UnixMillis(NOW + DAY),
        applied: Head {
            log: Uuid::from_u128(log),
            seq,
            facts: 0,
            tip: [0; 16],
        },
        now: UnixMillis(NOW),
        rules: RotationRules {
            rotate: true,
            overlap_ms: 0,
            late_per_day: None,
            adopt: true,
        },
    };
    let head = |log: u128, seq| Head {
        log: Uuid::from_u128(log),
        seq,
        facts: 0,
        tip: [0; 16],
    };
    assert_eq!(records.rotate(&request(7, 1)).await.unwrap(), Rotation::Lost);
    assert_eq!(
        records.raise(None, head(7, 5), &[]).await.unwrap(),
        Raised::Gone,
        "a fence that is gone is not put up by raising it"
    );
    records.rebuild(head(7, 3)).await.unwrap();
    records.rebuild(head(7, 1)).await.unwrap();
    for (log, seq) in [(7, 2), (8, 9)] {
        assert_eq!(
            records.rotate(&request(log, seq)).await.unwrap(),
            Rotation::CatchUp
        );
    }
    assert!(matches!(
        records.rotate(&request(7, 3)).await.unwrap(),
        Rotation::Rotated { adopted: true, .. }
    ));
    // Of the subject alone, then of all; and never lower.
    assert_eq!(
        records
            .raise(Some(Subject(Uuid::from_u128(2))), head(7, 1 << 40), &[])
            .await
            .unwrap(),
        Raised::Done
    );
    assert_eq!(records.raise(None, head(7, 4), &[]).await.unwrap(), Raised::Done);
    assert_eq!(
        records.rotate(&request(7, (1 << 40) - 1)).await.unwrap(),
        Rotation::CatchUp
    );
    let fence = records
        .fence(Subject(Uuid::from_u128(2)), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(fence.position, head(7, 1 << 40).into());
    let other = records
        .fence(Subject(Uuid::from_u128(3)), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(other.position, head(7, 4).into());
    // Another log takes the place of the one before where it is told so, whatever its position.
    let seven = Raised::OfOtherLogs(vec![Uuid::from_u128(7)]);
    let before = records.head().await.unwrap().unwrap();
    for over in [vec![], vec![Uuid::from_u128(8)]] {
        assert_eq!(records.raise(None, head(9, 1 << 50), &over).await.unwrap(), seven);
    }
    assert_eq!(records.head().await.unwrap().unwrap(), before);
    assert!(matches!(
        records.rotate(&request(7, 1 << 41)).await.unwrap(),
        Rotation::Rotated { .. } | Rotation::Kept | Rotation::Replayed { .. } | Rotation::Reused
    ));
    let over = [Uuid::from_u128(8), Uuid::from_u128(7)];
    assert_eq!(
        records.raise(None, head(9, 0), &over).await.unwrap(),
        Raised::Done
    );
    assert_eq!(records.head().await.unwrap().unwrap(), head(9, 0));
    assert_eq!(
        records.rotate(&request(7, 1 << 41)).await.unwrap(),
        Rotation::CatchUp
    );
}
