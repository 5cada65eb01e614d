//! Revoking by hand, waiting for verifiers, and looking at both.

mod keys;
mod look;
mod tokens;
mod wait;

use symbolon_core::evidence::VerifierName;
use symbolon_core::facts::Revocations as _;
use symbolon_core::ports::{Begin, NewSession, RevocationLog as _, SessionStore as _};
use symbolon_core::revocation::{Logged, NewRevocation};
use symbolon_core::{ClientId, ClientUid, SessionId, Subject};
use symbolon_jose::Kid;
use symbolon_oauth_types::revocation::Entry;
use symbolon_revocation::LiveLog;
use uuid::Uuid;

use super::*;

const PASSWORD: &str = "correct horse";
const NO_WAIT: [Duration; 0] = [];

impl Bench {
    async fn alice(&self) -> Subject {
        let added = self.json(PASSWORD, "user add alice --password-stdin").await;
        Subject(added["subject"].as_str().unwrap().parse().unwrap())
    }

    /// A confidential client that serves an audience of its name.
    async fn api(&self, id: &str) -> (ClientUid, ClientId) {
        self.json(
            "",
            &format!("client add --client-id {id} --name {id} --serves urn:{id}"),
        )
        .await;
        let id: ClientId = id.parse().unwrap();
        let client = symbolon_core::ports::FactStore::client(&self.store, &id)
            .await
            .unwrap();
        (client.unwrap().uid, id)
    }

    async fn session(&self, subject: Subject, client: ClientUid) -> SessionId {
        let now = self.clock.now();
        let session = SessionId::new(now, &SystemRng);
        let new = NewSession {
            session,
            subject,
            client,
            scope: String::new(),
            ends: now.plus(3_600_000),
            issued: now,
            address: None,
            user_agent: None,
            refreshable: true,
        };
        let applied = self.store.head().await.unwrap();
        assert_eq!(self.store.begin(&new, applied).await.unwrap(), Begin::Begun);
        session
    }

    async fn logged(&self) -> Vec<Logged> {
        self.store.entries(0, UnixMillis(START), 1000).await.unwrap()
    }

    /// The last entry on the log, and its position.
    async fn last(&self) -> (Entry, u64) {
        let last = self.logged().await.pop().unwrap();
        (last.entry, last.seq)
    }

    /// Runs a command with `--dry-run`, which changes nothing, and returns how many sessions it would end.
    async fn would_end(&self, line: &str) -> u64 {
        let before = self.store.head().await.unwrap();
        let planned = self.run(&format!("{line} --reason x --dry-run --json")).await;
        assert_eq!(planned.waited, NO_WAIT);
        let planned = planned.json();
        assert_eq!((&planned["dry_run"], planned.get("done")), (&true.into(), None));
        let shown = self.run(&format!("{line} --reason x --dry-run")).await;
        assert!(
            shown.out.ends_with("\n\ndry run: nothing was changed\n"),
            "{}",
            shown.out
        );
        assert_eq!(self.store.head().await.unwrap(), before, "a dry run of {line}");
        planned["sessions"].as_u64().unwrap()
    }

    /// What a verifier says now.
    async fn says(&self, client: ClientUid, name: &str, seq: u64) -> Report {
        Report {
            client,
            name: name.parse::<VerifierName>().unwrap(),
            log: self.store.head().await.unwrap().log,
            seq,
            as_of: self.clock.now(),
            kids: std::collections::BTreeSet::new(),
            at: self.clock.now(),
        }
    }
}

#[tokio::test]
async fn each_kind_makes_its_entry() {
    let bench = Bench::new().await;
    let alice = bench.alice().await;
    let (app, id) = bench.api("app").await;
    let session = bench.session(alice, app).await;
    let ends = bench.clock.now().plus(3_600_000);
    bench.session(alice, app).await;
    bench
        .session(Subject::new(bench.clock.now(), &SystemRng), app)
        .await;

    type Make = Box<dyn Fn(UnixMillis) -> NewRevocation>;
    let cases: [(String, Make, u64, (&str, String)); 4] = [
        (
            format!("revoke session {session}"),
            Box::new(move |_| NewRevocation::session(session, ends)),
            1,
            ("session", session.to_string()),
        ),
        (
            "revoke subject ALICE".to_owned(),
            Box::new(move |now| NewRevocation::subject(alice, now)),
            1,
            ("subject", alice.to_string()),
        ),
        (
            "revoke client app".to_owned(),
            Box::new(move |now| NewRevocation::client(&id, now)),
            1,
            ("client", "app".to_owned()),
        ),
        (
            "revoke all --yes".to_owned(),
            Box::new(NewRevocation::all),
            0,
            ("all", String::new()),
        ),
    ];
    for (line, entry, sessions, (kind, value)) in cases {
        // Those that an earlier case has ended are not counted.
        assert_eq!(bench.would_end(&line).await, sessions, "{line}");
        let stamped = bench.clock.now();
        let outcome = bench
            .run(&format!("{line} --reason left-the-company --json"))
            .await;
        let object = outcome.json();
        assert_eq!(
            (&object["done"], &object["kind"]),
            (&"revoked".into(), &kind.into())
        );
        let named = object.get(kind).and_then(Value::as_str);
        assert_eq!(named, (kind != "all").then_some(&*value));
        assert_eq!(object["reach"], "everywhere");
        assert_eq!(
            (&object["confirmed"], &object["verifiers"]),
            (&true.into(), &serde_json::json!([]))
        );
        let (logged, seq) = bench.last().await;
        assert_eq!(
            (logged, object["seq"].as_u64()),
            (entry(stamped).entry, Some(seq)),
            "{line}"
        );
        assert_eq!(outcome.waited, NO_WAIT, "{line}: no fact has changed");
        let shown = bench.run(&format!("revocations show {seq} --json")).await.json();
        assert_eq!(
            (&shown["reason"], &shown["actor"]),
            (&"left-the-company".into(), &"cli:tester".into())
        );
        assert_eq!(bench.would_end(&line).await, 0, "{line}: it is done");
    }
}

