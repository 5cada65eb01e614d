//! Steps of the schedule that fail: the present keys go on, and it is tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use symbolon_core::{Rng, SystemRng};
use symbolon_jose::SigningAlg;
use symbolon_jwks_publisher::RotationOutcome;
use symbolon_testkit::FakeClock;
use symbolon_tests::{Call, Harness, HarnessOptions, Tap};

use super::running::{self, Running};
use super::{INTERVAL, MILLISECOND, TICK, hours, key_in, keys_in, rotating};

const ALG: SigningAlg = SigningAlg::Es256;

/// Randomness that a test can take away.
#[derive(Default)]
struct FrailRng {
    broken: AtomicBool,
}

impl Rng for FrailRng {
    fn fill(&self, dest: &mut [u8]) {
        assert!(
            !self.broken.load(Ordering::SeqCst),
            "the test has taken randomness away"
        );
        SystemRng.fill(dest);
    }
}

struct Frail {
    clock: Arc<FakeClock>,
    node: Running,
    tap: Tap,
    rng: Arc<FrailRng>,
}

impl Frail {
    /// A node at the moment when a rotation is due.
    async fn at_rotation(algorithms: &str) -> Self {
        let (clock, tap) = (Arc::new(FakeClock::new()), Tap::default());
        let rng = Arc::new(FrailRng::default());
        let node = Harness::with(HarnessOptions {
            settings: rotating(algorithms),
            wraps: tap.wraps(),
            clock: Some(clock.clone()),
            rng: Some(rng.clone()),
            ..HarnessOptions::default()
        })
        .await;
        let node = Running::new(node);
        running::look(&[&node]).await;
        running::pass(&clock, &[&node], INTERVAL - TICK, hours(4)).await;
        running::pass(&clock, &[&node], TICK - MILLISECOND, TICK).await;
        clock.advance(MILLISECOND);
        node.poll().await.unwrap();
        Self {
            clock,
            node,
            tap,
            rng,
        }
    }

    async fn rotations(&self) -> [u64; 3] {
        RotationOutcome::ALL.map(|outcome| self.node.steps(ALG, "rotate", outcome))
    }

    /// Looks while the failure lasts: nothing changes, tokens are signed, and it is counted.
    async fn fails(&self) {
        let before = self.node.jwks().await;
        let old = key_in(&self.node, ALG, "active").await;
        for failed in 1..=3 {
            let rest = self.node.look().await;
            assert!(
                rest <= Duration::from_secs(60),
                "it tries again soon: {failed} {rest:?}"
            );
            assert_eq!(self.rotations().await, [0, failed, 0]);
            let status = self.node.node.schedule.status();
            assert_eq!(
                status.algorithms[&ALG].last_rotation,
                Some(RotationOutcome::Failed)
            );
            self.node.poll().await.unwrap();
            assert_eq!(self.node.jwks().await.body, before.body);
            assert_eq!(self.node.signs_with(ALG).await, old);
            let token = self
                .node
                .client_credentials(&self.node.app)
                .await
                .text("access_token");
            assert!(self.node.is_active(&token).await);
            self.clock.advance(Duration::from_secs(60));
            self.node.poll().await.unwrap();
        }
    }

    async fn succeeds(&self) {
        let pending = key_in(&self.node, ALG, "pending").await;
        self.node.poll().await.unwrap();
        self.node.look().await;
        assert_eq!(self.rotations().await, [1, 3, 0]);
        assert_eq!(self.node.signs_with(ALG).await, pending);
        assert_eq!(keys_in(&self.node, ALG, "pending").await.len(), 1);
        let status = self.node.node.schedule.status();
        assert_eq!(status.algorithms[&ALG].last_rotation, Some(RotationOutcome::Done));
    }
}

#[tokio::test]
async fn a_change_that_can_not_be_written_is_tried_again() {
    let frail = Frail::at_rotation("ES256").await;
    frail.tap.fail(Call::ChangeKeys);
    frail.fails().await;
    frail.tap.mend();
    frail.succeeds().await;
}

#[tokio::test]
async fn a_key_that_can_not_be_made_is_tried_again() {
    let frail = Frail::at_rotation("ES256").await;
    // What the endpoints draw must go on: tokens have ids.
    let old = key_in(&frail.node, ALG, "active").await;
    for failed in 1..=3 {
        frail.rng.broken.store(true, Ordering::SeqCst);
        assert!(frail.node.look().await <= Duration::from_secs(60));
        frail.rng.broken.store(false, Ordering::SeqCst);
        assert_eq!(frail.rotations().await, [0, failed, 0]);
        assert_eq!(frail.node.signs_with(ALG).await, old);
        frail.node.client_credentials(&frail.node.app).await.ok();
    }
    frail.succeeds().await;
}

/// Where the store is gone altogether the look fails, which is no reason to stop signing.
#[tokio::test]
async fn a_look_that_fails_changes_nothing() {
    let frail = Frail::at_rotation("ES256").await;
    let old = key_in(&frail.node, ALG, "active").await;
    frail.tap.fail(Call::KeySchedule);
    for _ in 0..3 {
        assert!(frail.node.node.schedule.look().await.is_err());
        assert_eq!(frail.node.signs_with(ALG).await, old);
        frail.clock.advance(TICK);
        frail.node.poll().await.unwrap();
    }
    assert_eq!(frail.rotations().await, [0, 0, 0]);
    frail.tap.mend();
    frail.node.look().await;
    assert_ne!(frail.node.signs_with(ALG).await, old);
}

/// What fails for one algorithm does not hold up another.
#[tokio::test]
async fn one_algorithm_does_not_wait_for_another() {
    let frail = Frail::at_rotation("ES256,EdDSA").await;
    frail.tap.fail_next(Call::ChangeKeys);
    let others = [SigningAlg::Es256, SigningAlg::EdDsa];
    frail.node.look().await;
    let failed = others.map(|alg| frail.node.steps(alg, "rotate", RotationOutcome::Failed));
    let done = others.map(|alg| frail.node.steps(alg, "rotate", RotationOutcome::Done));
    assert_eq!((failed.iter().sum::<u64>(), done.iter().sum::<u64>()), (1, 1));
    frail.node.look().await;
    for alg in others {
        assert_eq!(frail.node.steps(alg, "rotate", RotationOutcome::Done), 1);
        assert_eq!(keys_in(&frail.node, alg, "retiring").await.len(), 1);
    }
}
