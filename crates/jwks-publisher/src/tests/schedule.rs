use symbolon_core::audit::Act;
use symbolon_core::keys::{KeyLease, KeyState, SETTLE, ScheduleTime};
use symbolon_core::ports::KeyStore as _;
use symbolon_core::tokens::AccessTokens as _;

use super::*;
use crate::{KeyOperation, KeyOperations, RotationOutcome, RotationSchedule, ScheduleParts};

const ES256: &[SigningAlg] = &[SigningAlg::Es256];

struct Node {
    keyring: Arc<Keyring>,
    schedule: RotationSchedule,
}

impl Node {
    async fn start(store: &Arc<MemoryKeys>, clock: &Arc<FakeClock>, rotation: RotationConfig) -> Self {
        let config = KeyringConfig {
            rotation: rotation.clone(),
            ..config(&rotation.algorithms)
        };
        let keyring = Arc::new(open_at(store, config, clock.clone()).await.unwrap());
        let schedule = RotationSchedule::new(ScheduleParts {
            store: store.clone(),
            keyring: keyring.clone(),
            encryption_keys: encryption_keys(1, &[]),
            config: rotation,
            name: "host:1".to_owned(),
            clock: clock.clone(),
            rng: Arc::new(SystemRng),
        });
        Self { keyring, schedule }
    }

    /// As a node does all the time: it reads the store, then looks at the schedule.
    async fn look(&self) -> Duration {
        self.keyring.reload().await.unwrap();
        self.schedule.look().await.unwrap()
    }

    fn outcomes(&self, step: &'static str) -> [u64; 3] {
        let status = self.schedule.status();
        RotationOutcome::ALL.map(|outcome| status.steps[&(SigningAlg::Es256, step, outcome)])
    }
}

async fn node() -> (Arc<MemoryKeys>, Arc<FakeClock>, Node) {
    let (store, clock) = (Arc::new(MemoryKeys::default()), Arc::new(FakeClock::new()));
    let node = Node::start(&store, &clock, rotation(ES256)).await;
    (store, clock, node)
}

fn states(store: &MemoryKeys) -> Vec<&'static str> {
    store.rows().iter().map(|row| row.state.as_str()).collect()
}

#[tokio::test]
async fn a_key_is_rotated_when_its_time_has_come_and_not_before() {
    let (store, clock, node) = node().await;
    let rest = node.look().await;
    assert_eq!(
        rest,
        Duration::from_secs(300),
        "it looks every five minutes at least"
    );
    clock.advance(hours(90 * 24) - Duration::from_millis(1));
    assert_eq!(node.look().await, Duration::from_millis(100));
    assert_eq!(states(&store), ["active", "pending"]);
    clock.advance(Duration::from_millis(1));
    node.look().await;
    assert_eq!(states(&store), ["retiring", "active", "pending"]);
    assert_eq!(node.outcomes("rotate"), [1, 0, 0]);
    let token = node.keyring.sign(None, &claims()).await.unwrap();
    let kid = node.keyring.verify(&token).unwrap().kid;
    assert_eq!(kid, store.row("active").kid, "it signs with the new key at once");

    clock.advance(KeyTimings::LEAST_AFTER + SETTLE - Duration::from_millis(1));
    node.look().await;
    assert_eq!(states(&store)[0], "retiring");
    clock.advance(Duration::from_millis(1));
    node.look().await;
    assert_eq!(states(&store), ["retired", "active", "pending"]);
    assert!(store.row("retired").wrapped.is_empty());
    assert_eq!(node.outcomes("finish"), [1, 0, 0]);
    let reasons = ["first start", "rotation schedule", "rotation schedule"];
    assert_eq!(store.acts(), reasons.map(Act::server));
}

#[tokio::test]
async fn a_clock_that_is_set_makes_nothing_due() {
    let (store, clock, node) = node().await;
    node.look().await;
    for wall in [
        NOW.plus(1_000 * 86_400_000),
        UnixMillis(0),
        UnixMillis(u64::MAX / 4),
    ] {
        clock.set(wall);
        node.look().await;
        // A process that starts now sees the same wall clock, and has no monotonic past.
        let fresh = Node::start(&store, &clock, rotation(ES256)).await;
        fresh.look().await;
        assert_eq!(states(&store), ["active", "pending"], "{wall:?}");
    }
    let elapsed = store.key_schedule().await.unwrap().elapsed;
    assert_eq!(elapsed, ScheduleTime(0), "no time has passed");
}

