//! Signing keys that rotate: nodes over one database, on clocks that tests move.
#![cfg(test)]

mod algorithms;
mod clocks;
mod compromise;
mod failures;
mod fencing;
mod nodes;
mod resource_server;
mod running;
mod soak;

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::SystemRng;
use symbolon_core::audit::{Act, Actor};
use symbolon_core::keys::{KeyTimings, SETTLE, SigningKeyRecord};
use symbolon_core::ports::KeyStore;
use symbolon_jose::{Kid, SigningAlg};
use symbolon_jwks_publisher::{
    Compromised, KeyOperation, KeyOperationError, KeyOperations, Plan, share_encryption_keys,
};
use symbolon_server::node::rotation_config;
use symbolon_testkit::FakeClock;
use symbolon_tests::{Harness, HarnessOptions, Tap};

use self::running::Running;

/// The shortest interval that the default timings allow, rounded up: rotation twice in four days.
const INTERVAL: Duration = hours(48);
/// How often a node looks at the schedule at least, with the default timings.
const TICK: Duration = Duration::from_secs(300);
/// A node that runs may be this much ahead of what starts and commands beside it know: keys that they change stay in their
/// states for as much longer.
const UNKEPT: Duration = minutes(10);
const MILLISECOND: Duration = Duration::from_millis(1);
/// How long a key is published before it signs, in all.
const BEFORE: Duration = KeyTimings::LONGEST_CACHE.saturating_add(SETTLE);
/// How long a key is published after it has signed, in all.
const AFTER: Duration = KeyTimings::LEAST_AFTER.saturating_add(SETTLE);

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// Settings of a server that rotates every two days.
fn rotating(algorithms: &str) -> Vec<(&'static str, String)> {
    vec![
        ("keys.algorithms", algorithms.to_owned()),
        (
            "keys.default_algorithm",
            algorithms.split(',').next().unwrap().to_owned(),
        ),
        ("keys.rotation_interval", "48h".to_owned()),
    ]
}

/// Two nodes over one database and one clock; the second one's ports can be cut and paused.
struct Pair {
    clock: Arc<FakeClock>,
    a: Running,
    b: Running,
    /// Around the ports of `b`.
    tap: Tap,
}

impl Pair {
    async fn start(algorithms: &str) -> Self {
        let clock = Arc::new(FakeClock::new());
        let a = Harness::with(HarnessOptions {
            settings: rotating(algorithms),
            clock: Some(clock.clone()),
            ..HarnessOptions::default()
        })
        .await;
        let tap = Tap::default();
        let deployment = a.deployment();
        let b = deployment.open(HarnessOptions {
            settings: rotating(algorithms),
            clock: Some(clock.clone()),
            wraps: tap.wraps(),
            ..HarnessOptions::default()
        });
        let b = Running::new(b.await.unwrap());
        let a = Running::new(a);
        running::look(&[&a, &b]).await;
        Self { clock, a, b, tap }
    }

    /// Time passes while both nodes run; the second one looks first.
    async fn pass(&self, time: Duration, step: Duration) {
        running::pass(&self.clock, &[&self.b, &self.a], time, step).await;
    }

    /// Until just before the rotation that the keys of the start are due for.
    async fn pass_to_rotation(&self) {
        self.pass(INTERVAL - TICK, hours(4)).await;
        self.pass(TICK - MILLISECOND, TICK).await;
    }
}

/// The published keys of an algorithm in a state, as the store has them.
async fn keys_in(h: &Harness, alg: SigningAlg, state: &str) -> Vec<SigningKeyRecord> {
    let mut records = h.node.store.signing_keys().await.unwrap();
    records.retain(|record| record.alg == alg && record.state.as_str() == state);
    records
}

/// The one published key of an algorithm in a state.
async fn key_in(h: &Harness, alg: SigningAlg, state: &str) -> Kid {
    let records = keys_in(h, alg, state).await;
    let [record] = &records[..] else {
        panic!("{} keys of {alg} are {state}", records.len());
    };
    record.kid.clone()
}

/// Every key that there ever was: its id and the name of its state, the oldest first.
async fn history(h: &Harness) -> Vec<(Kid, &'static str)> {
    let mut records = h.node.store.key_history(1000).await.unwrap();
    records.reverse();
    records
        .into_iter()
        .map(|record| (record.kid, record.state.as_str()))
        .collect()
}

/// What an operator does, as another process would: on the database directly.
fn operations(h: &Harness) -> KeyOperations {
    KeyOperations::new(
        Arc::new(h.node.store.clone()),
        share_encryption_keys(h.settings.keys.encryption_keys.clone()),
        rotation_config(&h.settings),
        h.clock.clone(),
        Arc::new(SystemRng),
    )
}

async fn operate(h: &Harness, operation: KeyOperation) -> Result<Plan, KeyOperationError> {
    let act = Act::new(Actor::operator("test"), "found on a forum");
    operations(h).carry_out(&operation, &act).await
}

async fn rotate_by_hand(h: &Harness, alg: SigningAlg) {
    let operation = KeyOperation::Rotate {
        alg: Some(alg),
        at_once: true,
    };
    operate(h, operation).await.unwrap();
}

async fn compromise(h: &Harness, which: Compromised) -> Plan {
    operate(h, KeyOperation::Compromise { which }).await.unwrap()
}
