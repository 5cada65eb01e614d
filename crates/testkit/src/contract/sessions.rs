//! Sessions and the rotation of refresh tokens.

use std::collections::BTreeSet;

use symbolon_core::ports::{Begin, KilledSession, NewSession};
use symbolon_core::revocation::{Head, NewRevocation};
use symbolon_core::rotation::{Rotation, RotationRequest, RotationRules};
use symbolon_core::user::Role;
use symbolon_core::{SessionId, Subject, UnixMillis};
use tokio::task::JoinSet;

use crate::{FakeClock, Fixture, fresh_client_uid, fresh_session, fresh_subject};

pub(super) const NOW: UnixMillis = FakeClock::START;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const OVERLAP_MS: u64 = 30_000;
const RULES: RotationRules = RotationRules {
    rotate: true,
    overlap_ms: OVERLAP_MS,
    late_per_day: Some(1),
    adopt: true,
};

pub(super) fn new_session() -> NewSession {
    NewSession {
        session: fresh_session(NOW),
        subject: fresh_subject(),
        client: fresh_client_uid(),
        scope: "orders:read".into(),
        ends: NOW.plus(30 * DAY_MS),
        issued: NOW,
        address: Some("2001:db8::1".parse().unwrap()),
        user_agent: Some("contract/1".into()),
        refreshable: true,
    }
}

/// A session of the store, and how requests for it are made.
pub(super) struct Begun<'a> {
    pub(super) fixture: &'a Fixture,
    pub(super) session: NewSession,
}

impl<'a> Begun<'a> {
    pub(super) async fn in_store(fixture: &'a Fixture) -> Self {
        Self::with(fixture, new_session()).await
    }

    pub(super) async fn with(fixture: &'a Fixture, session: NewSession) -> Self {
        let head = fixture.log.head().await.unwrap();
        assert_eq!(
            fixture.sessions.begin(&session, head).await.unwrap(),
            Begin::Begun
        );
        Self { fixture, session }
    }

    pub(super) async fn request(&self, presented: u32, after_ms: u64) -> RotationRequest {
        RotationRequest {
            session: self.session.session,
            subject: self.session.subject,
            presented,
            ends: self.session.ends,
            applied: self.fixture.log.head().await.unwrap(),
            now: NOW.plus(after_ms),
            rules: RULES,
        }
    }

    pub(super) async fn rotate(&self, presented: u32, after_ms: u64) -> Rotation {
        let request = self.request(presented, after_ms).await;
        self.fixture.sessions.rotate(&request).await.unwrap()
    }
}

pub(super) fn rotated(generation: u32, after_ms: u64) -> Rotation {
    Rotation::Rotated {
        generation,
        issued: NOW.plus(after_ms),
        adopted: false,
    }
}

fn replayed(generation: u32, after_ms: u64, late: bool) -> Rotation {
    Rotation::Replayed {
        generation,
        issued: NOW.plus(after_ms),
        late,
    }
}

/// Generation after generation, each issued when it was asked for.
pub async fn a_login_begins_a_session_whose_token_rotates(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    assert_eq!(session.rotate(0, 1_000).await, rotated(1, 1_000));
    assert_eq!(session.rotate(1, 2_000).await, rotated(2, 2_000));
    assert_eq!(session.rotate(2, 3_000).await, rotated(3, 3_000));
}

/// An entry that came since the request was authorized, or a log that is another: nothing is written.
pub async fn a_node_that_is_behind_must_catch_up(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    let start = fixture.log.head().await.unwrap();
    let revocation = NewRevocation::subject(session.session.subject, UnixMillis(0));
    let head = fixture.log.append(&revocation, NOW).await.unwrap().head;
    let other_log = Head {
        log: uuid::Uuid::from_u128(1),
        ..head
    };
    for applied in [start, other_log] {
        let behind = RotationRequest {
            applied,
            ..session.request(0, 1_000).await
        };
        assert_eq!(fixture.sessions.rotate(&behind).await.unwrap(), Rotation::CatchUp);
        let unwritten = NewSession {
            subject: session.session.subject,
            ..new_session()
        };
        let began = fixture.sessions.begin(&unwritten, applied).await.unwrap();
        assert_eq!(began, Begin::CatchUp);
        // It was not written: now it can be.
        Begun::with(fixture, unwritten).await;
    }
    assert_eq!(session.rotate(0, 2_000).await, rotated(1, 2_000));
}

