//! What verifiers report that they have applied.

use std::collections::BTreeSet;

use symbolon_core::evidence::{
    ByWhen, ListedVerifier, MAX_OF_CLIENT, MAX_STEPS, MAX_VERIFIERS, Report, Verifier,
};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::{ClientId, ClientUid, UnixMillis};
use symbolon_jose::Kid;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{FakeClock, Fixture, resource_server};

const NOW: UnixMillis = FakeClock::START;
const LOG: Uuid = Uuid::from_u128(1);

async fn client(fixture: &Fixture, id: &str) -> (ClientUid, ClientId) {
    let client = resource_server(id, &format!("urn:{id}")).build();
    let lift = NewRevocation::client_lifted(&client.client_id, NOW);
    fixture.admin.add_client(&client, &lift).await.unwrap();
    (client.uid, client.client_id)
}

fn report(client: ClientUid, name: &str, seq: u64, after: u64) -> Report {
    Report {
        client,
        name: name.parse().unwrap(),
        log: LOG,
        seq,
        as_of: NOW.plus(after),
        kids: BTreeSet::new(),
        at: NOW.plus(after),
    }
}

async fn record(fixture: &Fixture, reports: &[Report]) {
    fixture.verifiers.record_reports(reports).await.unwrap();
}

async fn listed(fixture: &Fixture) -> Vec<ListedVerifier> {
    fixture.verifiers.verifiers().await.unwrap()
}

async fn names(fixture: &Fixture) -> BTreeSet<(String, String)> {
    let listed = listed(fixture).await.into_iter();
    listed
        .map(|one| (one.client_id.to_string(), one.verifier.name.to_string()))
        .collect()
}

/// All of it comes back, whether it is the first or the next; those that were seen last come first.
pub async fn a_report_is_kept_as_it_was_made(fixture: &Fixture) {
    let (uid, client_id) = client(fixture, "api").await;
    record(fixture, &[]).await;
    assert_eq!(listed(fixture).await, []);
    let first = Report {
        kids: ["k1", "-2_"]
            .into_iter()
            .map(|kid| Kid::parse(kid).unwrap())
            .collect(),
        ..report(uid, "api-1", 7, 0)
    };
    record(fixture, &[first.clone(), report(uid, "api:2", 0, 5)]).await;
    let found = listed(fixture).await;
    let expected = [report(uid, "api:2", 0, 5), first.clone()].map(|report| ListedVerifier {
        client_id: client_id.clone(),
        verifier: Verifier::new(report),
    });
    assert_eq!(found, expected);

    let last = Report {
        as_of: UnixMillis(i64::MAX as u64 - 1),
        ..report(uid, "api-1", i64::MAX as u64, 6)
    };
    record(fixture, std::slice::from_ref(&last)).await;
    let mut known = Verifier::new(first);
    known.hear(last);
    let found = listed(fixture).await;
    assert_eq!(found[0].verifier, known);
    assert_eq!(found.len(), 2);
}

/// More reports than steps are kept, in portions and several of one verifier in one.
pub async fn steps_tell_by_when_an_entry_was_applied(fixture: &Fixture) {
    let (uid, _) = client(fixture, "api").await;
    let steps = MAX_STEPS as u64 + 10;
    let reports: Vec<_> = (1..=steps)
        .map(|i| report(uid, "api-1", 10 * i, 1000 * i))
        .collect();
    for portion in reports.chunks(7) {
        record(fixture, portion).await;
    }
    let found = listed(fixture).await;
    let verifier = &found[0].verifier;
    assert_eq!(verifier.steps.len(), MAX_STEPS);
    let at = |i: u64| NOW.plus(1000 * i);
    assert_eq!(verifier.first_seen, at(1));
    assert_eq!(verifier.by_when(LOG, 109), ByWhen::Before(at(11)));
    assert_eq!(verifier.by_when(LOG, 110), ByWhen::By(at(11)));
    assert_eq!(verifier.by_when(LOG, 10 * steps), ByWhen::By(at(steps)));
    assert_eq!(verifier.by_when(LOG, 10 * steps + 1), ByWhen::NotYet);
}