#[tokio::test]
async fn time_is_kept_across_restarts() {
    let (store, clock, node) = node().await;
    node.look().await;
    drop(node);
    let mut watched = Duration::ZERO;
    while watched < hours(90 * 24) {
        assert_eq!(states(&store), ["active", "pending"], "{watched:?}");
        let node = Node::start(&store, &clock, rotation(ES256)).await;
        node.look().await;
        clock.advance(hours(2));
        node.look().await;
        drop(node);
        watched += hours(2);
        // A third of the time without a node does not count.
        clock.advance(hours(1));
    }
    assert_eq!(states(&store), ["retiring", "active", "pending"]);
}

#[tokio::test]
async fn an_absence_counts_for_nothing() {
    let (store, clock, node) = node().await;
    node.look().await;
    drop(node);
    clock.advance(hours(365 * 24));
    let node = Node::start(&store, &clock, rotation(ES256)).await;
    node.look().await;
    assert_eq!(states(&store), ["active", "pending"]);
    let status = node.schedule.status();
    let of = &status.algorithms[&SigningAlg::Es256];
    assert_eq!(of.active_for, Some(Duration::ZERO));
    assert_eq!(of.next, Some(("rotate", hours(90 * 24))));
}

#[tokio::test]
async fn a_node_that_lost_its_lease_changes_nothing() {
    let (store, clock, slow) = node().await;
    let fast = Node::start(&store, &clock, rotation(ES256)).await;
    slow.look().await;
    fast.look().await;
    clock.advance(hours(90 * 24));
    slow.keyring.reload().await.unwrap();
    let (held, release) = store.hold_change();
    let stopped = slow.schedule.look();
    let other = async {
        held.await.unwrap();
        fast.look().await;
        assert_eq!(states(&store), ["active", "pending"], "the lease is the other's");
        clock.advance(Duration::from_secs(31));
        fast.look().await;
        assert_eq!(states(&store), ["retiring", "active", "pending"]);
        release.send(()).unwrap();
    };
    let (looked, ()) = tokio::join!(stopped, other);
    looked.unwrap();
    assert_eq!(
        states(&store),
        ["retiring", "active", "pending"],
        "exactly one new key"
    );
    assert_eq!(
        (slow.outcomes("rotate"), fast.outcomes("rotate")),
        ([0, 0, 1], [1, 0, 0])
    );
}

#[tokio::test]
async fn what_was_planned_before_an_operator_acted_is_refused() {
    let (store, clock, node) = node().await;
    node.look().await;
    clock.advance(hours(90 * 24));
    node.keyring.reload().await.unwrap();
    let (held, release) = store.hold_change();
    let operator = async {
        held.await.unwrap();
        let (keys, rng) = (encryption_keys(1, &[]), Arc::new(SystemRng));
        let operations = KeyOperations::new(store.clone(), keys, rotation(ES256), clock.clone(), rng);
        let generate = KeyOperation::Generate {
            alg: SigningAlg::Es256,
        };
        operations
            .carry_out(&generate, &Act::server("by hand"))
            .await
            .unwrap();
        release.send(()).unwrap();
    };
    let (looked, ()) = tokio::join!(node.schedule.look(), operator);
    looked.unwrap();
    assert_eq!(
        states(&store),
        ["active", "retired", "pending"],
        "the new pending key has not signed"
    );
    assert_eq!(node.outcomes("rotate"), [0, 0, 1]);
}

#[tokio::test]
async fn a_step_that_fails_is_counted_and_tried_again() {
    let (store, clock, node) = node().await;
    node.look().await;
    clock.advance(hours(90 * 24));
    // A pending key that the store refuses to move: somebody else's view of it is another.
    let rows = store.rows();
    store.edit(|rows| rows.retain(|row| row.state.is_active()));
    node.look().await;
    assert_eq!(
        states(&store),
        ["active", "pending"],
        "a missing pending key is made"
    );
    assert_eq!(node.outcomes("generate"), [1, 0, 0]);
    assert_ne!(store.row("pending").kid, rows[1].kid);
    assert_eq!(
        node.outcomes("rotate"),
        [0, 0, 0],
        "and published before it signs"
    );
    clock.advance(hours(24) + SETTLE);
    node.look().await;
    assert_eq!(states(&store), ["retiring", "active", "pending"]);
}