/// The killed session is listed until it is known to be logged; other sessions of the user live on.
pub async fn a_reuse_kills_one_session_and_waits_in_the_outbox(fixture: &Fixture) {
    let killed = Begun::in_store(fixture).await;
    let spared = NewSession {
        subject: killed.session.subject,
        client: killed.session.client,
        ..new_session()
    };
    let spared = Begun::with(fixture, spared).await;
    for generation in 0..3 {
        killed.rotate(generation, 10).await;
    }
    assert_eq!(fixture.sessions.killed(10).await.unwrap(), []);
    assert_eq!(killed.rotate(0, 20).await, Rotation::Reused);
    for generation in 0..4 {
        assert_eq!(killed.rotate(generation, 30).await, Rotation::Revoked);
    }
    let outbox = fixture.sessions.killed(10).await.unwrap();
    let [entry] = outbox[..] else {
        panic!("one session waits: {outbox:?}");
    };
    assert_eq!(
        (entry.session, entry.ends),
        (killed.session.session, killed.session.ends)
    );
    assert!(
        entry
            .subject
            .is_none_or(|subject| subject == killed.session.subject)
    );
    assert_eq!(fixture.sessions.killed(0).await.unwrap(), []);
    let other = KilledSession {
        session: fresh_session(NOW),
        ..entry
    };
    fixture.sessions.killed_logged(&other).await.unwrap();
    assert_eq!(fixture.sessions.killed(10).await.unwrap(), [entry]);
    fixture.sessions.killed_logged(&entry).await.unwrap();
    assert_eq!(fixture.sessions.killed(10).await.unwrap(), []);
    assert_eq!(killed.rotate(3, 40).await, Rotation::Revoked);
    assert_eq!(spared.rotate(0, 50).await, rotated(1, 50));
}

/// Until its last millisecond, not from then on.
pub async fn a_session_ends_when_it_ends(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    let life = session.session.ends.since(NOW);
    assert_eq!(session.rotate(0, life - 1).await, rotated(1, life - 1));
    assert_eq!(session.rotate(1, life).await, Rotation::Expired);
    assert_eq!(session.rotate(0, life).await, Rotation::Expired);
}

/// A login begins only by the facts that hold, in whatever store its records are.
pub async fn a_login_by_facts_that_changed_is_not_listed(fixture: &Fixture) {
    let applied = fixture.log.head().await.unwrap();
    let role = Role {
        name: "clerk".parse().unwrap(),
        scope: Default::default(),
    };
    fixture.admin.put_role(&role).await.unwrap();
    let unwritten = new_session();
    let began = fixture.sessions.begin(&unwritten, applied).await.unwrap();
    assert_eq!(began, Begin::CatchUp);
    // It was not written: now it can be.
    Begun::with(fixture, unwritten).await;
}

/// A login without refresh token writes a session and no record to rotate.
pub async fn a_session_without_refresh_keeps_no_record(fixture: &Fixture) {
    let session = NewSession {
        refreshable: false,
        address: None,
        user_agent: None,
        ..new_session()
    };
    let session = Begun::with(fixture, session).await;
    let request = RotationRequest {
        rules: RotationRules {
            adopt: false,
            ..RULES
        },
        ..session.request(0, 1).await
    };
    assert_eq!(
        fixture.sessions.rotate(&request).await.unwrap(),
        Rotation::Unknown
    );
}

/// G3.
pub async fn an_older_token_kills_the_session_within_the_overlap(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    session.rotate(0, 10).await;
    session.rotate(1, 20).await;
    assert_eq!(session.rotate(0, 21).await, Rotation::Reused);
    assert_eq!(session.rotate(2, 22).await, Rotation::Revoked);
}

/// G21.
pub async fn at_most_one_late_recovery_while_the_successor_is_unused(fixture: &Fixture) {
    let late = OVERLAP_MS + 1;
    let twice = Begun::in_store(fixture).await;
    twice.rotate(0, 0).await;
    assert_eq!(twice.rotate(0, late).await, replayed(1, 0, true));
    // The answer may have been lost, so it is repeated for one overlap, which does not move.
    for again in [late + 1, late + OVERLAP_MS / 2, late + OVERLAP_MS] {
        assert_eq!(twice.rotate(0, again).await, replayed(1, 0, false));
    }
    let beyond = late + OVERLAP_MS + 1;
    assert_eq!(twice.rotate(0, beyond).await, Rotation::Reused);
    assert_eq!(twice.rotate(1, beyond + 1).await, Rotation::Revoked);

    let next_day = Begun::in_store(fixture).await;
    next_day.rotate(0, 0).await;
    assert_eq!(next_day.rotate(0, late).await, replayed(1, 0, true));
    assert_eq!(next_day.rotate(0, late + DAY_MS).await, replayed(1, 0, true));

    let used = Begun::in_store(fixture).await;
    used.rotate(0, 0).await;
    used.rotate(1, 1).await;
    assert_eq!(used.rotate(0, late).await, Rotation::Reused);

    let used_after = Begun::in_store(fixture).await;
    used_after.rotate(0, 0).await;
    assert_eq!(used_after.rotate(0, late).await, replayed(1, 0, true));
    assert_eq!(used_after.rotate(1, late + 1).await, rotated(2, late + 1));
    assert_eq!(used_after.rotate(0, late + 2).await, Rotation::Reused);
}

