//! The revocation log.

use std::collections::BTreeSet;

use symbolon_core::audit::{Act, Actor};
use symbolon_core::revocation::{Logged, NewRevocation};
use symbolon_core::user::Role;
use symbolon_core::{TokenId, UnixMillis};
use symbolon_oauth_types::revocation::{Digest, Effect, Entry, RevocationKind};
use tokio::task::JoinSet;

use crate::{FakeClock, Fixture, SeqRng, fresh_session, fresh_subject};

const NOW: UnixMillis = FakeClock::START;

async fn append(fixture: &Fixture, revocation: &NewRevocation) -> u64 {
    fixture.log.append(revocation, NOW).await.unwrap().head.seq
}

async fn entries(fixture: &Fixture, after: u64, now: UnixMillis) -> Vec<(u64, Entry)> {
    numbered(fixture.log.entries(after, now, 1_000).await.unwrap())
}

fn numbered(rows: Vec<Logged>) -> Vec<(u64, Entry)> {
    rows.into_iter()
        .map(|logged| (logged.seq, logged.entry))
        .collect()
}

/// Once a lift is forgotten, what it lifted must be too, in whatever portions the log is swept.
pub async fn a_lift_takes_its_block_along_when_it_expires(fixture: &Fixture) {
    let (subject, other) = (fresh_subject(), fresh_subject());
    let lift = NewRevocation::subject_lifted(subject, NOW);
    let ends = lift.entry.expires;
    let block = append(fixture, &NewRevocation::subject_blocked(subject)).await;
    let others = append(fixture, &NewRevocation::subject_blocked(other)).await;
    let lifted = append(fixture, &lift).await;
    let again = append(fixture, &NewRevocation::subject_blocked(subject)).await;

    let seqs = |rows: Vec<(u64, Entry)>| rows.into_iter().map(|(seq, _)| seq).collect::<Vec<_>>();
    let before = UnixMillis(ends.0 - 1);
    assert_eq!(
        seqs(entries(fixture, 0, before).await),
        [block, others, lifted, again]
    );
    assert_eq!(seqs(entries(fixture, 0, ends).await), [others, again]);
    let swept = fixture.log.sweep_log(ends.plus(1), 1).await.unwrap();
    assert_eq!(
        (swept, seqs(entries(fixture, 0, before).await)),
        (1, vec![others, lifted, again]),
        "the block goes before its lift"
    );
    assert_eq!(fixture.log.sweep_log(ends.plus(1), 10).await.unwrap(), 1);
    assert_eq!(seqs(entries(fixture, 0, before).await), [others, again]);
}

/// What was appended comes back as it was, behind the position that was asked for.
pub async fn entries_come_in_order_and_expire(fixture: &Fixture) {
    let start = fixture.log.head().await.unwrap();
    let revocations = [
        NewRevocation::all(NOW),
        NewRevocation::client(&"app".parse().unwrap(), NOW),
        NewRevocation::client_blocked(&"app".parse().unwrap()),
        NewRevocation::subject(fresh_subject(), NOW)
            .by(&Act::new(Actor::operator("bob"), "left the company")),
        NewRevocation::session(fresh_session(NOW), NOW.plus(5_000)),
    ];
    for (i, revocation) in (1..).zip(&revocations) {
        let head = fixture.log.append(revocation, NOW).await.unwrap().head;
        assert_eq!(head, fixture.log.head().await.unwrap());
        assert_eq!(
            (head.log, head.seq, head.facts),
            (start.log, start.seq + i, start.facts)
        );
    }
    let all: Vec<_> = (start.seq + 1..)
        .zip(revocations.iter().map(|revocation| revocation.entry))
        .collect();
    assert_eq!(entries(fixture, start.seq, NOW).await, all);
    assert_eq!(entries(fixture, start.seq + 2, NOW).await, all[2..]);
    let first = fixture.log.entries(start.seq, NOW, 2).await.unwrap();
    assert!(first.iter().all(|logged| logged.at == NOW));
    let head = fixture.log.head().await.unwrap();
    let last = fixture.log.entries(head.seq - 1, NOW, 2).await.unwrap();
    assert_eq!(last[0].tip, Some(head.tip));
    assert_eq!(numbered(first), all[..2]);
    let session_ends = revocations[4].entry.expires;
    assert_eq!(
        entries(fixture, start.seq, session_ends).await,
        all[..4],
        "from its end on an entry is left out"
    );
    assert_eq!(entries(fixture, start.seq + 5, NOW).await, []);
    assert_eq!(entries(fixture, u64::MAX, NOW).await, []);
}

