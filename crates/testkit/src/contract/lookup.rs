//! What people look up of the log and of the list of sessions.

use symbolon_core::audit::{Act, Actor};
use symbolon_core::lookup::{ListedSession, LiveSessions, SessionsOf};
use symbolon_core::ports::{Begin, NewSession};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::{ClientId, ClientUid, Subject, UnixMillis};

use super::session_list::client;
use crate::{FakeClock, Fixture, fresh_client_uid, fresh_session, fresh_subject};

const NOW: UnixMillis = FakeClock::START;
const LIFE: u64 = 1_000_000;

/// By position, from the end backwards, and by what they are about; expired ones, too.
pub async fn entries_are_read_with_what_is_on_record(fixture: &Fixture) {
    let start = fixture.log.head().await.unwrap().seq;
    let subject = fresh_subject();
    let (alice, bob) = (Actor::operator("alice"), Actor::operator("bob"));
    let app = Actor::client(&"app".parse().unwrap());
    let revocations = [
        NewRevocation::subject(subject, NOW).by(&Act::new(alice, "left the company")),
        NewRevocation::session(fresh_session(NOW), NOW.plus(5)).by(&Act::new(app, "laptop stolen")),
        NewRevocation::subject_blocked(subject).by(&Act::new(bob, "fraud")),
    ];
    for revocation in &revocations {
        fixture.log.append(revocation, NOW).await.unwrap();
    }
    let all = fixture.records.revocations(None, 10).await.unwrap();
    assert_eq!(all.len(), 3);
    for (found, revocation) in all.iter().rev().zip(&revocations) {
        assert_eq!(found.logged.entry, revocation.entry);
        let Act { reason, actor, .. } = &revocation.act;
        assert_eq!((&*found.reason, &*found.actor), (&**reason, actor.as_str()));
        assert_eq!(found.logged.at, NOW);
        let alone = fixture
            .records
            .revocation(found.logged.seq)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (alone.logged.seq, alone.reason),
            (found.logged.seq, found.reason.clone())
        );
    }
    let seqs = async |before, limit| -> Vec<u64> {
        let found = fixture.records.revocations(before, limit).await.unwrap();
        found.iter().map(|entry| entry.logged.seq).collect()
    };
    assert_eq!(seqs(None, 2).await, [start + 3, start + 2]);
    assert_eq!(seqs(Some(start + 2), 2).await, [start + 1]);
    assert_eq!(seqs(Some(0), 2).await, [0; 0]);
    assert_eq!(seqs(Some(u64::MAX), 1).await, [start + 3]);
    for nowhere in [0, start + 4, u64::MAX] {
        assert!(fixture.records.revocation(nowhere).await.unwrap().is_none());
    }
    let last = async |of: &NewRevocation| fixture.records.last_revocation_of(of.entry.digest).await.unwrap();
    assert_eq!(last(&revocations[0]).await.unwrap().reason, "fraud");
    assert_eq!(last(&revocations[1]).await.unwrap().reason, "laptop stolen");
    assert!(last(&NewRevocation::all(NOW)).await.is_none());
}

async fn begin(fixture: &Fixture, subject: Subject, client: ClientUid, at: UnixMillis) -> ListedSession {
    let session = fresh_session(at);
    let new = NewSession {
        session,
        subject,
        client,
        scope: "orders:read".into(),
        ends: at.plus(LIFE),
        issued: at,
        address: None,
        user_agent: None,
        refreshable: true,
    };
    let applied = fixture.log.head().await.unwrap();
    assert_eq!(fixture.sessions.begin(&new, applied).await.unwrap(), Begin::Begun);
    ListedSession {
        session,
        subject,
        client,
        ends: new.ends,
    }
}

async fn count(fixture: &Fixture, of: SessionsOf, now: UnixMillis) -> u64 {
    let counted = fixture.lookup.count_sessions(&of, None, now, 100).await;
    let LiveSessions { count, more } = counted.unwrap();
    assert!(!more);
    count
}

/// Until they end.
pub async fn sessions_are_counted_by_whom_they_are_of(fixture: &Fixture) {
    let (alice, bob) = (fresh_subject(), fresh_subject());
    let (app, spa) = (client(fixture, "app").await.uid, client(fixture, "spa").await.uid);
    let id = |text: &str| text.parse::<ClientId>().unwrap();
    let first = begin(fixture, alice, app, NOW).await;
    begin(fixture, alice, spa, NOW.plus(1)).await;
    begin(fixture, bob, app, NOW.plus(2)).await;
    for (of, expected) in [
        (SessionsOf::All, 3),
        (SessionsOf::Client(app, id("app")), 2),
        (SessionsOf::Client(spa, id("spa")), 1),
        (SessionsOf::Client(fresh_client_uid(), id("none")), 0),
        (SessionsOf::Session(first.session), 1),
        (SessionsOf::Session(fresh_session(NOW)), 0),
        (SessionsOf::Subject(alice), 2),
        (SessionsOf::Subject(fresh_subject()), 0),
    ] {
        assert_eq!(count(fixture, of.clone(), NOW.plus(3)).await, expected, "{of:?}");
    }
    assert_eq!(count(fixture, SessionsOf::All, NOW.plus(LIFE)).await, 2);
    assert_eq!(count(fixture, SessionsOf::All, NOW.plus(LIFE + 2)).await, 0);
    assert_eq!(fixture.lookup.session(first.session).await.unwrap(), Some(first));
    assert_eq!(fixture.lookup.session(fresh_session(NOW)).await.unwrap(), None);
}

/// By an entry about just those, about others of which they are among, or about everything.
pub async fn sessions_that_have_ended_are_not_counted(fixture: &Fixture) {
    let (alice, app) = (fresh_subject(), client(fixture, "app").await.uid);
    let id: ClientId = "app".parse().unwrap();
    let first = begin(fixture, alice, app, NOW).await;
    begin(fixture, alice, app, NOW.plus(10)).await;
    let append = async |entry: NewRevocation| {
        fixture.log.append(&entry, NOW.plus(3)).await.unwrap();
    };
    let counts = async || {
        let now = NOW.plus(30);
        [
            count(fixture, SessionsOf::All, now).await,
            count(fixture, SessionsOf::Client(app, id.clone()), now).await,
            count(fixture, SessionsOf::Subject(alice), now).await,
            count(fixture, SessionsOf::Session(first.session), now).await,
        ]
    };
    begin(fixture, alice, app, NOW.plus(20)).await;
    assert_eq!(counts().await, [3, 3, 3, 1]);
    append(NewRevocation::session(first.session, first.ends)).await;
    assert_eq!(counts().await, [2, 2, 2, 0]);
    append(NewRevocation::subject(alice, NOW)).await;
    assert_eq!(counts().await, [2, 2, 2, 0]);
    append(NewRevocation::subject(alice, NOW.plus(10))).await;
    assert_eq!(counts().await, [1, 1, 1, 0]);
    append(NewRevocation::client_blocked(&id)).await;
    assert_eq!(counts().await, [0, 0, 0, 0]);
    append(NewRevocation::client_lifted(&id, NOW.plus(5))).await;
    assert_eq!(counts().await, [1, 1, 1, 0]);
    append(NewRevocation::all(NOW.plus(20))).await;
    assert_eq!(counts().await, [0, 0, 0, 0]);
}