/// A record that is gone or behind a token with a valid seal.
pub async fn lost_writes_are_adopted_or_refused(fixture: &Fixture) {
    let behind = Begun::in_store(fixture).await;
    let gone = Begun {
        fixture,
        session: new_session(),
    };
    for session in [behind, gone] {
        let refuse = RotationRequest {
            rules: RotationRules {
                adopt: false,
                ..RULES
            },
            ..session.request(7, 100).await
        };
        assert_eq!(fixture.sessions.rotate(&refuse).await.unwrap(), Rotation::Unknown);
        let adopted = Rotation::Rotated {
            generation: 8,
            issued: NOW.plus(200),
            adopted: true,
        };
        assert_eq!(session.rotate(7, 200).await, adopted);
        assert_eq!(session.rotate(7, 300).await, replayed(8, 200, false));
        assert_eq!(session.rotate(8, 400).await, rotated(9, 400));
        assert_eq!(session.rotate(3, 500).await, Rotation::Reused);
    }
}

/// A `sid` that is there already is an error, and the session that has it goes on.
pub async fn no_session_begins_twice(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    session.rotate(0, 10).await;
    let head = fixture.log.head().await.unwrap();
    assert!(fixture.sessions.begin(&session.session, head).await.is_err());
    assert_eq!(session.rotate(1, 20).await, rotated(2, 20));
}

/// For every outcome there is, asked twice and then rotated.
pub async fn peeking_answers_what_a_rotation_would_and_changes_nothing(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    let other_log = Head {
        log: uuid::Uuid::from_u128(1),
        ..fixture.log.head().await.unwrap()
    };
    let mut expected = Vec::new();
    let late = OVERLAP_MS + 100;
    let life = session.session.ends.since(NOW);
    for (presented, after, outcome) in [
        (0, 10, rotated(1, 10)),
        (0, 20, replayed(1, 10, false)),
        (0, late, replayed(1, 10, true)),
        (1, late, rotated(2, late)),
        (1, life, Rotation::Expired),
        (0, late, Rotation::Reused),
        (2, late, Rotation::Revoked),
    ] {
        let request = session.request(presented, after).await;
        expected.push((request, outcome));
        let behind = RotationRequest {
            applied: other_log,
            ..request
        };
        expected.push((behind, Rotation::CatchUp));
    }
    for (request, outcome) in expected {
        for _ in 0..2 {
            assert_eq!(fixture.sessions.peek(&request).await.unwrap(), outcome);
        }
        assert_eq!(fixture.sessions.rotate(&request).await.unwrap(), outcome);
    }
    let gone = Begun {
        fixture,
        session: new_session(),
    };
    let request = RotationRequest {
        rules: RotationRules {
            adopt: false,
            ..RULES
        },
        ..gone.request(0, 1).await
    };
    assert_eq!(fixture.sessions.peek(&request).await.unwrap(), Rotation::Unknown);
}

/// Sessions that rotate at the same moment do not see each other.
pub async fn racing_sessions_rotate_each_on_its_own(fixture: &Fixture) {
    let mut tasks = JoinSet::new();
    for _ in 0..40 {
        let session = Begun::in_store(fixture).await;
        let first = session.request(0, 10).await;
        let (store, sessions) = (fixture.clone(), session.session.session);
        tasks.spawn(async move {
            let one = store.sessions.rotate(&first).await.unwrap();
            let second = RotationRequest {
                presented: 1,
                now: NOW.plus(20),
                ..first
            };
            (sessions, one, store.sessions.rotate(&second).await.unwrap())
        });
    }
    let outcomes = tasks.join_all().await;
    let distinct: BTreeSet<SessionId> = outcomes.iter().map(|(session, ..)| *session).collect();
    assert_eq!(distinct.len(), 40);
    for (session, one, two) in outcomes {
        assert_eq!((one, two), (rotated(1, 10), rotated(2, 20)), "{session}");
    }
}

