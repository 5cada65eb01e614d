//! Algorithms that come and go.

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::keys::KeyTimings;
use symbolon_jose::SigningAlg;
use symbolon_testkit::FakeClock;
use symbolon_tests::{ClientSpec, Deployment, Harness, HarnessOptions, TestClient};

use super::resource_server::ResourceServer;
use super::running::{self, Running};
use super::{BEFORE, INTERVAL, MILLISECOND, TICK, UNKEPT, hours, key_in, keys_in, minutes, rotating};

const CURVE: SigningAlg = SigningAlg::Es256;
const EDWARDS: SigningAlg = SigningAlg::EdDsa;

fn options(clock: &Arc<FakeClock>, algorithms: &str) -> HarnessOptions {
    HarnessOptions {
        settings: rotating(algorithms),
        clock: Some(clock.clone()),
        ..HarnessOptions::default()
    }
}

async fn first(clock: &Arc<FakeClock>, algorithms: &str) -> Running {
    let node = Running::new(Harness::with(options(clock, algorithms)).await);
    running::look(&[&node]).await;
    node
}

async fn open(deployment: &Deployment, clock: &Arc<FakeClock>, algorithms: &str) -> Running {
    Running::new(deployment.open(options(clock, algorithms)).await.unwrap())
}

/// A client whose tokens are to be signed with that algorithm.
async fn wanting(node: &Running, alg: SigningAlg) -> TestClient {
    let spec = ClientSpec::confidential("edwards").with(|policy| policy.signing_alg = Some(alg));
    node.add_client(spec).await
}

#[tokio::test]
async fn the_first_start_signs_at_once() {
    let clock = Arc::new(FakeClock::new());
    let all = "ES256,ES384,EdDSA,PS256,RS256";
    let node = first(&clock, all).await;
    let mut server = ResourceServer::keeping(Duration::ZERO);
    for alg in SigningAlg::ALL {
        let token = node.sign(alg).await.unwrap();
        server.verify(&token, &node).await.unwrap();
        assert_eq!(keys_in(&node, alg, "active").await.len(), 1, "{alg}");
        assert_eq!(keys_in(&node, alg, "pending").await.len(), 1, "{alg}");
    }
    assert_eq!(node.publishes().await.len(), 10);
}

/// Verifiers have a key set without it, for a day.
#[tokio::test]
async fn an_algorithm_that_is_added_is_published_first() {
    let clock = Arc::new(FakeClock::new());
    let old = first(&clock, "ES256").await;
    let client = wanting(&old, EDWARDS).await;
    running::pass(&clock, &[&old], hours(10), hours(1)).await;
    // One node at a time gets the new settings; the other one goes on with the old.
    let new = open(&old.deployment(), &clock, "ES256,EdDSA").await;
    running::look(&[&new, &old]).await;
    let kid = key_in(&new, EDWARDS, "pending").await;
    assert!(keys_in(&new, EDWARDS, "active").await.is_empty());
    let mut slow = ResourceServer::keeping(hours(24));
    for node in [&old, &new] {
        assert!(node.publishes().await.contains(&kid));
        let before = node.footprint().await;
        node.client_credentials(&client)
            .await
            .assert_error(500, "server_error");
        node.login(&client).await.assert_error(500, "server_error");
        assert_eq!(node.footprint().await, before);
    }
    slow.verify(&new.sign(CURVE).await.unwrap(), &old).await.unwrap();

    running::pass(&clock, &[&new, &old], BEFORE - MILLISECOND, minutes(30)).await;
    assert!(new.sign(EDWARDS).await.is_err());
    assert_eq!(key_in(&new, EDWARDS, "pending").await, kid);
    running::pass(&clock, &[&new, &old], UNKEPT + MILLISECOND, TICK).await;
    assert_eq!(key_in(&new, EDWARDS, "active").await, kid);
    let token = new.client_credentials(&client).await.text("access_token");
    slow.verify(&token, &old).await.unwrap();
    for node in [&old, &new] {
        assert!(node.is_active(&token).await);
    }
    // The node with the old settings has no such algorithm.
    old.client_credentials(&client)
        .await
        .assert_error(500, "server_error");
}

