//! Two nodes over one database.

use std::time::Duration;

use symbolon_core::Clock;
use symbolon_core::keys::{MAX_UNCONFIRMED, SETTLE};
use symbolon_core::revocation::LEASE;
use symbolon_core::tokens::SignError;
use symbolon_jose::SigningAlg;
use symbolon_jwks_publisher::{Compromised, KeyOperation, KeyOperationError, Refusal, RotationOutcome};
use symbolon_tests::{Call, HarnessOptions};

use super::resource_server::ResourceServer;
use super::running::{self, Running, kid_of};
use super::{
    AFTER, BEFORE, INTERVAL, MILLISECOND, Pair, TICK, UNKEPT, compromise, hours, key_in, minutes, operate,
    rotate_by_hand, rotating,
};

const ALG: SigningAlg = SigningAlg::Es256;

/// The bound: a node that can read the store polls it several times in a [`LEASE`] (1 s), and has applied a change, its
/// own or another's, when that has passed. Until then it signs with the key before, which every node still publishes.
#[tokio::test]
async fn a_change_through_one_node_is_the_others_within_the_lease() {
    let pair = Pair::start("ES256").await;
    let (old, new) = (
        key_in(&pair.a, ALG, "active").await,
        key_in(&pair.a, ALG, "pending").await,
    );
    pair.pass_to_rotation().await;
    pair.clock.advance(MILLISECOND);
    pair.b.poll().await.unwrap();
    pair.b.look().await;

    assert_eq!(pair.b.signs_with(ALG).await, new, "who acts goes by it at once");
    assert_eq!(pair.a.signs_with(ALG).await, old);
    let late = pair.a.sign(ALG).await.unwrap();
    let mut server = ResourceServer::keeping(Duration::ZERO);
    for token in [&late, &pair.b.sign(ALG).await.unwrap()] {
        for node in [&pair.a, &pair.b] {
            server.verify(token, node).await.unwrap();
            assert!(node.is_active(token).await);
        }
    }
    pair.clock.advance(LEASE);
    pair.a.poll().await.unwrap();
    assert_eq!(pair.a.signs_with(ALG).await, new);
    let (a, b) = (pair.a.jwks().await, pair.b.jwks().await);
    assert_eq!(a.body, b.body);
    assert_eq!(a.header("etag"), b.header("etag"));
    assert!(
        pair.a.publishes().await.contains(&old),
        "what it signed stays valid"
    );
}

/// No node signs with a key that another has retired. One that can read the store has learned of it within [`LEASE`];
/// one that can't signs for [`MAX_UNCONFIRMED`] (1 h) at most, and the key is published for longer than that and the
/// life of the last token together.
#[tokio::test]
async fn no_node_signs_with_a_key_that_another_has_retired() {
    let pair = Pair::start("ES256").await;
    for _ in 0..3 {
        pair.pass(BEFORE, hours(4)).await;
        let old = key_in(&pair.a, ALG, "active").await;
        let operation = KeyOperation::Retire {
            kid: old.clone(),
            at_once: false,
        };
        operate(&pair.a, operation).await.unwrap();
        pair.clock.advance(LEASE);
        running::poll(&[&pair.a, &pair.b]).await;
        for node in [&pair.a, &pair.b] {
            assert_ne!(node.signs_with(ALG).await, old);
            assert_eq!(node.signs_with(ALG).await, key_in(node, ALG, "active").await);
            assert!(node.publishes().await.contains(&old));
        }
        pair.pass(AFTER - LEASE - MILLISECOND, minutes(30)).await;
        assert!(pair.a.publishes().await.contains(&old));
        pair.pass(UNKEPT + MILLISECOND, TICK).await;
        for node in [&pair.a, &pair.b] {
            assert!(!node.publishes().await.contains(&old));
        }
    }
}

