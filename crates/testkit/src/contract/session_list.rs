//! The list of sessions, page by page, and which of them were ended.

use symbolon_core::client::Client;
use symbolon_core::lookup::{ListedSession, LiveSessions, SessionDetail, SessionsOf};
use symbolon_core::ports::{Begin, NewSession};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::{Subject, UnixMillis};

use crate::{
    FakeClock, Fixture, confidential_client, fresh_client_uid, fresh_session, fresh_subject, resource_server,
    user,
};

const NOW: UnixMillis = FakeClock::START;
const LIFE: u64 = 1_000_000;

pub(super) async fn client(fixture: &Fixture, id: &str) -> Client {
    let client = resource_server(id, &format!("urn:{id}")).build();
    let lift = NewRevocation::client_lifted(&client.client_id, NOW);
    fixture.admin.add_client(&client, &lift).await.unwrap();
    client
}

async fn begin(fixture: &Fixture, subject: Subject, client: &Client, at: UnixMillis) -> SessionDetail {
    let new = NewSession {
        session: fresh_session(at),
        subject,
        client: client.uid,
        scope: format!("of:{subject}"),
        ends: at.plus(LIFE),
        issued: at,
        address: Some("2001:db8::1".parse().unwrap()),
        user_agent: Some("browser".into()),
        refreshable: true,
    };
    let applied = fixture.log.head().await.unwrap();
    assert_eq!(fixture.sessions.begin(&new, applied).await.unwrap(), Begin::Begun);
    SessionDetail {
        listed: ListedSession {
            session: new.session,
            subject,
            client: client.uid,
            ends: new.ends,
        },
        username: None,
        client_id: Some(client.client_id.to_string()),
        scope: new.scope,
        address: Some("2001:db8::1".into()),
        user_agent: Some("browser".into()),
        ended: false,
    }
}

async fn list(fixture: &Fixture, of: &SessionsOf, now: UnixMillis, limit: u32) -> Vec<SessionDetail> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = fixture.lookup.sessions(of, now, after.as_deref(), limit);
        let page = page.await.unwrap();
        assert!(page.items.len() == limit as usize || page.next.is_none());
        found.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

/// With everything that the login left, until they end; those that begin while somebody pages are not among the rest.
pub async fn sessions_are_listed_the_latest_first(fixture: &Fixture) {
    let (app, spa) = (client(fixture, "app").await, client(fixture, "spa").await);
    let (alice, bob) = (fresh_subject(), fresh_subject());
    let mut begun = Vec::new();
    for (place, (subject, client)) in [
        (alice, &app),
        (bob, &app),
        (alice, &spa),
        (alice, &app),
        (bob, &spa),
    ]
    .into_iter()
    .enumerate()
    {
        begun.insert(0, begin(fixture, subject, client, NOW.plus(place as u64)).await);
    }
    let of = |keep: &dyn Fn(&ListedSession) -> bool| -> Vec<SessionDetail> {
        begun.iter().filter(|it| keep(&it.listed)).cloned().collect()
    };
    let first = begun[4].listed.session;
    for limit in [1, 2, 5, 100] {
        for (whose, expected) in [
            (SessionsOf::All, begun.clone()),
            (SessionsOf::Subject(alice), of(&|it| it.subject == alice)),
            (SessionsOf::Subject(fresh_subject()), vec![]),
            (
                SessionsOf::Client(app.uid, app.client_id.clone()),
                of(&|it| it.client == app.uid),
            ),
            (
                SessionsOf::Client(fresh_client_uid(), app.client_id.clone()),
                vec![],
            ),
            (SessionsOf::Session(first), of(&|it| it.session == first)),
        ] {
            assert_eq!(
                list(fixture, &whose, NOW.plus(9), limit).await,
                expected,
                "{whose:?}"
            );
        }
        let later = list(fixture, &SessionsOf::All, NOW.plus(LIFE + 1), limit).await;
        assert_eq!(later, begun[..3]);
    }
    let page = fixture
        .lookup
        .sessions(&SessionsOf::All, NOW, None, 2)
        .await
        .unwrap();
    begin(fixture, alice, &app, NOW.plus(10)).await;
    let rest = fixture
        .lookup
        .sessions(&SessionsOf::All, NOW, page.next.as_deref(), 100);
    assert_eq!(rest.await.unwrap().items, begun[2..]);
    let forged = fixture
        .lookup
        .sessions(&SessionsOf::All, NOW, Some("' OR 1=1 --"), 2);
    assert!(forged.await.is_err());
}