#[tokio::test]
async fn it_says_how_many_sessions_have_ended() {
    let bench = Bench::new().await;
    let alice = bench.alice().await;
    let (app, _) = bench.api("app").await;
    let first = bench.session(alice, app).await;
    for _ in 0..2 {
        bench.session(alice, app).await;
    }
    for (line, ended) in [
        (format!("revoke session {first}"), "1 session"),
        ("revoke subject alice".to_owned(), "2 sessions"),
        ("revoke client app".to_owned(), "no session that was live"),
    ] {
        let done = bench.run(&format!("{line} --reason x")).await;
        assert!(done.out.contains(&format!("\nended: {ended}\n")), "{}", done.out);
    }
}

#[tokio::test]
async fn what_is_revoked_is_refused_and_what_begins_afterwards_is_not() {
    let bench = Bench::new().await;
    let alice = bench.alice().await;
    let log = LiveLog::open(Arc::new(bench.store.clone()), bench.clock.clone())
        .await
        .unwrap();
    let is_revoked = |session: SessionId| {
        let token = symbolon_oauth_types::revocation::Revocable {
            started: session.moment(),
            subject: alice.0,
            client_id: "app",
            session: Some(session.0),
            token: None,
            kid: None,
        };
        log.applied().cutoffs.revokes(&token).is_some()
    };
    let before = SessionId::new(bench.clock.now(), &SystemRng);
    assert_eq!(bench.run("revoke subject alice --reason x").await.error, None);
    let after = SessionId::new(bench.clock.now(), &SystemRng);
    log.catch_up().await.unwrap();
    assert_eq!((is_revoked(before), is_revoked(after)), (true, false));
}

#[tokio::test]
async fn whom_there_is_not_is_not_revoked() {
    let bench = Bench::new().await;
    let nobody = Uuid::from_u128(7);
    let before = bench.store.head().await.unwrap();
    for (line, said) in [
        ("revoke subject bob".to_owned(), "there is no user \"bob\""),
        (format!("revoke subject {nobody}"), "there is no user"),
        ("revoke client web".to_owned(), "there is no client \"web\""),
        (
            format!("revoke session {nobody}"),
            "no session 00000000-0000-0000-0000-000000000007",
        ),
    ] {
        bench.run(&format!("{line} --reason x")).await.refused(3, said);
        bench
            .run(&format!("{line} --reason x --dry-run"))
            .await
            .refused(3, said);
    }
    let (app, _) = bench.api("app").await;
    let ended = bench.session(Subject(nobody), app).await;
    bench.clock.0.fetch_add(3_600_000, Ordering::Relaxed);
    let line = format!("revoke session {ended} --reason x");
    bench.run(&line).await.refused(3, "or it has reached its end");
    assert_eq!(bench.store.head().await.unwrap().seq, before.seq);
}

#[tokio::test]
async fn a_client_that_acts_for_itself_is_a_subject() {
    let bench = Bench::new().await;
    let (app, _) = bench.api("app").await;
    let stamped = bench.clock.now();
    let done = bench
        .run(&format!("revoke subject {app} --reason x --json"))
        .await
        .json();
    assert_eq!(done["subject"], app.to_string());
    assert_eq!(
        bench.last().await.0,
        NewRevocation::subject(Subject(app.0), stamped).entry
    );
}

#[tokio::test]
async fn everything_is_revoked_only_by_whoever_means_it() {
    let bench = Bench::new().await;
    bench.run("revoke all --reason x").await.refused(2, "give --yes");
    let answered = |answer| Script {
        answers: [answer].into(),
        terminal: true,
        ..Script::default()
    };
    bench
        .run_with(&mut answered("n\n"), "revoke all --reason x")
        .await
        .refused(2, "not confirmed");
    assert!(bench.logged().await.is_empty());
    let done = bench
        .run_with(&mut answered("y\n"), "revoke all --reason x")
        .await;
    assert_eq!(done.error, None);
    assert!(done.asked[0].starts_with("End every session"), "{:?}", done.asked);
    assert_eq!(bench.logged().await.len(), 1);
}

#[tokio::test]
async fn a_promise_that_could_not_be_made_is_told() {
    let mut bench = Bench::new().await;
    bench.alice().await;
    bench.is_unfenced = true;
    let outcome = bench.run("revoke subject alice --reason x --json").await;
    assert_eq!(outcome.json()["reach"], "logged");
    assert!(outcome.err.contains("Redis could not be told"), "{}", outcome.err);
    assert_eq!(bench.logged().await.len(), 1, "it is on the log all the same");
    let text = bench.run("revoke subject alice --reason x").await.out;
    assert!(!text.contains("servers:"), "{text}");
}