#[tokio::test]
async fn nothing_is_rotated_where_that_is_switched_off_but_retiring_ends() {
    let (store, clock) = (Arc::new(MemoryKeys::default()), Arc::new(FakeClock::new()));
    let by_hand = RotationConfig {
        automatically: false,
        ..rotation(ES256)
    };
    let node = Node::start(&store, &clock, by_hand.clone()).await;
    node.look().await;
    clock.advance(hours(400 * 24));
    node.look().await;
    assert_eq!(states(&store), ["active", "pending"]);
    let (keys, rng) = (encryption_keys(1, &[]), Arc::new(SystemRng));
    let operations = KeyOperations::new(store.clone(), keys, by_hand, clock.clone(), rng);
    operations
        .carry_out(
            &KeyOperation::Rotate {
                alg: None,
                at_once: false,
            },
            &Act::server("by hand"),
        )
        .await
        .unwrap();
    clock.advance(hours(3));
    node.look().await;
    assert_eq!(states(&store), ["retired", "active", "pending"]);
}

#[tokio::test]
async fn an_algorithm_that_was_added_signs_after_it_was_published() {
    let (store, clock, first) = node().await;
    first.look().await;
    drop(first);
    let both = rotation(&[SigningAlg::Es256, SigningAlg::EdDsa]);
    let node = Node::start(&store, &clock, both).await;
    node.look().await;
    assert!(node.keyring.can_sign(Some(SigningAlg::EdDsa)).is_err());
    clock.advance(hours(24) + SETTLE);
    node.look().await;
    assert!(node.keyring.can_sign(Some(SigningAlg::EdDsa)).is_err());
    // The first node may have been two looks ahead of what it had kept.
    clock.advance(Duration::from_secs(600));
    node.look().await;
    assert!(node.keyring.can_sign(Some(SigningAlg::EdDsa)).is_ok());
    assert_eq!(states(&store), ["active", "pending", "active", "pending"]);
}

#[tokio::test]
async fn a_pending_key_waits_for_every_live_node() {
    let (store, clock, healthy) = node().await;
    let broken = Node::start(&store, &clock, rotation(ES256)).await;
    healthy.look().await;
    broken.look().await;
    clock.advance(hours(89 * 24));
    // A new pending key that one node can't open.
    let damaged = Arc::new(MemoryKeys::default());
    open(&damaged, config(ES256)).await.unwrap();
    let good = store.row("pending");
    store.edit(|rows| rows[1].wrapped = damaged.row("pending").wrapped);
    store.edit(|rows| rows[1].kid = damaged.row("pending").kid);
    healthy.keyring.reload().await.unwrap();
    store.edit(|rows| rows[1].wrapped = good.wrapped.clone());
    broken.keyring.reload().await.unwrap();
    clock.advance(hours(2 * 24));
    healthy.keyring.reload().await.unwrap();

    broken.schedule.look().await.unwrap();
    healthy.schedule.look().await.unwrap();
    assert_eq!(states(&store), ["active", "pending"], "withheld");
    assert!(healthy.schedule.status().algorithms[&SigningAlg::Es256].withheld);

    store.edit(|rows| rows[1].wrapped = damaged.row("pending").wrapped);
    broken.schedule.look().await.unwrap();
    healthy.look().await;
    assert_eq!(
        states(&store),
        ["active", "pending"],
        "published by all for no time yet"
    );
    clock.advance(hours(24) + SETTLE);

    broken.schedule.look().await.unwrap();
    healthy.look().await;
    assert_eq!(states(&store), ["retiring", "active", "pending"]);
}

#[tokio::test]
async fn a_node_that_leaves_is_waited_for_no_longer() {
    let (store, _, node) = node().await;
    node.look().await;
    assert_eq!(store.key_nodes().await.unwrap().len(), 1);
    node.schedule.leave().await.unwrap();
    assert!(store.key_nodes().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_nodes_count_the_same_time_once() {
    let (store, clock, a) = node().await;
    let b = Node::start(&store, &clock, rotation(ES256)).await;
    a.look().await;
    b.look().await;
    for _ in 0..100 {
        clock.advance(Duration::from_secs(600));
        a.look().await;
        b.look().await;
    }
    let schedule = store.key_schedule().await.unwrap();
    assert_eq!(
        schedule.elapsed,
        ScheduleTime(0).plus(Duration::from_secs(60_000))
    );
    assert!(matches!(store.row("active").state, KeyState::Active { .. }));
    store.release_key_lease(KeyLease { fence: 0 }).await.unwrap();
}