/// Users and clients that are gone have no names any more.
pub async fn sessions_are_listed_with_the_names_that_there_are(fixture: &Fixture) {
    let (app, spa) = (client(fixture, "app").await, client(fixture, "spa").await);
    let mut subjects = Vec::new();
    for name in ["alice", "bob"] {
        let new = user(name).build_new();
        fixture.admin.add_user(&new).await.unwrap();
        subjects.push(new.user.subject);
        for client in [&app, &spa, &app] {
            begin(fixture, new.user.subject, client, NOW).await;
        }
    }
    let names = async || {
        let found = list(fixture, &SessionsOf::All, NOW.plus(1), 100).await;
        let shown = found.into_iter().map(|it| (it.username, it.client_id));
        let mut names: Vec<_> = shown
            .map(|(user, client)| {
                format!(
                    "{} {}",
                    user.as_deref().unwrap_or("-"),
                    client.as_deref().unwrap_or("-")
                )
            })
            .collect();
        names.sort_unstable();
        names
    };
    assert_eq!(
        names().await,
        [
            "alice app",
            "alice app",
            "alice spa",
            "bob app",
            "bob app",
            "bob spa"
        ]
    );
    let entry = NewRevocation::subject_deleted(subjects[0], NOW);
    fixture.admin.delete_user(subjects[0], &entry).await.unwrap();
    let entry = NewRevocation::client_deleted(&spa.client_id, NOW);
    fixture.admin.delete_client(spa.uid, &entry).await.unwrap();
    assert_eq!(
        names().await,
        ["- -", "- app", "- app", "bob -", "bob app", "bob app"]
    );
}

/// At or before a moment, and not ended by what is revoked already.
pub async fn sessions_are_counted_by_when_they_began(fixture: &Fixture) {
    let app = client(fixture, "app").await;
    let alice = fresh_subject();
    for begun in 0..4 {
        begin(fixture, alice, &app, NOW.plus(begun * 10)).await;
    }
    let count = async |begun_by: Option<u64>| {
        let begun_by = begun_by.map(|after| NOW.plus(after));
        let of = SessionsOf::Subject(alice);
        let count = fixture.lookup.count_sessions(&of, begun_by, NOW.plus(40), 100);
        let LiveSessions { count, more } = count.await.unwrap();
        assert!(!more);
        count
    };
    assert_eq!([count(None).await, count(Some(0)).await], [4, 1]);
    assert_eq!([count(Some(19)).await, count(Some(20)).await], [2, 3]);
    let entry = NewRevocation::subject(alice, NOW.plus(10));
    fixture.log.append(&entry, NOW.plus(40)).await.unwrap();
    assert_eq!([count(None).await, count(Some(10)).await], [2, 0]);
    assert_eq!(count(Some(20)).await, 1);
}

/// Whatever they were ended by, and no more of them than asked for.
pub async fn sessions_are_counted_as_they_are_listed(fixture: &Fixture) {
    let (app, spa) = (client(fixture, "app").await, client(fixture, "spa").await);
    let (alice, bob) = (fresh_subject(), fresh_subject());
    let mut begun = Vec::new();
    for (place, client) in [&app, &spa, &app, &spa].into_iter().enumerate() {
        let at = NOW.plus(place as u64 * 10);
        begun.push(begin(fixture, alice, client, at).await.listed.session);
    }
    begin(fixture, bob, &spa, NOW.plus(40)).await;
    let now = NOW.plus(50);
    let counts = async || {
        let mut counts = Vec::new();
        for of in [
            SessionsOf::Subject(alice),
            SessionsOf::Client(app.uid, app.client_id.clone()),
            SessionsOf::Client(spa.uid, spa.client_id.clone()),
            SessionsOf::All,
        ] {
            let listed = list(fixture, &of, now, 100).await;
            let live = listed.iter().filter(|it| !it.ended).count() as u64;
            let counted = fixture.lookup.count_sessions(&of, None, now, 5).await.unwrap();
            assert_eq!((counted.count, counted.more), (live, false), "{of:?}");
            counts.push(live);
        }
        counts
    };
    assert_eq!(counts().await, [4, 2, 3, 5]);
    let append = async |entry: NewRevocation| {
        fixture.log.append(&entry, now).await.unwrap();
    };
    append(NewRevocation::session(begun[3], NOW.plus(LIFE))).await;
    assert_eq!(counts().await, [3, 2, 2, 4]);
    append(NewRevocation::client(&app.client_id, NOW.plus(5))).await;
    assert_eq!(counts().await, [2, 1, 2, 3]);
    append(NewRevocation::subject(bob, NOW.plus(40))).await;
    assert_eq!(counts().await, [2, 1, 1, 2]);
    for (most, counted) in [(1, (0, true)), (2, (1, true)), (3, (2, true)), (4, (2, false))] {
        let of = SessionsOf::Subject(alice);
        let found = fixture.lookup.count_sessions(&of, None, now, most).await.unwrap();
        assert_eq!((found.count, found.more), counted, "{most}");
    }
}

