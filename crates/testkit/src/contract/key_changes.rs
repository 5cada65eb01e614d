//! Changes of signing keys: all of one or nothing, along the lifecycle and no other way.

use symbolon_core::UnixMillis;
use symbolon_core::keys::{KeyChange, KeyChangeOutcome, KeyMove, KeyState, ScheduleTime};
use symbolon_core::ports::StoreError;
use symbolon_core::revocation::NewRevocation;
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::revocation::Effect;
use tokio::task::JoinSet;

use super::keys::{
    ACTIVE, AT, NOW, PENDING, RETIRED, RETIRING, WITHDRAWN, add, change, es256, kept, key, kid, make, picture,
};
use crate::Fixture;

fn step(name: &str, from: KeyState, to: KeyState) -> KeyMove {
    KeyMove {
        kid: kid(name),
        from,
        to,
    }
}

/// A key that is elsewhere by now, a `kid` that was ever given out, a second active or pending key: neither moves nor
/// new keys nor entries are kept, and what others planned stays valid.
pub async fn a_conflict_changes_nothing(fixture: &Fixture) {
    let keys = vec![
        es256("active", ACTIVE),
        es256("pending", PENDING),
        es256("retiring", RETIRING),
        es256("retired", RETIRED),
    ];
    add(fixture, keys).await;
    let before = picture(fixture).await;
    let other = UnixMillis(NOW.0 + 999);
    let published_then = KeyState::Pending { published: other };
    let activated_then = KeyState::Active {
        published: NOW,
        activated: other,
    };
    let retiring_then = KeyState::Retiring {
        published: NOW,
        activated: NOW.plus(1),
        retiring: other,
    };
    let never_signed = KeyState::Retired {
        activated: None,
        retired: NOW.plus(3),
    };
    let stale = [
        ("nobody", PENDING),
        ("pending", published_then),
        ("active", PENDING),
        ("active", activated_then),
        ("retiring", ACTIVE),
        ("retiring", retiring_then),
        ("retired", never_signed),
        ("retired", RETIRING),
    ];
    let stale = stale.map(|(name, from)| {
        let moves = vec![step(name, from, from.compromise(other).unwrap())];
        change(moves, vec![key("ed", SigningAlg::EdDsa, ACTIVE)])
    });
    let taken = [
        key("active", SigningAlg::EdDsa, PENDING),
        key("retired", SigningAlg::EdDsa, PENDING),
        es256("second", ACTIVE),
        es256("second", PENDING),
    ];
    let taken = taken.map(|key| {
        let moves = vec![step("retiring", RETIRING, RETIRING.finish(other).unwrap())];
        change(moves, vec![es256("fine", WITHDRAWN), key])
    });
    let second_active = vec![step("pending", PENDING, PENDING.activate(other).unwrap())];
    let twice = vec![
        step("active", ACTIVE, ACTIVE.retire(other).unwrap()),
        step("active", ACTIVE, ACTIVE.compromise(other).unwrap()),
    ];
    let moves = [second_active, twice].map(|moves| change(moves, Vec::new()));
    for mut refused in stale.into_iter().chain(taken).chain(moves) {
        refused.entries.push(NewRevocation::key(&kid("active")));
        let outcome = make(fixture, &refused).await;
        assert_eq!(outcome, KeyChangeOutcome::Conflict, "{refused:?}");
        assert_eq!(picture(fixture).await, before, "{refused:?}");
    }
}

