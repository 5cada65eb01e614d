//! Two nodes that race for the schedule, one of them paused in the middle of its work.

use std::time::Duration;

use symbolon_jose::SigningAlg;
use symbolon_jwks_publisher::{KeyOperation, RotationOutcome};
use symbolon_tests::{Call, Hold, Point};
use tokio::task::JoinHandle;

use super::resource_server::ResourceServer;
use super::running::{self, kid_of};
use super::{AFTER, MILLISECOND, Pair, history, hours, key_in, keys_in, operate};

const ALGORITHMS: [SigningAlg; 2] = [SigningAlg::Es256, SigningAlg::EdDsa];
/// How long a lease lasts, with the default timings.
const LEASE_TTL: Duration = Duration::from_secs(30);

/// The slow node holds the lease, and is paused on its way to the store with a change.
async fn paused(point: Point) -> (Pair, Hold, JoinHandle<()>) {
    let pair = Pair::start("ES256,EdDSA").await;
    pair.pass_to_rotation().await;
    pair.clock.advance(MILLISECOND);
    running::poll(&[&pair.a, &pair.b]).await;
    let hold = pair.tap.hold(point);
    let schedule = pair.b.node.schedule.clone();
    let slow = tokio::spawn(async move {
        schedule.look().await.unwrap();
    });
    hold.reached().await;
    (pair, hold, slow)
}

impl Pair {
    /// Both nodes sign, and each verifies what either has signed.
    async fn both_sign(&self) {
        let mut server = ResourceServer::keeping(Duration::ZERO);
        for alg in ALGORITHMS {
            for signer in [&self.a, &self.b] {
                let token = signer.sign(alg).await.unwrap();
                for node in [&self.a, &self.b] {
                    server.verify(&token, node).await.unwrap();
                    assert!(node.is_active(&token).await, "{alg}");
                }
            }
        }
    }

    /// Every algorithm has rotated once: three keys each.
    async fn rotated_once(&self) {
        running::poll(&[&self.a, &self.b]).await;
        for alg in ALGORITHMS {
            for state in ["retiring", "active", "pending"] {
                assert_eq!(keys_in(&self.a, alg, state).await.len(), 1, "{alg} {state}");
            }
            let active = key_in(&self.a, alg, "active").await;
            for node in [&self.a, &self.b] {
                assert_eq!(node.signs_with(alg).await, active);
            }
        }
        assert_eq!(history(&self.a).await.len(), 6);
    }

    fn superseded(&self) -> u64 {
        let count = |alg| self.b.steps(alg, "rotate", RotationOutcome::Superseded);
        ALGORITHMS.map(count).iter().sum()
    }
}

#[tokio::test]
async fn a_node_that_has_lost_its_lease_changes_nothing() {
    let (pair, hold, slow) = paused(Point::Before(Call::ChangeKeys)).await;
    let before = history(&pair.a).await;
    pair.both_sign().await;

    pair.clock.advance(LEASE_TTL - MILLISECOND);
    pair.a.poll().await.unwrap();
    pair.a.look().await;
    assert_eq!(history(&pair.a).await, before, "the lease is another's");
    pair.clock.advance(MILLISECOND);
    pair.a.poll().await.unwrap();
    pair.a.look().await;
    for alg in ALGORITHMS {
        assert_eq!(pair.a.steps(alg, "rotate", RotationOutcome::Done), 1);
    }
    pair.both_sign().await;
    let after = history(&pair.a).await;

    hold.release();
    slow.await.unwrap();
    assert_eq!(history(&pair.a).await, after, "fenced");
    assert_eq!(pair.superseded(), 1);
    pair.both_sign().await;
    pair.rotated_once().await;
    pair.both_sign().await;
    // Nothing is left of it: the schedule goes on.
    pair.pass(AFTER, hours(1)).await;
    for alg in ALGORITHMS {
        assert!(keys_in(&pair.a, alg, "retiring").await.is_empty());
        let failed = [&pair.a, &pair.b].map(|node| node.steps(alg, "rotate", RotationOutcome::Failed));
        assert_eq!(failed, [0, 0]);
    }
}