/// One more than it may have, in one portion with others and by itself.
pub async fn a_client_keeps_those_that_it_saw_last(fixture: &Fixture) {
    let (uid, _) = client(fixture, "api").await;
    let (other, _) = client(fixture, "other").await;
    record(fixture, &[report(other, "v", 1, 0)]).await;
    let many: Vec<_> = (0..MAX_OF_CLIENT as u64 + 1)
        .map(|i| report(uid, &format!("v{i}"), 1, 10 + i))
        .collect();
    record(fixture, &many).await;
    let kept = names(fixture).await;
    assert_eq!(kept.len(), MAX_OF_CLIENT + 1);
    let has =
        |of: &str, name: &str, kept: &BTreeSet<(String, String)>| kept.contains(&(of.into(), name.into()));
    assert!(!has("api", "v0", &kept) && has("api", "v1", &kept) && has("other", "v", &kept));

    record(fixture, &[report(uid, "v1", 1, 5000)]).await;
    record(fixture, &[report(uid, "w", 1, 5001)]).await;
    let kept = names(fixture).await;
    assert_eq!(kept.len(), MAX_OF_CLIENT + 1);
    assert!(has("api", "v1", &kept) && !has("api", "v2", &kept) && has("api", "w", &kept));
}

/// The one that has the most makes room.
pub async fn no_client_pushes_out_those_of_another(fixture: &Fixture) {
    let (small, _) = client(fixture, "small").await;
    record(fixture, &[report(small, "old", 1, 0)]).await;
    let mut large = Vec::new();
    for i in 0..MAX_VERIFIERS / MAX_OF_CLIENT {
        large.push(client(fixture, &format!("large-{i}")).await.0);
    }
    for (i, uid) in large.iter().enumerate() {
        // The last one has not come to its own bound yet.
        let count = MAX_OF_CLIENT - usize::from(i + 1 == large.len());
        let reports: Vec<_> = (0..count)
            .map(|n| report(*uid, &format!("v{n}"), 1, 1000 * i as u64 + n as u64 + 1))
            .collect();
        record(fixture, &reports).await;
    }
    assert_eq!(names(fixture).await.len(), MAX_VERIFIERS);
    for name in ["w", "x"] {
        record(fixture, &[report(large[9], name, 1, 50_000)]).await;
    }
    let kept = names(fixture).await;
    assert_eq!(kept.len(), MAX_VERIFIERS);
    assert!(
        kept.contains(&("small".into(), "old".into())),
        "it was not seen for longest"
    );
    assert!(!kept.contains(&("large-0".into(), "v0".into())));
}

/// Two nodes that hear of one verifier and of new ones at the same time.
pub async fn racing_nodes_lose_no_step(fixture: &Fixture) {
    let (uid, _) = client(fixture, "api").await;
    let mut tasks = JoinSet::new();
    for i in 1..=20_u64 {
        let verifiers = fixture.verifiers.clone();
        let reports = [
            report(uid, "shared", i, i),
            report(uid, &format!("own-{i}"), i, i),
        ];
        tasks.spawn(async move { verifiers.record_reports(&reports).await.unwrap() });
    }
    tasks.join_all().await;
    let found = listed(fixture).await;
    assert_eq!(found.len(), 21);
    let shared = found
        .iter()
        .find(|one| one.verifier.name.as_str() == "shared")
        .unwrap();
    assert_eq!(
        (shared.verifier.seq, shared.verifier.last_seen),
        (20, NOW.plus(20))
    );
    // Whichever came first: none of them was further before.
    for step in &shared.verifier.steps {
        assert_eq!(NOW.plus(step.seq), step.at);
    }
    assert_eq!(shared.verifier.steps.len(), 20);
}

/// Nobody can report for them any more.
pub async fn verifiers_of_clients_that_are_gone_are_not_listed(fixture: &Fixture) {
    let (uid, client_id) = client(fixture, "api").await;
    let (other, _) = client(fixture, "other").await;
    record(fixture, &[report(uid, "v", 1, 0), report(other, "v", 1, 0)]).await;
    let entry = NewRevocation::client_deleted(&client_id, NOW);
    fixture.admin.delete_client(uid, &entry).await.unwrap();
    let of_other = BTreeSet::from([("other".to_owned(), "v".to_owned())]);
    assert_eq!(names(fixture).await, of_other);
    record(fixture, &[report(uid, "late", 1, 1)]).await;
    assert_eq!(names(fixture).await, of_other);
    assert_eq!(fixture.verifiers.sweep_verifiers(NOW.plus(2)).await.unwrap(), 3);
}

/// Those that were seen at the moment or after it stay.
pub async fn verifiers_that_are_not_seen_are_swept(fixture: &Fixture) {
    let (uid, _) = client(fixture, "api").await;
    let reports: Vec<_> = (0..3).map(|i| report(uid, &format!("v{i}"), 1, i)).collect();
    record(fixture, &reports).await;
    assert_eq!(fixture.verifiers.sweep_verifiers(NOW).await.unwrap(), 0);
    assert_eq!(fixture.verifiers.sweep_verifiers(NOW.plus(2)).await.unwrap(), 2);
    assert_eq!(
        names(fixture).await,
        BTreeSet::from([("api".into(), "v2".into())])
    );
}