/// G1.
pub async fn racing_uses_of_one_token_get_one_successor(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    let mut tasks = JoinSet::new();
    for i in 0..100 {
        // Each at its own moment: all the same, one of them is when the successor was issued.
        let request = session.request(0, i).await;
        let store = fixture.sessions.clone();
        tasks.spawn(async move { store.rotate(&request).await.unwrap() });
    }
    let mut issued_at = BTreeSet::new();
    let mut rotations = 0;
    for outcome in tasks.join_all().await {
        match outcome {
            Rotation::Rotated {
                generation: 1,
                issued,
                adopted: false,
            } => {
                rotations += 1;
                issued_at.insert(issued);
            }
            Rotation::Replayed {
                generation: 1,
                issued,
                late: false,
            } => {
                issued_at.insert(issued);
            }
            other => panic!("{other:?} instead of the one successor"),
        }
    }
    assert_eq!((rotations, issued_at.len()), (1, 1));
}

/// G2.
pub async fn replays_never_move_the_overlap(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    session.rotate(0, 0).await;
    for after in [0, 10_000, 20_000, OVERLAP_MS] {
        assert_eq!(session.rotate(0, after).await, replayed(1, 0, false));
    }
    assert_eq!(
        session.rotate(0, OVERLAP_MS + 1).await,
        replayed(1, 0, true),
        "the overlap ends when it ends"
    );
    assert_eq!(
        session.rotate(1, OVERLAP_MS + 2).await,
        rotated(2, OVERLAP_MS + 2)
    );
}

/// At most as many of each as asked for at a time, and only what has ended.
pub async fn sweeping_goes_in_batches_and_spares_the_living(fixture: &Fixture) {
    for _ in 0..5 {
        let session = NewSession {
            ends: NOW.plus(1_000),
            ..new_session()
        };
        Begun::with(fixture, session).await;
    }
    let edge = NewSession {
        ends: NOW.plus(2_000),
        ..new_session()
    };
    let edge = Begun::with(fixture, edge).await;
    let living = Begun::in_store(fixture).await;
    let before = NOW.plus(2_000);
    // Five sessions, and their five records where those do not expire by themselves.
    let swept: Vec<u64> = [
        fixture.sessions.sweep(before, 3).await.unwrap(),
        fixture.sessions.sweep(before, 3).await.unwrap(),
        fixture.sessions.sweep(before, 3).await.unwrap(),
    ]
    .into();
    assert!(
        [[6, 4, 0], [3, 2, 0]].contains(&[swept[0], swept[1], swept[2]]),
        "{swept:?}"
    );
    assert_eq!(edge.rotate(0, 1_000).await, rotated(1, 1_000));
    assert_eq!(living.rotate(0, 1_000).await, rotated(1, 1_000));
}

/// Where the client's tokens do not rotate the current one stays, and what is older kills.
pub async fn tokens_that_do_not_rotate_stay(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    session.rotate(0, 0).await;
    session.rotate(1, 1).await;
    let keep = |request| RotationRequest {
        rules: RotationRules {
            rotate: false,
            ..RULES
        },
        ..request
    };
    for after in [10, OVERLAP_MS * 10] {
        let request = keep(session.request(2, after).await);
        assert_eq!(fixture.sessions.rotate(&request).await.unwrap(), Rotation::Kept);
    }
    let older = keep(session.request(0, 20).await);
    assert_eq!(fixture.sessions.rotate(&older).await.unwrap(), Rotation::Reused);
}

/// A revocation raises the fence of whom it is about before it returns.
pub async fn the_fence_is_where_a_node_must_be(fixture: &Fixture) {
    let subject: Subject = fresh_subject();
    let revocation = NewRevocation::subject(subject, NOW);
    let head = fixture.log.append(&revocation, NOW).await.unwrap().head;
    let fence = fixture.sessions.fence(subject, None).await.unwrap().head;
    assert_eq!((fence.log, fence.seq), (head.log, head.seq));
}

/// The fence tells of a kill before the log does, and of no other session's.
pub async fn the_fence_tells_of_a_kill(fixture: &Fixture) {
    let (killed, spared) = (Begun::in_store(fixture).await, Begun::in_store(fixture).await);
    for generation in 0..2 {
        killed.rotate(generation, 10).await;
    }
    assert_eq!(killed.rotate(0, 20).await, Rotation::Reused);
    for (session, dead) in [(&killed, true), (&spared, false)] {
        let NewSession { subject, session, .. } = session.session;
        assert_eq!(
            fixture
                .sessions
                .fence(subject, Some(session))
                .await
                .unwrap()
                .killed,
            dead
        );
    }
}
