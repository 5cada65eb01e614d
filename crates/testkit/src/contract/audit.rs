//! The audit trail by itself.

use serde_json::Value;
use symbolon_core::audit::{
    Act, Actor, AuditEvent, AuditFilter, AuditRecord, Checkpoint, EventKind, GENESIS, Order, Target, link,
};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::user::Role;
use symbolon_core::{ClientId, UnixMillis};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{FakeClock, Fixture, fresh_subject};

pub(super) const NOW: UnixMillis = FakeClock::START;

/// The records that are there, each of which follows from the one before, from the anchor to the head.
pub(super) async fn trail(fixture: &Fixture) -> Vec<AuditRecord> {
    let mut last = fixture.audit.audit_anchor().await.unwrap();
    let mut records = Vec::new();
    loop {
        let all = AuditFilter::default();
        let page = fixture
            .audit
            .audit_records(&all, Order::Earliest, Some(last.seq), 7);
        let page = page.await.unwrap();
        if page.is_empty() {
            break;
        }
        for record in &page {
            assert_eq!(record.seq, last.seq + 1);
            assert_eq!(record.hash, link(&last.hash, record.seq, &record.body));
            (last.seq, last.hash) = (record.seq, record.hash);
        }
        records.extend(page);
    }
    assert_eq!(fixture.audit.audit_head().await.unwrap(), last);
    let differs = fixture.audit.audit_columns_differ(0, 10_000).await;
    assert_eq!(differs.unwrap(), None);
    records
}

/// What the records behind that position say.
pub(super) async fn told_since(fixture: &Fixture, seq: u64) -> Vec<Value> {
    let records = trail(fixture).await.into_iter();
    let behind = records.filter(|record| record.seq > seq);
    behind
        .map(|record| serde_json::from_str(&record.body).unwrap())
        .collect()
}

pub(super) async fn head(fixture: &Fixture) -> u64 {
    fixture.audit.audit_head().await.unwrap().seq
}

pub(super) fn event(kind: EventKind, at: u64) -> AuditEvent {
    AuditEvent::new(kind, NOW.plus(at), Fixture::act())
}

pub(super) async fn record(fixture: &Fixture, events: &[AuditEvent]) -> u64 {
    fixture.audit.record(events).await.unwrap().seq
}

/// Byte for byte, whatever it holds; without events nothing is written.
pub async fn an_event_is_kept_as_it_was_told(fixture: &Fixture) {
    let nothing = fixture.audit.record(&[]).await.unwrap();
    assert_eq!((nothing.seq, nothing.hash), (0, GENESIS));
    assert_eq!(trail(fixture).await, []);

    let app: ClientId = "app".parse().unwrap();
    let act = Act {
        via: Some(app),
        request: Some(Uuid::from_u128(7)),
        address: Some("2001:db8::1".parse().unwrap()),
        ..Act::new(Actor::user(fresh_subject()), "weil „er“ es so will \0")
    };
    let target = Target::new("user", "o'hara\0\u{1f4a5}", Some("Ö\r\n"));
    let long = "x".repeat(100_000);
    let events = [
        AuditEvent::new(EventKind::LoginLocked, NOW, act)
            .to(target)
            .with("long", long),
        event(EventKind::TokenRefused, 1).refused("wrong_password"),
        AuditEvent {
            count: u64::MAX,
            ..event(EventKind::TokenIssued, 2)
        },
        AuditEvent {
            at: UnixMillis::NEVER,
            ..event(EventKind::AuditLost, 3)
        },
    ];
    let head = fixture.audit.record(&events).await.unwrap();
    assert_eq!(head, fixture.audit.audit_head().await.unwrap());
    let kept: Vec<_> = trail(fixture)
        .await
        .into_iter()
        .map(|record| record.body)
        .collect();
    assert_eq!(kept, events.map(|event| event.body()));
}

/// More than one statement takes.
pub async fn many_events_are_one_write(fixture: &Fixture) {
    let events: Vec<_> = (0..2_500).map(|i| event(EventKind::TokenIssued, i)).collect();
    assert_eq!(record(fixture, &events).await, 2_500);
    assert_eq!(trail(fixture).await.len(), 2_500);
}