/// Both successions of two algorithms and the next pending keys, however they are listed.
pub async fn a_rotation_is_one_change_in_whatever_order(fixture: &Fixture) {
    let names = |alg: SigningAlg, round: u32| format!("{}-{round}", alg.as_str());
    let algs = [SigningAlg::Es256, SigningAlg::Rs256];
    let first = algs.map(|alg| {
        [
            key(&names(alg, 0), alg, ACTIVE),
            key(&names(alg, 1), alg, PENDING),
        ]
    });
    add(fixture, first.concat()).await;
    for round in 0..2 {
        let now = NOW.plus(1_000 * (u64::from(round) + 1));
        let current = fixture.keys.signing_keys().await.unwrap();
        let state_of = |name: &str| {
            let key = current.iter().find(|key| key.kid.as_str() == name);
            key.unwrap().state
        };
        let mut moves = Vec::new();
        for alg in algs {
            let (old, new) = (names(alg, round), names(alg, round + 1));
            moves.push(step(&new, PENDING, PENDING.activate(now).unwrap()));
            let from = state_of(&old);
            moves.push(step(&old, from, from.retire(now).unwrap()));
        }
        if round == 1 {
            moves.reverse();
        }
        let pending = algs.map(|alg| key(&names(alg, round + 2), alg, PENDING));
        let rotation = change(moves.clone(), pending.to_vec());
        assert_eq!(make(fixture, &rotation).await, KeyChangeOutcome::Done);
        let current = kept(fixture).await;
        for made in moves {
            let name = made.kid.as_str();
            let key = current.iter().find(|key| key.0 == name).unwrap();
            assert_eq!(*key, (name.to_owned(), made.to, AT, format!("jwe-of-{name}")));
        }
    }
    assert_eq!(fixture.keys.signing_keys().await.unwrap().len(), 8);
}

/// Along the whole lifecycle, and off it to compromised from each state; private keys go when a key does.
pub async fn every_transition_is_kept(fixture: &Fixture) {
    let moment = NOW.plus(50);
    let ways: [&[KeyState]; 6] = [
        &[
            PENDING,
            ACTIVE,
            RETIRING,
            RETIRED,
            RETIRED.compromise(moment).unwrap(),
        ],
        &[PENDING, WITHDRAWN, WITHDRAWN.compromise(moment).unwrap()],
        &[PENDING, PENDING.compromise(moment).unwrap()],
        &[PENDING, ACTIVE, ACTIVE.compromise(moment).unwrap()],
        &[PENDING, ACTIVE, RETIRING, RETIRING.compromise(moment).unwrap()],
        &[PENDING, ACTIVE, RETIRING, RETIRED],
    ];
    for (i, way) in ways.into_iter().enumerate() {
        let name = format!("key-{i}");
        add(fixture, vec![es256(&name, PENDING)]).await;
        for (i, states) in (1_u64..).zip(way.windows(2)) {
            let &[from, to] = states else {
                panic!("windows have two places");
            };
            let moved = KeyChange {
                at: ScheduleTime(i),
                ..change(vec![step(&name, from, to)], Vec::new())
            };
            assert_eq!(make(fixture, &moved).await, KeyChangeOutcome::Done);
            let wrapped = match to {
                KeyState::Retired { .. } | KeyState::Compromised { .. } => String::new(),
                _ => format!("jwe-of-{name}"),
            };
            let expected = (name.clone(), to, ScheduleTime(i), wrapped);
            assert!(kept(fixture).await.contains(&expected), "{expected:?}");
            let again = make(fixture, &moved).await;
            assert_eq!(again, KeyChangeOutcome::Conflict, "{expected:?}");
        }
    }
}

/// What the lifecycle does not have is not made, whoever asks.
pub async fn steps_beside_the_lifecycle_are_refused(fixture: &Fixture) {
    add(fixture, vec![es256("active", ACTIVE), es256("retired", RETIRED)]).await;
    let before = picture(fixture).await;
    let later = KeyState::Active {
        published: NOW,
        activated: NOW.plus(9),
    };
    let forgot_its_start = KeyState::Compromised {
        activated: None,
        compromised: NOW,
    };
    for (name, from, to) in [
        ("active", ACTIVE, PENDING),
        ("active", ACTIVE, ACTIVE),
        ("active", ACTIVE, later),
        ("active", ACTIVE, RETIRED),
        ("active", ACTIVE, forgot_its_start),
        ("retired", RETIRED, ACTIVE),
        ("retired", RETIRED, RETIRING),
    ] {
        let refused = change(vec![step(name, from, to)], vec![es256("new", PENDING)]);
        let error = fixture.keys.change_keys(&refused).await;
        assert!(
            matches!(error, Err(StoreError::Unavailable(_))),
            "{from:?} to {to:?}: {error:?}"
        );
        assert_eq!(picture(fixture).await, before);
    }
}