/// By an entry about them, their subject, their client or everything, as a token of theirs would be judged.
pub async fn sessions_say_whether_they_were_ended(fixture: &Fixture) {
    let (app, spa) = (client(fixture, "app").await, client(fixture, "spa").await);
    let (alice, bob) = (fresh_subject(), fresh_subject());
    let first = begin(fixture, alice, &app, NOW).await.listed.session;
    begin(fixture, alice, &spa, NOW.plus(10)).await;
    begin(fixture, bob, &app, NOW.plus(20)).await;
    begin(fixture, bob, &spa, NOW.plus(30)).await;
    let append = async |entry: NewRevocation| {
        fixture.log.append(&entry, NOW.plus(40)).await.unwrap();
    };
    let ended = async || {
        let mut found = list(fixture, &SessionsOf::All, NOW.plus(50), 3).await;
        found.reverse();
        found.iter().map(|it| it.ended).collect::<Vec<_>>()
    };
    assert_eq!(ended().await, [false; 4]);
    append(NewRevocation::session(first, NOW.plus(LIFE))).await;
    assert_eq!(ended().await, [true, false, false, false]);
    append(NewRevocation::subject_blocked(alice)).await;
    assert_eq!(ended().await, [true, true, false, false]);
    append(NewRevocation::subject_lifted(alice, NOW)).await;
    // The lift reaches up to when the block was made.
    assert_eq!(ended().await, [true, true, false, false]);
    append(NewRevocation::subject(bob, NOW.plus(20))).await;
    append(NewRevocation::subject(bob, NOW.plus(5))).await;
    assert_eq!(
        ended().await,
        [true, true, true, false],
        "the latest cutoff counts"
    );
    let entry = NewRevocation::client_deleted(&spa.client_id, NOW);
    fixture.admin.delete_client(spa.uid, &entry).await.unwrap();
    assert_eq!(ended().await, [true; 4]);
    let alone = list(fixture, &SessionsOf::Subject(bob), NOW.plus(50), 1).await;
    assert!(alone.iter().all(|it| it.ended));
}

/// A block that was lifted, a block again, a cutoff of everything, and those who came after all of it.
pub async fn what_began_after_the_last_entry_goes_on(fixture: &Fixture) {
    let app = client(fixture, "app").await;
    let carol = user("carol").build_new();
    fixture.admin.add_user(&carol).await.unwrap();
    let carol = carol.user.subject;
    begin(fixture, carol, &app, NOW).await;
    begin(fixture, carol, &app, NOW.plus(100)).await;
    let ended = async || {
        let found = list(fixture, &SessionsOf::Subject(carol), NOW.plus(200), 10).await;
        [found[1].ended, found[0].ended]
    };
    let append = async |entry: NewRevocation| {
        fixture.log.append(&entry, NOW).await.unwrap();
    };
    append(NewRevocation::all(NOW)).await;
    assert_eq!(ended().await, [true, false]);
    for _ in 0..2 {
        append(NewRevocation::client_blocked(&app.client_id)).await;
        assert_eq!(ended().await, [true, true]);
        append(NewRevocation::client_lifted(&app.client_id, NOW)).await;
        assert_eq!(ended().await, [true, false]);
    }
    let entry = NewRevocation::subject_deleted(carol, NOW);
    fixture.admin.delete_user(carol, &entry).await.unwrap();
    assert_eq!(ended().await, [true, true]);
    let other = confidential_client("nobody").build();
    begin(fixture, fresh_subject(), &other, NOW.plus(100)).await;
    let of_nobody = SessionsOf::Client(other.uid, other.client_id);
    let found = list(fixture, &of_nobody, NOW.plus(200), 10).await;
    assert!(found.iter().all(|it| it.ended), "of a client that is gone");
}
