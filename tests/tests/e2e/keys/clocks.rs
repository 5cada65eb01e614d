//! Clocks that are set. The schedule goes by time that passes: no key signs before it was published for long enough,
//! none is dropped before its last token has expired, and rotation goes on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::keys::KeyTimings;
use symbolon_core::{Clock, UnixMillis};
use symbolon_jose::{Kid, SigningAlg};
use symbolon_jwks_publisher::KeyOperation;
use symbolon_testkit::FakeClock;
use symbolon_tests::{Deployment, Harness, HarnessOptions};

use super::running::{self, Running};
use super::{AFTER, BEFORE, INTERVAL, TICK, hours, key_in, minutes, operate, rotating};

const ALG: SigningAlg = SigningAlg::Es256;
const DAY: u64 = 86_400_000;

/// Forward by 100 days, back by 10 years, and by less than what anybody would notice.
fn settings_of_a_clock(now: UnixMillis) -> [UnixMillis; 4] {
    [
        now.plus(100 * DAY),
        UnixMillis(FakeClock::START.0 - 3_652 * DAY),
        now.plus(50 * 60_000),
        UnixMillis(now.0.saturating_sub(50 * 60_000)),
    ]
}

/// What became of a key, by the time that has passed.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    /// Since when every node that runs has published it.
    published: Option<Duration>,
    signed: Option<Duration>,
    /// Since when no node signs with it.
    stopped: Option<Duration>,
    gone: Option<Duration>,
}

/// What has been seen of the keys. Times are of a clock that nobody sets.
#[derive(Default)]
struct Watch {
    time: FakeClock,
    lives: HashMap<Kid, Life>,
    /// The keys of the first start, which sign at once.
    first: Vec<Kid>,
}

impl Watch {
    async fn begin(nodes: &[&Running]) -> Self {
        let watch = Self {
            first: vec![key_in(nodes[0], ALG, "active").await],
            ..Self::default()
        };
        let mut watch = watch;
        watch.see(nodes).await;
        watch
    }

    /// Looks at the nodes right after they have looked at the schedule, so that moments are exact.
    async fn see(&mut self, nodes: &[&Running]) {
        let now = self.time.monotonic();
        let (mut published, mut signing) = (Vec::new(), Vec::new());
        for node in nodes {
            published.push(node.publishes().await);
            signing.push(node.signs_with(ALG).await);
        }
        for kid in published.iter().flatten() {
            self.lives.entry(kid.clone()).or_default();
        }
        for (kid, life) in &mut self.lives {
            if published.iter().all(|keys| keys.contains(kid)) {
                life.published.get_or_insert(now);
            } else if life.published.is_some() {
                life.gone.get_or_insert(now);
            }
            if signing.contains(kid) {
                life.signed.get_or_insert(now);
            } else if life.signed.is_some() {
                life.stopped.get_or_insert(now);
            }
        }
    }

    /// Asserts that no verifier was ever broken, and returns how many keys have taken over.
    #[track_caller]
    fn judge(&self) -> usize {
        let mut taken_over = 0;
        for (kid, life) in &self.lives {
            let (Some(published), Some(signed)) = (life.published, life.signed) else {
                continue;
            };
            if !self.first.contains(kid) {
                taken_over += 1;
                let before = signed - published;
                assert!(
                    before >= KeyTimings::LONGEST_CACHE,
                    "{kid} signed after {before:?}"
                );
            }
            if let Some(gone) = life.gone {
                let after = gone - life.stopped.expect("it stopped before");
                assert!(after >= KeyTimings::LEAST_AFTER, "{kid} was gone after {after:?}");
            }
        }
        taken_over
    }
}

fn options(clock: &Arc<FakeClock>) -> HarnessOptions {
    HarnessOptions {
        settings: rotating("ES256"),
        clock: Some(clock.clone()),
        ..HarnessOptions::default()
    }
}

/// Two nodes on two machines, each with a clock of its own.
struct Machines {
    deployment: Deployment,
    clocks: [Arc<FakeClock>; 2],
    nodes: [Option<Running>; 2],
    watch: Watch,
}

impl Machines {
    async fn start() -> Self {
        let clocks = [(); 2].map(|()| Arc::new(FakeClock::new()));
        // Monotonic clocks count from different moments.
        clocks[1].advance(hours(77));
        clocks[1].set(FakeClock::START);
        let a = Running::new(Harness::with(options(&clocks[0])).await);
        let deployment = a.deployment();
        let b = Running::new(deployment.open(options(&clocks[1])).await.unwrap());
        let watch = Watch::begin(&[&a, &b]).await;
        let machines = Self {
            deployment,
            clocks,
            nodes: [Some(a), Some(b)],
            watch,
        };
        running::look(&machines.running()).await;
        machines
    }

    fn running(&self) -> Vec<&Running> {
        self.nodes.iter().flatten().collect()
    }

    fn sleep(&self, time: Duration) {
        for clock in self.clocks.iter().map(|clock| &**clock).chain([&self.watch.time]) {
            clock.advance(time);
        }
    }

    async fn pass(&mut self, time: Duration, step: Duration) {
        let mut left = time;
        while left > Duration::ZERO {
            let now = left.min(step);
            self.sleep(now);
            left -= now;
            let running: Vec<&Running> = self.nodes.iter().flatten().collect();
            running::look(&running).await;
            self.watch.see(&running).await;
        }
    }