/// All entries in their order, and one advance of the facts whatever their number; cutoffs hold from the change on.
pub async fn entries_go_on_the_log_with_the_change(fixture: &Fixture) {
    add(fixture, vec![es256("a", ACTIVE)]).await;
    let start = fixture.log.head().await.unwrap();
    let entries = vec![
        NewRevocation::key(&kid("a")),
        NewRevocation::key(&kid("b")),
        NewRevocation::all(UnixMillis(1)),
    ];
    let dropping = KeyChange {
        entries: entries.clone(),
        ..change(
            vec![step("a", ACTIVE, ACTIVE.compromise(NOW).unwrap())],
            vec![es256("n", ACTIVE)],
        )
    };
    assert_eq!(make(fixture, &dropping).await, KeyChangeOutcome::Done);
    let head = fixture.log.head().await.unwrap();
    assert_eq!(
        (head.log, head.seq, head.facts),
        (start.log, start.seq + 3, start.facts + 1)
    );
    let logged = fixture.log.entries(start.seq, UnixMillis(0), 10).await.unwrap();
    let numbered: Vec<_> = logged.iter().map(|logged| (logged.seq, logged.entry)).collect();
    assert_eq!(
        numbered[..2],
        [
            (start.seq + 1, entries[0].entry),
            (start.seq + 2, entries[1].entry)
        ]
    );
    let (_, all) = numbered[2];
    assert_eq!(
        (all.kind, all.digest),
        (entries[2].entry.kind, entries[2].entry.digest)
    );
    assert!(
        matches!(all.effect, Effect::Cutoff(moment) if moment > UnixMillis(1)),
        "{all:?}"
    );

    assert_eq!(make(fixture, &dropping).await, KeyChangeOutcome::Conflict);
    assert_eq!(fixture.log.head().await.unwrap(), head);
}

/// Fifty rotations at once, planned from the same state: one is made, with its entry and its new key, and no other.
pub async fn racing_changes_planned_from_one_state_are_made_once(fixture: &Fixture) {
    add(fixture, vec![es256("old", ACTIVE), es256("new", PENDING)]).await;
    let (_, before, schedule) = picture(fixture).await;
    let mut tasks = JoinSet::new();
    for i in 0..50 {
        let next = format!("next-{i:02}");
        let rotation = KeyChange {
            entries: vec![NewRevocation::key(&kid(&next))],
            ..change(
                vec![
                    step("new", PENDING, PENDING.activate(NOW.plus(1)).unwrap()),
                    step("old", ACTIVE, ACTIVE.retire(NOW.plus(2)).unwrap()),
                ],
                vec![es256(&next, PENDING)],
            )
        };
        let keys = fixture.keys.clone();
        tasks.spawn(async move { (next, keys.change_keys(&rotation).await.unwrap()) });
    }
    let outcomes = tasks.join_all().await;
    let done: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == KeyChangeOutcome::Done)
        .collect();
    let conflicts = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == KeyChangeOutcome::Conflict);
    assert_eq!((done.len(), conflicts.count()), (1, 49));
    let names: Vec<_> = kept(fixture).await.into_iter().map(|key| key.0).collect();
    assert_eq!(names, ["new", &*done[0].0, "old"]);
    let (_, head, now) = picture(fixture).await;
    assert_eq!(
        (head.seq, head.facts, now.fence),
        (before.seq + 1, before.facts + 1, schedule.fence + 1)
    );
}
