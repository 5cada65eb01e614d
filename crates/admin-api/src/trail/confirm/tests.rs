use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use symbolon_core::ClientUid;
use symbolon_core::evidence::{Report, Verifier};
use symbolon_core::lookup::RecordedRevocation;
use symbolon_core::revocation::{Logged, NewRevocation};
use symbolon_oauth_types::revocation::Digest;
use symbolon_testkit::{FakeClock, MemoryLog, SeqRng};

use super::*;
use crate::trail::tests::MemoryTrail;

/// A log and what verifiers say of it.
#[derive(Default)]
struct World {
    log: Arc<MemoryLog>,
    verifiers: Mutex<BTreeMap<String, Verifier>>,
}

impl World {
    fn revoke(&self, at: UnixMillis) {
        self.log
            .with(|written| written.append(&NewRevocation::all(at), at));
    }

    fn report(&self, name: &str, seq: u64, at: UnixMillis) {
        let report = Report {
            client: ClientUid(Uuid::from_u128(1)),
            name: name.parse().unwrap(),
            log: self.log.id(),
            seq,
            as_of: at,
            kids: BTreeSet::new(),
            at,
        };
        let mut verifiers = self.verifiers.lock().unwrap();
        match verifiers.get_mut(name) {
            Some(verifier) => verifier.hear(report),
            None => drop(verifiers.insert(name.to_owned(), Verifier::new(report))),
        }
    }
}

#[async_trait]
impl RevocationRecords for World {
    async fn revocation(&self, _seq: u64) -> StoreResult<Option<RecordedRevocation>> {
        unreachable!("not asked for")
    }

    async fn revocations(&self, before: Option<u64>, limit: u32) -> StoreResult<Vec<RecordedRevocation>> {
        let entries = self.log.with(|written| written.entries.clone());
        let earlier = entries
            .iter()
            .rev()
            .filter(|logged| before.is_none_or(|before| logged.seq < before));
        let recorded = |logged: &Logged| RecordedRevocation {
            logged: *logged,
            reason: String::new(),
            actor: "server".to_owned(),
        };
        Ok(earlier.take(limit as usize).map(recorded).collect())
    }

    async fn last_revocation_of(&self, _digest: Digest) -> StoreResult<Option<RecordedRevocation>> {
        unreachable!("not asked for")
    }
}

#[async_trait]
impl VerifierReports for World {
    async fn record_reports(&self, _reports: &[Report]) -> StoreResult<()> {
        unreachable!("not asked for")
    }

    async fn verifiers(&self) -> StoreResult<Vec<ListedVerifier>> {
        let listed = |verifier: &Verifier| ListedVerifier {
            client_id: "api".parse().unwrap(),
            verifier: verifier.clone(),
        };
        Ok(self.verifiers.lock().unwrap().values().map(listed).collect())
    }

    async fn sweep_verifiers(&self, _before: UnixMillis) -> StoreResult<u64> {
        unreachable!("not asked for")
    }
}

struct Cluster {
    world: Arc<World>,
    trail: Arc<MemoryTrail>,
    clock: Arc<FakeClock>,
}

impl Cluster {
    fn new() -> Self {
        Self {
            world: Arc::default(),
            trail: Arc::default(),
            clock: Arc::new(FakeClock::new()),
        }
    }

    fn node(&self) -> Confirmations {
        Confirmations::new(ConfirmParts {
            audit: self.trail.clone(),
            log: self.world.log.clone(),
            records: self.world.clone(),
            reports: self.world.clone(),
            clock: self.clock.clone(),
            rng: Arc::new(SeqRng::starting_at(1)),
        })
    }

    fn after(&self, secs: u64) -> UnixMillis {
        self.clock.advance(Duration::from_secs(secs));
        self.clock.now()
    }