/// Fifty at once, by all that write: no position is missing, and each record follows from the one before.
pub async fn racing_writers_leave_one_chain(fixture: &Fixture) {
    let before = head(fixture).await;
    let mut tasks = JoinSet::new();
    for i in 0..50 {
        let fixture = fixture.clone();
        tasks.spawn(async move {
            match i % 3 {
                0 => {
                    let role = Role {
                        name: format!("role{i}").parse().unwrap(),
                        scope: Default::default(),
                    };
                    fixture.admin.put_role(&role).await.unwrap();
                    1
                }
                1 => {
                    let events = [
                        event(EventKind::TokenIssued, i),
                        event(EventKind::TokenRefused, i),
                    ];
                    record(&fixture, &events).await;
                    2
                }
                _ => {
                    let revocation = NewRevocation::subject(fresh_subject(), NOW);
                    fixture.log.append(&revocation, NOW).await.unwrap();
                    1
                }
            }
        });
    }
    let written: usize = tasks.join_all().await.into_iter().sum();
    let records = trail(fixture).await;
    assert_eq!(records.len() as u64, before + written as u64);
    // What was written together stands together.
    let kinds: Vec<_> = told_since(fixture, before).await;
    for (i, pair) in kinds.windows(2).enumerate() {
        if pair[0]["event"] == "token.issued" {
            assert_eq!(pair[1]["event"], "token.refused", "behind {i}");
            assert_eq!(pair[0]["at_ms"], pair[1]["at_ms"]);
        }
    }
}