/// The clock of the machine that adds an algorithm is ten years behind, and the node that runs has not looked for a
/// while.
#[tokio::test]
async fn an_algorithm_that_a_late_clock_adds_is_published_as_long() {
    let clock = Arc::new(FakeClock::new());
    let old = first(&clock, "ES256").await;
    running::pass(&clock, &[&old], hours(10), hours(1)).await;
    clock.advance(TICK - MILLISECOND);
    old.poll().await.unwrap();
    let late = Arc::new(FakeClock::new());
    late.set(symbolon_core::UnixMillis(FakeClock::START.0 - 3_652 * 86_400_000));
    let new = open(&old.deployment(), &late, "ES256,EdDSA").await;
    running::poll(&[&old, &new]).await;
    let second = Duration::from_secs(1);
    let mut left = KeyTimings::LONGEST_CACHE - second;
    while left > Duration::ZERO {
        let step = left.min(TICK);
        left -= step;
        clock.advance(step);
        late.advance(step);
        running::look(&[&old, &new]).await;
    }
    new.sign(EDWARDS).await.unwrap_err();
    for _ in 0..4 {
        clock.advance(TICK);
        late.advance(TICK);
        running::look(&[&old, &new]).await;
    }
    new.sign(EDWARDS).await.unwrap();
}

#[tokio::test]
async fn refuses_to_start_with_a_default_that_may_not_sign_yet() {
    let clock = Arc::new(FakeClock::new());
    let node = first(&clock, "ES256").await;
    let deployment = node.deployment();
    let refusal = async || match deployment.open(options(&clock, "EdDSA,ES256")).await {
        Ok(_) => panic!("it started"),
        Err(error) => format!("{error:#}"),
    };
    assert_eq!(
        refusal().await,
        "`keys.default_algorithm` is EdDSA, whose key was published too short a time ago to sign: it may in 1d 10m. \
         Until then set `keys.default_algorithm` to ES256, which signs already, or let the key sign before every \
         verifier can know it: `symbolon keys rotate --alg EdDSA --dangerous-now`"
    );
    // The refused start has published the key: a day later the same start may succeed.
    let kid = key_in(&node, EDWARDS, "pending").await;
    let with_both = open(&deployment, &clock, "ES256,EdDSA").await;
    running::look(&[&node, &with_both]).await;
    running::pass(&clock, &[&node, &with_both], hours(24), hours(1)).await;
    assert!(
        refusal().await.contains("it may in 10m 5s"),
        "{}",
        refusal().await
    );
    running::pass(&clock, &[&node, &with_both], BEFORE + UNKEPT - hours(24), TICK).await;
    assert_eq!(key_in(&node, EDWARDS, "active").await, kid);
    let node = open(&deployment, &clock, "EdDSA,ES256").await;
    let token = node.client_credentials(&node.app).await.text("access_token");
    assert_eq!(running::kid_of(&token), kid);
}

#[tokio::test]
async fn keys_of_an_algorithm_that_is_removed_verify_and_are_left_alone() {
    let clock = Arc::new(FakeClock::new());
    let node = first(&clock, "ES256,EdDSA").await;
    let client = wanting(&node, EDWARDS).await;
    let token = node.sign(EDWARDS).await.unwrap();
    let keys = [
        key_in(&node, EDWARDS, "active").await,
        key_in(&node, EDWARDS, "pending").await,
    ];
    let deployment = node.deployment();
    drop(node);
    let node = open(&deployment, &clock, "ES256").await;
    running::look(&[&node]).await;
    let mut server = ResourceServer::keeping(Duration::ZERO);
    server.verify(&token, &node).await.unwrap();
    assert!(node.is_active(&token).await);
    let before = node.footprint().await;
    node.client_credentials(&client)
        .await
        .assert_error(500, "server_error");
    assert_eq!(node.footprint().await, before);

    running::pass(&clock, &[&node], INTERVAL, hours(4)).await;
    assert_eq!(keys_in(&node, CURVE, "retiring").await.len(), 1, "rotated");
    let left = [
        key_in(&node, EDWARDS, "active").await,
        key_in(&node, EDWARDS, "pending").await,
    ];
    assert_eq!(left, keys);
    assert!(keys.iter().all(|kid| left.contains(kid)));
    drop(node);

    // Back again: published all the while, it signs at once, and is rotated because that is overdue.
    let node = open(&deployment, &clock, "ES256,EdDSA").await;
    assert_eq!(node.signs_with(EDWARDS).await, keys[0]);
    running::look(&[&node]).await;
    assert_eq!(node.signs_with(EDWARDS).await, keys[1]);
    let token = node.client_credentials(&client).await.text("access_token");
    server.verify(&token, &node).await.unwrap();
}