/// What an operator does in between is not undone, and not done twice.
#[tokio::test]
async fn a_plan_from_before_an_operators_change_is_refused() {
    let (pair, hold, slow) = paused(Point::Before(Call::ChangeKeys)).await;
    let pending = ALGORITHMS.map(|alg| key_in(&pair.a, alg, "pending"));
    let [es256, eddsa] = pending;
    let (es256, eddsa) = (es256.await, eddsa.await);
    let operation = KeyOperation::Rotate {
        alg: None,
        at_once: false,
    };
    operate(&pair.a, operation).await.unwrap();
    let after = history(&pair.a).await;
    hold.release();
    slow.await.unwrap();
    assert_eq!(history(&pair.a).await, after, "fenced");
    assert_eq!(pair.superseded(), 1);
    pair.rotated_once().await;
    assert_eq!(pair.b.signs_with(ALGORITHMS[0]).await, es256);
    assert_eq!(pair.b.signs_with(ALGORITHMS[1]).await, eddsa);
    pair.both_sign().await;
    running::look(&[&pair.b, &pair.a]).await;
    assert_eq!(history(&pair.a).await, after);
}

/// An operator's change that does not rotate: the node plans anew by what is there now.
#[tokio::test]
async fn a_plan_is_made_anew_after_an_operators_change() {
    let (pair, hold, slow) = paused(Point::Before(Call::ChangeKeys)).await;
    let withdrawn = key_in(&pair.a, ALGORITHMS[0], "pending").await;
    operate(&pair.a, KeyOperation::Generate { alg: ALGORITHMS[0] })
        .await
        .unwrap();
    hold.release();
    slow.await.unwrap();
    assert_eq!(pair.superseded(), 1);
    running::look(&[&pair.b, &pair.a]).await;
    // The new pending key is too young; the other algorithm rotates.
    assert!(keys_in(&pair.a, ALGORITHMS[0], "retiring").await.is_empty());
    assert_eq!(keys_in(&pair.a, ALGORITHMS[1], "retiring").await.len(), 1);
    assert!(history(&pair.a).await.contains(&(withdrawn, "retired")));
    pair.both_sign().await;
}

/// The slow node has changed the keys and does not know it yet. The other one finds everything done.
#[tokio::test]
async fn a_change_that_was_committed_is_not_made_again() {
    let (pair, hold, slow) = paused(Point::After(Call::ChangeKeys)).await;
    let old = pair.b.sign(ALGORITHMS[0]).await.unwrap();
    for _ in 0..LEASE_TTL.as_secs() {
        pair.a.poll().await.unwrap();
        pair.clock.advance(Duration::from_secs(1));
    }
    pair.a.poll().await.unwrap();
    pair.a.look().await;
    let signed = pair.a.sign(ALGORITHMS[0]).await.unwrap();
    assert_ne!(kid_of(&old), kid_of(&signed));
    pair.both_sign().await;
    hold.release();
    slow.await.unwrap();
    pair.rotated_once().await;
    pair.both_sign().await;
}

/// Both look at the same moment, on threads of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_race_rotate_once() {
    let pair = Pair::start("ES256,EdDSA").await;
    pair.pass_to_rotation().await;
    pair.clock.advance(MILLISECOND);
    running::poll(&[&pair.a, &pair.b]).await;
    let racing = [&pair.a, &pair.b, &pair.a, &pair.b].map(|node| {
        let schedule = node.node.schedule.clone();
        tokio::spawn(async move { schedule.look().await })
    });
    for look in racing {
        look.await.unwrap().unwrap();
    }
    // One that found the lease taken and went away leaves the rest to the next look.
    running::look(&[&pair.a, &pair.b]).await;
    pair.rotated_once().await;
    pair.both_sign().await;
}