/// By each thing that a filter can name, and by several at once.
pub async fn records_are_found_by_what_a_filter_names(fixture: &Fixture) {
    let act = |name: &str, request: u128| Act {
        request: Some(Uuid::from_u128(request)),
        ..Act::new(Actor::operator(name), "")
    };
    let told = |kind, at: u64, act| AuditEvent::new(kind, UnixMillis(at), act);
    let client = |id: &str| Target::new("client", id, Some("app"));
    let events = [
        told(EventKind::ClientCreated, 10, act("alice", 1)).to(client("1")),
        told(EventKind::ClientDeleted, 20, act("alice", 2)).to(client("1")),
        told(EventKind::ClientCreated, 30, act("bob", 2)).to(client("2")),
        told(EventKind::UserCreated, 40, act("bob", 3)).to(Target::new("user", "1", None)),
        told(EventKind::AdminRefused, 50, Act::new(Actor::unknown(), "")).refused("no_token"),
    ];
    let first = head(fixture).await + 1;
    record(fixture, &events).await;
    let all = AuditFilter::default();
    let of = |kind: &str, id: Option<&str>| Some((kind.to_owned(), id.map(str::to_owned)));
    let cases: [(&str, AuditFilter, &[u64]); 15] = [
        ("all", all.clone(), &[0, 1, 2, 3, 4]),
        (
            "from",
            AuditFilter {
                from: Some(UnixMillis(20)),
                ..all.clone()
            },
            &[1, 2, 3, 4],
        ),
        (
            "until",
            AuditFilter {
                until: Some(UnixMillis(20)),
                ..all.clone()
            },
            &[0],
        ),
        (
            "never",
            AuditFilter {
                until: Some(UnixMillis::NEVER),
                ..all.clone()
            },
            &[0, 1, 2, 3, 4],
        ),
        (
            "kind",
            AuditFilter {
                kinds: vec![EventKind::ClientCreated],
                ..all.clone()
            },
            &[0, 2],
        ),
        (
            "kinds",
            AuditFilter {
                kinds: vec![EventKind::UserCreated, EventKind::ClientDeleted],
                ..all.clone()
            },
            &[1, 3],
        ),
        (
            "without kinds",
            AuditFilter {
                without: vec![EventKind::ClientCreated, EventKind::AdminRefused],
                ..all.clone()
            },
            &[1, 3],
        ),
        (
            "actor",
            AuditFilter {
                actor: Some("cli:bob".into()),
                ..all.clone()
            },
            &[2, 3],
        ),
        (
            "part of an actor",
            AuditFilter {
                actor: Some("cli:bo%".into()),
                ..all.clone()
            },
            &[],
        ),
        (
            "kind of target",
            AuditFilter {
                target: of("client", None),
                ..all.clone()
            },
            &[0, 1, 2],
        ),
        (
            "target",
            AuditFilter {
                target: of("client", Some("1")),
                ..all.clone()
            },
            &[0, 1],
        ),
        (
            "request",
            AuditFilter {
                request: Some(Uuid::from_u128(2)),
                ..all.clone()
            },
            &[1, 2],
        ),
        (
            "refused",
            AuditFilter {
                done: Some(false),
                ..all.clone()
            },
            &[4],
        ),
        (
            "done",
            AuditFilter {
                done: Some(true),
                ..all.clone()
            },
            &[0, 1, 2, 3],
        ),
        (
            "several",
            AuditFilter {
                from: Some(UnixMillis(10)),
                until: Some(UnixMillis(30)),
                kinds: vec![EventKind::ClientCreated, EventKind::ClientDeleted],
                without: vec![EventKind::UserCreated],
                actor: Some("cli:alice".into()),
                target: of("client", Some("1")),
                request: Some(Uuid::from_u128(2)),
                done: Some(true),
            },
            &[1],
        ),
    ];
    for (name, filter, expected) in cases {
        let found = fixture.audit.audit_records(&filter, Order::Earliest, None, 100);
        let found: Vec<_> = found
            .await
            .unwrap()
            .iter()
            .map(|record| record.seq - first)
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// From either end or behind a position, never more than was asked for.
pub async fn records_come_in_either_order_from_a_position(fixture: &Fixture) {
    let first = head(fixture).await;
    let events: Vec<_> = (0..5).map(|i| event(EventKind::TokenIssued, i)).collect();
    record(fixture, &events).await;
    let filter = AuditFilter {
        kinds: vec![EventKind::TokenIssued],
        ..AuditFilter::default()
    };
    let seqs = async |order, from: Option<u64>, limit| -> Vec<u64> {
        let found = fixture.audit.audit_records(&filter, order, from, limit).await;
        found.unwrap().iter().map(|record| record.seq - first).collect()
    };
    assert_eq!(seqs(Order::Earliest, None, 2).await, [1, 2]);
    assert_eq!(seqs(Order::Earliest, Some(first + 2), 2).await, [3, 4]);
    assert_eq!(seqs(Order::Earliest, Some(first + 4), 2).await, [5]);
    assert_eq!(seqs(Order::Earliest, Some(first + 5), 2).await, [0; 0]);
    assert_eq!(seqs(Order::Earliest, Some(u64::MAX), 2).await, [0; 0]);
    assert_eq!(seqs(Order::Latest, None, 2).await, [5, 4]);
    assert_eq!(seqs(Order::Latest, Some(first + 4), 2).await, [3, 2]);
    assert_eq!(seqs(Order::Latest, Some(first + 1), 2).await, [0; 0]);
    assert_eq!(seqs(Order::Latest, Some(u64::MAX), 1).await, [5]);
    assert_eq!(seqs(Order::Latest, Some(0), 1).await, [0; 0]);
    assert_eq!(seqs(Order::Latest, None, 0).await, [0; 0]);
}

pub(super) async fn checkpoint(fixture: &Fixture, seq: u64) {
    let checkpoint = Checkpoint {
        seq,
        at: NOW,
        signed: format!("jws-of-{seq}"),
    };
    fixture.audit.add_checkpoint(&checkpoint).await.unwrap();
}

/// In order; two nodes may make one for the same position.
pub async fn checkpoints_are_kept_as_they_were_made(fixture: &Fixture) {
    assert_eq!(fixture.audit.last_checkpoint().await.unwrap(), None);
    for seq in [3, 1, 2, 3] {
        checkpoint(fixture, seq).await;
    }
    let again = Checkpoint {
        seq: 3,
        at: NOW.plus(1),
        signed: "another".into(),
    };
    fixture.audit.add_checkpoint(&again).await.unwrap();
    let seqs = async |after, limit| -> Vec<u64> {
        let found = fixture.audit.checkpoints(after, limit).await.unwrap();
        found.iter().map(|checkpoint| checkpoint.seq).collect()
    };
    assert_eq!(seqs(0, 10).await, [1, 2, 3]);
    assert_eq!(seqs(1, 1).await, [2]);
    assert_eq!(seqs(3, 10).await, [0; 0]);
    assert_eq!(seqs(u64::MAX, 10).await, [0; 0]);
    let last = fixture.audit.last_checkpoint().await.unwrap().unwrap();
    assert_eq!((last.seq, last.at, &*last.signed), (3, NOW, "jws-of-3"));
}
