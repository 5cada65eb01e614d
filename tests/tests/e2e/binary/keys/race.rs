//! Two nodes of one database race for a rotation, and the one that came first is stopped in the middle of it.

use std::time::Duration;

use sea_orm::{Database, DatabaseTransaction, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use symbolon_core::keys::SigningKeyRecord;
use symbolon_core::ports::KeyStore;
use symbolon_core::{Clock, SystemClock};
use symbolon_store_sql::SqlStore;
use symbolon_tests::binary::free_port;
use uuid::Uuid;

use super::{Node, PACE, Stage, kid};
use crate::binary::eventually;

/// Nodes look several times a second, and a [`LEASE`] ends soon. RSA keys take long enough to make for a node to be
/// stopped meanwhile.
const TIMINGS: &str = "\
    keys.algorithms = [\"RS256\"]\n\
    keys.default_algorithm = \"RS256\"\n\
    keys.rotation_interval = \"1h\"\n\
    keys.publish_before_signing = \"2s\"\n\
    keys.publish_after_signing = \"30m\"";
const INTERVAL: Duration = Duration::from_secs(3600);
const LEASE: Duration = Duration::from_secs(5);
/// How often a rotation may be over before its node could be stopped.
const ATTEMPTS: usize = 8;

/// Lets time pass for the schedule.
async fn pass(store: &SqlStore, time: Duration) {
    let clock = SystemClock::new();
    eventually("nobody else holds the lease", async || {
        let elapsed = store.key_schedule().await.unwrap().elapsed.plus(time);
        let taken = store
            .take_key_lease(Uuid::max(), clock.now(), LEASE, elapsed)
            .await;
        let Some(lease) = taken.unwrap() else {
            return false;
        };
        store.release_key_lease(lease).await.unwrap();
        true
    })
    .await;
}

/// Nobody else can write to the database before this is rolled back.
async fn hold_writers(stage: &Stage) -> DatabaseTransaction {
    let url = format!("sqlite:{}", stage.site.database().display());
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let database = Database::connect(url).await.unwrap();
    database.begin_with_options(options).await.unwrap()
}

/// How often the node has begun a rotation.
fn begun(node: &Node) -> usize {
    let logged = node.server.process.err();
    let begins =
        |line: &&str| line.contains("a step of the key schedule is due") && line.contains("\"rotate\"");
    logged.lines().filter(begins).count()
}

async fn history(store: &SqlStore) -> Vec<SigningKeyRecord> {
    store.key_history(100).await.unwrap()
}

/// The only key of those in that state.
#[track_caller]
fn only(keys: &[SigningKeyRecord], state: &str) -> String {
    let mut found = keys.iter().filter(|key| key.state.as_str() == state);
    let key = found.next().unwrap_or_else(|| panic!("{state} in {keys:?}"));
    assert!(found.next().is_none(), "several {state} in {keys:?}");
    key.kid.to_string()
}

/// Makes a rotation due, and stops the node that begins it before it has committed anything: which one it is.
/// Nothing where the rotation was over before.
async fn stop_in_mid_rotation(stage: &Stage, store: &SqlStore, nodes: &[Node; 2]) -> Option<usize> {
    let before = history(store).await.len();
    let begun_before = nodes.each_ref().map(begun);
    pass(store, INTERVAL).await;
    let mut first = None;
    eventually("a node begins the rotation", async || {
        first = (0..nodes.len()).find(|node| begun(&nodes[*node]) > begun_before[*node]);
        first.is_some()
    })
    .await;
    let first = first?;
    // While it can't commit, and doesn't hold the lock on the database for as long as it is stopped.
    let hold = hold_writers(stage).await;
    let caught = history(store).await.len() == before;
    if caught {
        nodes[first].server.process.pause();
    }
    hold.rollback().await.unwrap();
    caught.then_some(first)
}

#[tokio::test]
async fn a_node_stopped_in_mid_rotation_past_its_lease_changes_nothing_when_it_goes_on() {
    let stage = Stage::set(free_port(), TIMINGS, &["--dangerous-key-timings"]).await;
    let nodes = [stage.node().await, stage.node_beside(free_port()).await];
    let store = stage.store().await;
    let mut stopped = None;
    for _ in 0..ATTEMPTS {
        stopped = stop_in_mid_rotation(&stage, &store, &nodes).await;
        if stopped.is_some() {
            break;
        }
    }
    let stopped = stopped.expect("a rotation takes long enough for a node to be stopped in the middle");
    let (slow, live) = (&nodes[stopped], &nodes[1 - stopped]);
    let before = history(&store).await;
    let (old, next) = (only(&before, "active"), only(&before, "pending"));
    let (slow_begun, live_begun) = (begun(slow), begun(live));

    // The other node waits for the lease to end, and signs all the while.
    let mut signed = Vec::new();
    while history(&store).await.len() == before.len() {
        let token = live.token(&stage.service).await;
        signed.push(stage.verify(&token, &live.keys().await).unwrap());
        tokio::time::sleep(PACE).await;
    }
    assert!(signed.iter().all(|kid| *kid == old || *kid == next), "{signed:?}");
    eventually("the node that rotated signs with the next key", async || {
        let token = live.token(&stage.service).await;
        stage.verify(&token, &live.keys().await).unwrap() == next
    })
    .await;
    let after = history(&store).await;
    assert_eq!(after.len(), before.len() + 1, "one new key");
    assert_eq!(begun(live), live_begun + 1);

    // The stopped node serves from the first moment on, and its rotation is refused.
    slow.server.process.resume();
    eventually("the node has heard of the rotation", async || {
        let token = slow.token(&stage.service).await;
        for node in &nodes {
            let by = stage.verify(&token, &node.keys().await).unwrap();
            assert!(by == old || by == next, "{by}");
        }
        kid(&token) == next
    })
    .await;
    let fenced = "the signing keys were changed by another node or an operator meanwhile: nothing was done";
    eventually("its own rotation is refused", async || {
        slow.server.process.err().contains(fenced)
    })
    .await;
    let last = history(&store).await;
    let shape = |keys: &[SigningKeyRecord]| -> Vec<_> {
        keys.iter().map(|key| (key.kid.clone(), key.state)).collect()
    };
    assert_eq!(shape(&last), shape(&after), "it changed nothing");
    assert_eq!(only(&last, "active"), next);
    assert!(
        before
            .iter()
            .all(|key| key.kid.as_str() != only(&last, "pending"))
    );
    let kept = last.iter().find(|key| key.kid.as_str() == old).unwrap();
    assert!(kept.state.is_retiring(), "{kept:?}");
    assert_eq!(begun(slow), slow_begun, "it did not begin another one");
    counted(slow, live).await;
}

/// What operators see of it on either node.
async fn counted(slow: &Node, live: &Node) {
    for (node, outcome) in [(live, "done"), (slow, "superseded")] {
        let steps = format!(
            "symbolon_key_schedule_steps_total{{alg=\"RS256\",step=\"rotate\",outcome=\"{outcome}\"}}"
        );
        assert!(node.remote.metric(&steps).await >= 1, "{steps}");
        for (state, count) in [("active", 1.0), ("pending", 1.0)] {
            let keys = format!("symbolon_signing_keys{{alg=\"RS256\",state=\"{state}\"}}");
            assert_eq!(node.remote.gauge(&keys).await, Some(count), "{keys}");
        }
        let age = node
            .remote
            .gauge("symbolon_signing_key_age_seconds{alg=\"RS256\"}")
            .await;
        assert!(
            age.is_some_and(|age| (0.0..INTERVAL.as_secs_f64()).contains(&age)),
            "{age:?}"
        );
        let next = "symbolon_key_schedule_next_step_seconds{alg=\"RS256\",step=\"finish\"}";
        let next = node.remote.gauge(next).await;
        assert!(next.is_some_and(|left| left > 0.0 && left <= 1805.0), "{next:?}");
        let withheld = node
            .remote
            .gauge("symbolon_key_schedule_withheld{alg=\"RS256\"}")
            .await;
        assert_eq!(withheld, Some(0.0));
    }
}