    /// The pending key is as young as can be.
    async fn replace_pending(&mut self) {
        let running: Vec<&Running> = self.nodes.iter().flatten().collect();
        let operation = KeyOperation::Generate { alg: ALG };
        operate(running[0], operation).await.unwrap();
        running::poll(&running).await;
        self.watch.see(&running).await;
    }

    fn stop(&mut self, node: usize) {
        self.nodes[node] = None;
    }

    async fn restart(&mut self, node: usize) {
        self.stop(node);
        let opened = self.deployment.open(options(&self.clocks[node])).await.unwrap();
        self.nodes[node] = Some(Running::new(opened));
        let running: Vec<&Running> = self.nodes.iter().flatten().collect();
        running::look(&running).await;
        self.watch.see(&running).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_moves_no_key_of_nodes_that_run() {
    let mut machines = Machines::start().await;
    for at in [hours(1), hours(22), BEFORE - hours(23) - TICK, INTERVAL - BEFORE] {
        machines.pass(at, hours(1)).await;
        for which in 0..4 {
            for clock in &machines.clocks {
                clock.set(settings_of_a_clock(clock.now())[which]);
            }
            machines.pass(TICK, TICK).await;
        }
    }
    // Right after the rotation, when the key before must stay.
    assert_eq!(machines.watch.judge(), 1);
    for which in 0..4 {
        for clock in &machines.clocks {
            clock.set(settings_of_a_clock(clock.now())[which]);
        }
        machines.pass(minutes(30), minutes(10)).await;
    }
    machines.pass(2 * INTERVAL, hours(1)).await;
    assert_eq!(machines.watch.judge(), 3, "the schedule goes on");
}

/// A process that starts has no time of its own yet, and a clock that was set while it was down tells it nothing.
#[tokio::test]
async fn a_clock_that_is_set_moves_no_key_across_a_restart() {
    for which in 0..4 {
        let mut machines = Machines::start().await;
        let set = |machines: &Machines| {
            for clock in &machines.clocks {
                clock.set(settings_of_a_clock(clock.now())[which]);
            }
        };
        // A pending key that is due as soon as it may sign: it came late.
        machines.pass(INTERVAL - hours(2), hours(4)).await;
        machines.replace_pending().await;
        machines.pass(BEFORE - minutes(50), minutes(30)).await;
        for node in [0, 1] {
            machines.stop(node);
        }
        set(&machines);
        for node in [0, 1] {
            machines.restart(node).await;
        }
        machines.pass(hours(2), TICK).await;
        assert_eq!(machines.watch.judge(), 1, "{which}");
        // And a retiring key that has an hour to go.
        for node in [0, 1] {
            machines.stop(node);
        }
        set(&machines);
        for node in [0, 1] {
            machines.restart(node).await;
        }
        machines.pass(AFTER, TICK).await;
        assert_eq!(machines.watch.judge(), 1, "{which}");
        machines.pass(INTERVAL, hours(1)).await;
        assert_eq!(machines.watch.judge(), 2, "{which}: the schedule goes on");
    }
}

/// Clocks that differ, and nodes that come and go: none takes the other's clock for time that has passed.
#[tokio::test]
async fn clocks_that_differ_move_no_key() {
    for which in 0..4 {
        let mut machines = Machines::start().await;
        let other = &machines.clocks[1];
        other.set(settings_of_a_clock(other.now())[which]);
        machines.pass(INTERVAL - hours(2), hours(4)).await;
        machines.replace_pending().await;
        for hour in 0..24 {
            machines.pass(hours(1) - TICK, minutes(55)).await;
            machines.restart(hour % 2).await;
            machines.pass(TICK, TICK).await;
        }
        machines.pass(hours(2), TICK).await;
        assert_eq!(machines.watch.judge(), 1, "{which}");
        machines.pass(AFTER, TICK).await;
        machines.pass(INTERVAL, hours(4)).await;
        assert_eq!(machines.watch.judge(), 2, "{which}: the schedule goes on");
    }
}

/// A machine that was suspended, or a process that was stopped, comes back with all the time that has passed and with
/// keys that are a day old.
#[tokio::test]
async fn a_process_that_was_stopped_signs_nothing_before_it_has_read_its_keys() {
    let mut machines = Machines::start().await;
    machines.pass(INTERVAL - hours(1), hours(4)).await;
    let asleep = machines.nodes[1].take().unwrap();
    machines.pass(hours(6), minutes(30)).await;
    assert_eq!(machines.watch.judge(), 1);
    assert!(asleep.sign(ALG).await.is_err());
    machines.nodes[1] = Some(asleep);
    machines.pass(TICK, TICK).await;
    let [a, b] = machines.running()[..] else {
        unreachable!()
    };
    assert_eq!(a.signs_with(ALG).await, b.signs_with(ALG).await);
    assert_eq!(a.publishes().await, b.publishes().await);
    // What it published while it slept was not so: the pending key of now waits for a day from here on.
    machines.pass(2 * INTERVAL, hours(1)).await;
    assert_eq!(machines.watch.judge(), 3);
}