    fn confirmed(&self) -> Vec<u64> {
        let events = self.trail.events();
        events
            .iter()
            .map(|event| event["details"]["seq"].as_u64().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn an_entry_is_confirmed_when_the_last_live_verifier_has_it_and_says_by_when() {
    let cluster = Cluster::new();
    let (world, mut node) = (&cluster.world, cluster.node());
    world.report("a", 0, cluster.clock.now());
    world.report("b", 0, cluster.clock.now());
    world.revoke(cluster.after(1));
    assert_eq!(node.look().await.unwrap(), 0);
    world.report("a", 1, cluster.after(1));
    assert_eq!(node.look().await.unwrap(), 0, "b has not reported it");
    world.report("b", 1, cluster.after(2));
    assert_eq!(node.look().await.unwrap(), 1);
    let events = cluster.trail.events();
    let (event, details) = (&events[0], &events[0]["details"]);
    assert_eq!(event["event"], "revocation.confirmed");
    assert_eq!(
        (&event["target"]["kind"], &event["target"]["id"]),
        (&"revocation".into(), &"1".into())
    );
    assert_eq!((&details["seq"], &details["verifiers"]), (&1.into(), &2.into()));
    assert_eq!(details["made"], "2026-01-01T00:00:01.000Z");
    assert_eq!(details["first"], "2026-01-01T00:00:02.000Z");
    assert_eq!(details["last"], "2026-01-01T00:00:04.000Z");
    assert_eq!(node.look().await.unwrap(), 0, "once");
}

#[tokio::test]
async fn nobody_waits_for_a_verifier_that_is_gone_nor_takes_none_for_all() {
    let cluster = Cluster::new();
    let (world, mut node) = (&cluster.world, cluster.node());
    world.revoke(cluster.clock.now());
    assert_eq!(node.look().await.unwrap(), 0, "there is no verifier");
    world.report("gone", 0, cluster.clock.now());
    world.report("here", 1, cluster.after(31));
    assert_eq!(node.look().await.unwrap(), 1);
    assert_eq!(cluster.trail.events()[0]["details"]["verifiers"], 1);
}

#[tokio::test]
async fn nodes_confirm_an_entry_once_unless_they_look_at_once() {
    let cluster = Cluster::new();
    let (world, mut one, mut two) = (&cluster.world, cluster.node(), cluster.node());
    for _ in 0..450 {
        world.revoke(cluster.clock.now());
    }
    // Both have seen the entries before either confirms.
    assert_eq!((one.look().await.unwrap(), two.look().await.unwrap()), (0, 0));
    world.report("v", 450, cluster.after(1));
    assert_eq!(one.look().await.unwrap(), 450);
    assert_eq!(two.look().await.unwrap(), 0);
    assert_eq!(cluster.confirmed(), (1..=450).collect::<Vec<_>>());
    // A node that starts goes on from there.
    world.revoke(cluster.clock.now());
    world.report("v", 451, cluster.after(1));
    assert_eq!(cluster.node().look().await.unwrap(), 1);
    assert_eq!(two.look().await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_long_past_is_not_confirmed_by_a_verifier_that_comes_now() {
    let cluster = Cluster::new();
    let (world, mut node) = (&cluster.world, cluster.node());
    world.revoke(cluster.clock.now());
    world.revoke(cluster.after(3000));
    assert_eq!(node.look().await.unwrap(), 0);
    world.report("v", 2, cluster.after(1000));
    for _ in 0..2 {
        node.look().await.unwrap();
        assert_eq!(cluster.confirmed(), [2]);
        node = cluster.node();
    }
}

#[tokio::test]
async fn another_log_begins_anew() {
    let cluster = Cluster::new();
    let (world, mut node) = (&cluster.world, cluster.node());
    for _ in 0..3 {
        world.revoke(cluster.clock.now());
    }
    world.report("v", 3, cluster.after(1));
    assert_eq!(node.look().await.unwrap(), 3);
    world.log.with(|written| {
        written.replace();
        written.cut(1);
    });
    assert_eq!(node.look().await.unwrap(), 0, "v follows the other log");
    world.report("v", 1, cluster.after(1));
    assert_eq!(node.look().await.unwrap(), 1);
    assert_eq!(cluster.confirmed(), [1, 2, 3, 1]);
}

#[tokio::test]
async fn a_trail_that_can_not_be_written_is_tried_again() {
    let cluster = Cluster::new();
    let (world, mut node) = (&cluster.world, cluster.node());
    world.revoke(cluster.clock.now());
    world.report("v", 1, cluster.after(1));
    cluster
        .trail
        .fail(Some(symbolon_core::ports::StoreError::Unavailable("down".into())));
    node.look().await.unwrap_err();
    cluster.trail.fail(None);
    assert_eq!(node.look().await.unwrap(), 1);
}