/// Cut off from its keys, a node signs from memory for an hour. What it signs at the last moment is good to its end for
/// verifiers that ask the other node, which has rotated at the moment of the cut. Then it refuses, and commits nothing.
#[tokio::test]
async fn a_node_that_is_cut_off_signs_for_an_hour_and_then_refuses() {
    let pair = Pair::start("ES256").await;
    pair.pass_to_rotation().await;
    let login = pair.b.login(&pair.b.app).await;
    let session = login.text("refresh_token");
    let old = pair.b.signs_with(ALG).await;

    pair.tap.fail(Call::SigningKeys);
    running::pass(&pair.clock, &[&pair.a], MILLISECOND, MILLISECOND).await;
    let rotated = pair.clock.monotonic();
    assert_ne!(pair.a.signs_with(ALG).await, old, "rotated");
    let alone = async |time: Duration| {
        let mut left = time;
        while left > Duration::ZERO {
            let step = left.min(TICK);
            running::pass(&pair.clock, &[&pair.a], step, step).await;
            pair.b.poll().await.unwrap_err();
            left -= step;
        }
    };
    // It knew of nothing a millisecond before the rotation.
    alone(MAX_UNCONFIRMED - MILLISECOND).await;
    assert_eq!(pair.b.signs_with(ALG).await, old);
    let before = pair.b.footprint().await;
    let last = pair.b.client_credentials(&pair.b.app).await.text("access_token");
    assert_eq!(kid_of(&last), old);
    let longest = pair.b.sign(ALG).await.unwrap();

    alone(MILLISECOND).await;
    assert!(matches!(pair.b.sign(ALG).await, Err(SignError::Unconfirmed)));
    pair.b
        .client_credentials(&pair.b.app)
        .await
        .assert_error(503, "temporarily_unavailable");
    pair.b
        .login(&pair.b.app)
        .await
        .assert_error(503, "temporarily_unavailable");
    let refused = pair.b.refresh(&pair.b.app, &session).await;
    refused.assert_error(503, "temporarily_unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(pair.b.footprint().await, before);
    assert_eq!(pair.b.counted("requests_total", &["signing_unconfirmed"]), 3);
    // What needs no signature goes on.
    assert!(pair.b.is_active(&longest).await);
    pair.b.jwks().await;

    let mut server = ResourceServer::keeping(Duration::ZERO);
    alone(hours(1) - MILLISECOND).await;
    assert!(pair.clock.monotonic() - rotated >= hours(2) - MILLISECOND);
    // The wall clock begins at a whole second, and the token's end is one.
    while let Ok(()) = server.verify(&longest, &pair.a).await {
        alone(Duration::from_millis(100)).await;
    }
    assert_eq!(server.verify(&longest, &pair.a).await, Err("expired".to_owned()));
    alone(minutes(11)).await;
    assert!(!pair.a.publishes().await.contains(&old));

    pair.tap.mend();
    pair.b.poll().await.unwrap();
    assert_eq!(pair.b.signs_with(ALG).await, pair.a.signs_with(ALG).await);
    let refreshed = pair.b.refresh(&pair.b.app, &session).await;
    refreshed.ok();
    server
        .verify(&refreshed.text("access_token"), &pair.a)
        .await
        .unwrap();
}

/// The same where the node can't read the log either, which is what a database that is gone looks like.
#[tokio::test]
async fn a_node_without_a_database_signs_nothing_after_an_hour() {
    let pair = Pair::start("ES256").await;
    pair.pass(hours(1), minutes(30)).await;
    for call in [Call::Head, Call::SigningKeys, Call::KeySchedule, Call::ChangeKeys] {
        pair.tap.fail(call);
    }
    pair.clock.advance(MAX_UNCONFIRMED);
    pair.b.poll().await.unwrap_err();
    assert!(pair.b.node.schedule.look().await.is_err());
    pair.b.sign(ALG).await.unwrap();
    pair.clock.advance(MILLISECOND);
    assert!(matches!(pair.b.sign(ALG).await, Err(SignError::Unconfirmed)));
    pair.b
        .client_credentials(&pair.b.app)
        .await
        .assert_error(503, "temporarily_unavailable");
    pair.tap.mend();
    pair.b.poll().await.unwrap();
    pair.b.client_credentials(&pair.b.app).await.ok();
}

/// A node that can't open the pending key does not publish it, so that nobody may sign with it, whichever node acts; when
/// it can, the time of publication begins then.
#[tokio::test]
async fn a_node_that_can_not_open_the_pending_key_withholds_it_from_all() {
    let pair = Pair::start("ES256").await;
    pair.pass_to_rotation().await;
    running::pass(&pair.clock, &[&pair.a], MILLISECOND, MILLISECOND).await;
    pair.tap.spoil_keys(Some("pending"));
    pair.b.poll().await.unwrap();
    let (first, second, third) = (
        key_in(&pair.a, ALG, "retiring").await,
        key_in(&pair.a, ALG, "active").await,
        key_in(&pair.a, ALG, "pending").await,
    );
    assert!(pair.a.publishes().await.contains(&third));
    assert!(!pair.b.publishes().await.contains(&third));

    // A key that must go goes all the same.
    assert!(pair.b.publishes().await.contains(&first));
    compromise(&pair.a, Compromised::One(first.clone())).await;
    running::poll(&[&pair.a, &pair.b]).await;
    assert_eq!(pair.b.publishes().await, std::slice::from_ref(&second));

    pair.pass(INTERVAL + hours(4), hours(4)).await;
    for node in [&pair.a, &pair.b] {
        assert_eq!(node.signs_with(ALG).await, second, "overdue, and withheld");
        assert!(node.node.schedule.status().algorithms[&ALG].withheld);
        assert_eq!(node.steps(ALG, "rotate", RotationOutcome::Failed), 0);
    }
    let operation = KeyOperation::Rotate {
        alg: Some(ALG),
        at_once: false,
    };
    let refused = operate(&pair.a, operation).await.unwrap_err();
    assert!(
        matches!(&refused, KeyOperationError::Refused(Refusal::Withheld { kid, .. }) if *kid == third),
        "{refused}"
    );

    pair.tap.spoil_keys(None);
    pair.b.node.refresh().await.unwrap();
    assert!(pair.b.publishes().await.contains(&third));
    pair.pass(BEFORE - MILLISECOND, hours(1)).await;
    assert_eq!(pair.a.signs_with(ALG).await, second);
    pair.pass(MILLISECOND, MILLISECOND).await;
    for node in [&pair.a, &pair.b] {
        assert_eq!(node.signs_with(ALG).await, third);
    }
}

/// A node that says nothing for three ticks and [`SETTLE`] is gone, and nobody waits for it; one that stops says so.
#[tokio::test]
async fn a_node_that_is_gone_withholds_nothing() {
    for leaves in [false, true] {
        let Pair { clock, a, b, tap } = Pair::start("ES256").await;
        tap.spoil_keys(Some("pending"));
        running::pass(&clock, &[&b, &a], INTERVAL + hours(4), hours(4)).await;
        let pending = key_in(&a, ALG, "pending").await;
        assert_ne!(a.signs_with(ALG).await, pending);
        if leaves {
            b.node.schedule.leave().await.unwrap();
        }
        drop(b);
        if !leaves {
            running::pass(&clock, &[&a], 3 * TICK + SETTLE, TICK).await;
            assert_ne!(a.signs_with(ALG).await, pending);
        }
        running::pass(&clock, &[&a], MILLISECOND, MILLISECOND).await;
        assert_eq!(a.signs_with(ALG).await, pending, "{leaves}");
    }
}

/// A node that was cut off while keys changed published what was no longer so. Who asked it then may not know the new
/// pending key: its time of publication begins when the node is back.
#[tokio::test]
async fn a_node_that_was_cut_off_makes_pending_keys_wait() {
    let pair = Pair::start("ES256").await;
    pair.pass(hours(25), hours(5)).await;
    pair.tap.fail(Call::SigningKeys);
    rotate_by_hand(&pair.a, ALG).await;
    pair.a.poll().await.unwrap();
    let pending = key_in(&pair.a, ALG, "pending").await;
    for _ in 0..12 {
        pair.clock.advance(TICK);
        pair.b.poll().await.unwrap_err();
        running::look(&[&pair.a]).await;
    }
    pair.tap.mend();
    pair.b.poll().await.unwrap();
    let back = pair.clock.monotonic();
    // The key has been in the store for a day, and not with every node.
    pair.pass(BEFORE - minutes(60), hours(1)).await;
    let operation = || KeyOperation::Rotate {
        alg: Some(ALG),
        at_once: false,
    };
    operate(&pair.a, operation()).await.unwrap_err();
    pair.pass(minutes(60) - MILLISECOND, minutes(20)).await;
    operate(&pair.a, operation()).await.unwrap_err();
    pair.pass(MILLISECOND, MILLISECOND).await;
    operate(&pair.a, operation()).await.unwrap();
    assert_eq!(pair.clock.monotonic() - back, BEFORE);
    assert_eq!(key_in(&pair.a, ALG, "active").await, pending);
}

/// A node that nobody asks for a token hears of a change as soon as any other, and makes no key wait by it.
#[tokio::test]
async fn an_idle_node_that_hears_of_a_change_delays_nothing() {
    let pair = Pair::start("ES256,EdDSA").await;
    pair.pass(hours(30), hours(5)).await;
    for _ in 0..4 {
        pair.clock.advance(minutes(1));
        running::poll(&[&pair.a, &pair.b]).await;
    }
    rotate_by_hand(&pair.a, ALG).await;
    pair.clock.advance(LEASE);
    running::look(&[&pair.b, &pair.a]).await;
    let operation = KeyOperation::Rotate {
        alg: Some(SigningAlg::EdDsa),
        at_once: false,
    };
    operate(&pair.a, operation).await.unwrap();
}

/// A node that starts opens what is there and says so: it delays nothing.
#[tokio::test]
async fn a_node_that_starts_delays_no_rotation() {
    let Pair { clock, a, b, .. } = Pair::start("ES256").await;
    running::pass(&clock, &[&b, &a], INTERVAL - TICK, hours(4)).await;
    let pending = key_in(&a, ALG, "pending").await;
    drop(b);
    let deployment = a.deployment();
    let b = deployment.open(HarnessOptions {
        settings: rotating("ES256"),
        clock: Some(clock.clone()),
        ..HarnessOptions::default()
    });
    let b = Running::new(b.await.unwrap());
    running::look(&[&b, &a]).await;
    running::pass(&clock, &[&b, &a], TICK, TICK).await;
    assert_eq!(a.signs_with(ALG).await, pending);
    assert_eq!(b.signs_with(ALG).await, pending);
}