/// Expired ones and those of others do not count, nor do entries about the owner itself.
pub async fn live_tokens_are_counted_by_owner(fixture: &Fixture) {
    let rng = SeqRng::starting_at(99);
    let session = fresh_session(NOW);
    let owner = Digest::of_uuid(RevocationKind::Session, session.0);
    let other = Digest::of(RevocationKind::Client, "app");
    let token = |owner, life| NewRevocation::token(TokenId::new(NOW, &rng), owner, NOW.plus(life));
    append(fixture, &NewRevocation::session(session, NOW.plus(9_000))).await;
    for life in [1_000, 2_000, 3_000] {
        append(fixture, &token(owner, life)).await;
    }
    append(fixture, &token(other, 3_000)).await;
    let second_ends = token(owner, 2_000).entry.expires;
    let live = async |owner, now| fixture.log.live_tokens(owner, now).await.unwrap();
    assert_eq!(live(owner, NOW).await, 3);
    assert_eq!(live(owner, second_ends).await, 1);
    assert_eq!(live(other, NOW).await, 1);
    assert_eq!(live(Digest([0; 16]), NOW).await, 0);
}

/// Fifty at once: each has its own position, no position is missing, none is lost.
pub async fn racing_appends_are_gapless_and_in_order(fixture: &Fixture) {
    let start = fixture.log.head().await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (log, revocation) = (fixture.log.clone(), NewRevocation::subject(fresh_subject(), NOW));
        tasks.spawn(async move {
            let head = log.append(&revocation, NOW).await.unwrap().head;
            (head.seq, revocation.entry)
        });
    }
    let mut appended = tasks.join_all().await;
    appended.sort_by_key(|(seq, _)| *seq);
    let positions: Vec<_> = appended.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(positions, (start.seq + 1..=start.seq + 50).collect::<Vec<_>>());
    assert_eq!(entries(fixture, start.seq, NOW).await, appended);
    let head = fixture.log.head().await.unwrap();
    assert_eq!((head.log, head.seq), (start.log, start.seq + 50));
}

/// At most as many as asked for at a time; the head stays.
pub async fn sweeping_goes_in_batches_and_spares_what_never_expires(fixture: &Fixture) {
    let mut ends = BTreeSet::new();
    for life in 1..=5 {
        let revocation = NewRevocation::session(fresh_session(NOW), NOW.plus(life));
        ends.insert(revocation.entry.expires);
        append(fixture, &revocation).await;
    }
    let forever = NewRevocation::subject_blocked(fresh_subject());
    append(fixture, &forever).await;
    let head = fixture.log.head().await.unwrap();
    let last = *ends.last().unwrap();
    for swept in [2, 2, 0] {
        assert_eq!(
            fixture.log.sweep_log(last, 2).await.unwrap(),
            swept,
            "one ends just then"
        );
    }
    assert_eq!(fixture.log.sweep_log(UnixMillis::NEVER, 10).await.unwrap(), 1);
    let left = entries(fixture, 0, NOW).await;
    assert_eq!(left, [(head.seq, forever.entry)]);
    assert_eq!(left[0].1.effect, Effect::Block);
    assert_eq!(fixture.log.head().await.unwrap(), head);
}

/// Each advance has a tip that no other has, and entries keep theirs until they are swept.
pub async fn tips_tell_each_state_of_the_log_from_all_others(fixture: &Fixture) {
    let revocation = NewRevocation::subject(fresh_subject(), NOW);
    let mut heads = vec![fixture.log.head().await.unwrap()];
    for scope in ["a", "b", "c"] {
        heads.push(fixture.log.append(&revocation, NOW).await.unwrap().head);
        let role = Role {
            name: "clerk".parse().unwrap(),
            scope: scope.parse().unwrap(),
        };
        fixture.admin.put_role(&role).await.unwrap();
        heads.push(fixture.log.head().await.unwrap());
    }
    let tips: BTreeSet<_> = heads.iter().map(|head| head.tip).collect();
    assert_eq!(tips.len(), heads.len());
    assert!(!tips.contains(&[0; 16]));
    assert_eq!(
        fixture.log.head().await.unwrap(),
        heads[6],
        "reading moves nothing"
    );
    for appended in [heads[1], heads[3], heads[5]] {
        let kept = fixture.log.tip_at(appended.seq).await.unwrap();
        assert_eq!(kept, Some(appended.tip));
    }
    for nowhere in [0, heads[6].seq + 1, u64::MAX] {
        assert_eq!(fixture.log.tip_at(nowhere).await.unwrap(), None);
    }
    let ended = revocation.entry.expires.plus(1);
    assert_eq!(fixture.log.sweep_log(ended, 1).await.unwrap(), 1);
    assert_eq!(fixture.log.tip_at(heads[1].seq).await.unwrap(), None);
    assert_eq!(fixture.log.head().await.unwrap(), heads[6]);
}
