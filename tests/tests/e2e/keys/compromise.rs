//! Keys that leaked: what they signed is worth nothing from the moment at which the command returns.

use std::time::Duration;

use symbolon_core::ports::{KeyStore, RevocationLog};
use symbolon_core::revocation::{LEASE, Logged};
use symbolon_jose::{Kid, SigningAlg};
use symbolon_jwks_publisher::{Compromised, KeyOperation, KeyOperationError, Refusal};
use symbolon_oauth_types::UnixMillis;
use symbolon_oauth_types::revocation::{Digest, Effect, RevocationKind};

use super::resource_server::ResourceServer;
use super::running::{self, Running, kid_of};
use super::{
    INTERVAL, MILLISECOND, Pair, TICK, UNKEPT, compromise, history, hours, key_in, keys_in, minutes, operate,
    operations,
};

const ALG: SigningAlg = SigningAlg::Es256;

/// Tokens of one key: from a login, from a refresh and from a client of its own accord.
struct Victims {
    kid: Kid,
    access: Vec<String>,
    session: String,
}

impl Victims {
    async fn of(node: &Running) -> Self {
        let login = node.login(&node.app).await;
        let refreshed = node.refresh(&node.app, &login.text("refresh_token")).await;
        let own = node.client_credentials(&node.app).await;
        let access: Vec<_> = [&login, &refreshed, &own]
            .map(|reply| reply.text("access_token"))
            .into();
        for token in &access {
            assert!(node.is_active(token).await);
        }
        Self {
            kid: kid_of(&access[0]),
            access,
            session: refreshed.text("refresh_token"),
        }
    }

    /// No endpoint takes them for anything, whichever node is asked.
    async fn are_dead(&self, node: &Running) {
        for token in &self.access {
            assert_eq!(node.introspect(token).await.body, r#"{"active":false}"#);
            node.refresh(&node.app, token)
                .await
                .assert_error(400, "invalid_grant");
            let revoked = node.revoke(&node.app, token).await;
            assert_eq!((revoked.status.as_u16(), revoked.body.len()), (200, 0));
        }
    }

    /// The session is not the key's: it goes on, with tokens of another key.
    async fn session_goes_on(&mut self, node: &Running) {
        let refreshed = node.refresh(&node.app, &self.session).await;
        refreshed.ok();
        let token = refreshed.text("access_token");
        assert_ne!(kid_of(&token), self.kid);
        assert!(node.is_active(&token).await);
        ResourceServer::keeping(Duration::ZERO)
            .verify(&token, node)
            .await
            .unwrap();
        self.session = refreshed.text("refresh_token");
    }
}

/// The keys that the log says are compromised.
async fn logged(node: &Running, kids: &[Kid]) -> Vec<bool> {
    let entries = node.node.store.entries(0, UnixMillis(0), 1000).await.unwrap();
    let named = |kid: &Kid| {
        let digest = Digest::of(RevocationKind::Key, kid.as_str());
        entries.iter().any(|Logged { entry, .. }| {
            entry.kind == RevocationKind::Key
                && entry.digest == digest
                && entry.effect == Effect::Block
                && entry.expires == UnixMillis::NEVER
        })
    };
    kids.iter().map(named).collect()
}

/// The private key is not kept: nobody can steal it again.
async fn erased(node: &Running, kid: &Kid) {
    let records = node.node.store.key_history(1000).await.unwrap();
    let record = records.iter().find(|record| record.kid == *kid).unwrap();
    assert_eq!((record.state.as_str(), &*record.wrapped), ("compromised", ""));
}

/// The pending key takes over at once. Introspection is right on a node that has not heard of it yet, too: it asks the
/// log before it answers.
#[tokio::test]
async fn an_active_key_that_leaked_is_replaced_at_once() {
    let pair = Pair::start("ES256,EdDSA").await;
    pair.pass(hours(30), hours(5)).await;
    let mut victims = Victims::of(&pair.a).await;
    let (pending, others) = (
        key_in(&pair.a, ALG, "pending").await,
        key_in(&pair.a, SigningAlg::EdDsa, "active").await,
    );
    let plan = compromise(&pair.a, Compromised::One(victims.kid.clone())).await;
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    for node in [&pair.a, &pair.b] {
        victims.are_dead(node).await;
    }
    let seq = pair.a.footprint().await.head.seq;
    pair.clock.advance(LEASE);
    running::poll(&[&pair.a, &pair.b]).await;
    for node in [&pair.a, &pair.b] {
        assert!(!node.publishes().await.contains(&victims.kid));
        assert_eq!(
            node.signs_with(ALG).await,
            pending,
            "it has been published for a day"
        );
        assert_eq!(node.signs_with(SigningAlg::EdDsa).await, others);
        victims.are_dead(node).await;
        victims.session_goes_on(node).await;
    }
    assert_eq!(
        pair.a.footprint().await.head.seq,
        seq,
        "the dead are not logged again"
    );
    assert_eq!(
        logged(&pair.a, &[victims.kid.clone(), pending, others]).await,
        [true, false, false]
    );
    erased(&pair.a, &victims.kid).await;
    assert_eq!(keys_in(&pair.a, ALG, "pending").await.len(), 1);

    // For good: a second time there is nothing to do, and a node that starts knows it.
    let again = KeyOperation::Compromise {
        which: Compromised::One(victims.kid.clone()),
    };
    let refused = operate(&pair.a, again).await.unwrap_err();
    assert!(
        matches!(&refused, KeyOperationError::Refused(Refusal::Transition(kid, _)) if *kid == victims.kid),
        "{refused}"
    );
    let deployment = pair.a.deployment();
    let started = deployment.open(symbolon_tests::HarnessOptions {
        settings: super::rotating("ES256,EdDSA"),
        clock: Some(pair.clock.clone()),
        ..Default::default()
    });
    let started = Running::new(started.await.unwrap());
    victims.are_dead(&started).await;
}

/// A node that has not heard of it signs with the leaked key for up to [`LEASE`]; nothing that it signs then is accepted
/// either.
#[tokio::test]
async fn what_a_leaked_key_signs_afterwards_is_dead_too() {
    let pair = Pair::start("ES256").await;
    pair.pass(hours(30), hours(5)).await;
    let bad = pair.b.signs_with(ALG).await;
    compromise(&pair.a, Compromised::One(bad.clone())).await;
    let late = pair.b.sign(ALG).await.unwrap();
    assert_eq!(kid_of(&late), bad);
    for node in [&pair.a, &pair.b] {
        assert!(!node.is_active(&late).await);
    }
    running::poll(&[&pair.a, &pair.b]).await;
    for node in [&pair.a, &pair.b] {
        assert!(!node.is_active(&late).await);
        assert_ne!(node.signs_with(ALG).await, bad);
    }
}

/// It never signed for this server, but whoever has it may have.
#[tokio::test]
async fn a_pending_key_that_leaked_is_made_anew() {
    let pair = Pair::start("ES256").await;
    pair.pass(INTERVAL - hours(3), hours(5)).await;
    let mut victims = Victims::of(&pair.a).await;
    let bad = key_in(&pair.a, ALG, "pending").await;
    compromise(&pair.a, Compromised::One(bad.clone())).await;
    running::poll(&[&pair.a, &pair.b]).await;
    let new = key_in(&pair.a, ALG, "pending").await;
    assert_ne!(new, bad);
    for node in [&pair.a, &pair.b] {
        let published = node.publishes().await;
        assert!(!published.contains(&bad) && published.contains(&new));
        assert_eq!(
            node.signs_with(ALG).await,
            victims.kid,
            "the active key is as good as before"
        );
        assert!(node.is_active(&victims.access[0]).await);
    }
    erased(&pair.a, &bad).await;
    assert_eq!(logged(&pair.a, std::slice::from_ref(&bad)).await, [true]);
    // The rotation that was due in three hours waits for the new key.
    pair.pass(super::BEFORE - MILLISECOND, hours(2)).await;
    assert_eq!(pair.a.signs_with(ALG).await, victims.kid);
    pair.pass(UNKEPT + MILLISECOND, TICK).await;
    assert_eq!(pair.a.signs_with(ALG).await, new);
    victims.session_goes_on(&pair.b).await;
}

#[tokio::test]
async fn a_retiring_key_that_leaked_goes_before_its_tokens_have_expired() {
    let pair = Pair::start("ES256").await;
    pair.pass(INTERVAL - MILLISECOND, hours(4)).await;
    let mut victims = Victims::of(&pair.a).await;
    pair.pass(MILLISECOND, MILLISECOND).await;
    let active = key_in(&pair.a, ALG, "active").await;
    assert_eq!(key_in(&pair.a, ALG, "retiring").await, victims.kid);
    assert!(pair.b.is_active(&victims.access[0]).await);

    compromise(&pair.b, Compromised::One(victims.kid.clone())).await;
    for node in [&pair.a, &pair.b] {
        victims.are_dead(node).await;
    }
    running::poll(&[&pair.a, &pair.b]).await;
    for node in [&pair.a, &pair.b] {
        assert!(!node.publishes().await.contains(&victims.kid));
        assert_eq!(node.signs_with(ALG).await, active);
        victims.are_dead(node).await;
        victims.session_goes_on(node).await;
    }
    erased(&pair.a, &victims.kid).await;
    assert_eq!(
        logged(&pair.a, &[victims.kid.clone(), active]).await,
        [true, false]
    );
    // The schedule has nothing left to do with it.
    pair.pass(hours(3), minutes(30)).await;
    erased(&pair.a, &victims.kid).await;
}

/// A key that is no longer published verifies nothing, but a verifier may keep it still.
#[tokio::test]
async fn a_retired_key_that_leaked_goes_on_the_log() {
    let pair = Pair::start("ES256").await;
    pair.pass(INTERVAL, hours(4)).await;
    let bad = key_in(&pair.a, ALG, "retiring").await;
    pair.pass(hours(3), hours(1)).await;
    assert!(history(&pair.a).await.contains(&(bad.clone(), "retired")));
    let published = pair.a.publishes().await;
    compromise(&pair.a, Compromised::One(bad.clone())).await;
    running::poll(&[&pair.a, &pair.b]).await;
    assert_eq!(pair.a.publishes().await, published);
    erased(&pair.a, &bad).await;
    assert_eq!(logged(&pair.a, &[bad]).await, [true]);
}

/// Whoever has read the store and the key-encryption key has all of them, those that are to sign next included.
#[tokio::test]
async fn when_all_leaked_none_is_left() {
    let pair = Pair::start("ES256,EdDSA,RS256").await;
    pair.pass(INTERVAL, hours(4)).await;
    let mut victims = Victims::of(&pair.a).await;
    let all = pair.a.publishes().await;
    assert_eq!(all.len(), 9);
    let mut others = Vec::new();
    for alg in [SigningAlg::EdDsa, SigningAlg::Rs256] {
        others.push(pair.b.sign(alg).await.unwrap());
    }
    let operation = KeyOperation::Compromise {
        which: Compromised::All,
    };
    let plan = operations(&pair.a).plan(&operation).await.unwrap();
    assert_eq!(plan.warnings.len(), 3, "{:?}", plan.warnings);
    assert_eq!(pair.a.publishes().await, all, "a plan changes nothing");
    operate(&pair.a, operation).await.unwrap();
    for node in [&pair.a, &pair.b] {
        victims.are_dead(node).await;
        for token in &others {
            assert!(!node.is_active(token).await);
        }
    }
    running::poll(&[&pair.a, &pair.b]).await;
    assert_eq!(logged(&pair.a, &all).await, [true; 9]);
    for kid in &all {
        erased(&pair.a, kid).await;
    }
    for node in [&pair.a, &pair.b] {
        let published = node.publishes().await;
        assert_eq!(published.len(), 6);
        assert!(published.iter().all(|kid| !all.contains(kid)));
        victims.are_dead(node).await;
        victims.session_goes_on(node).await;
        let mut server = ResourceServer::keeping(Duration::ZERO);
        for alg in [ALG, SigningAlg::EdDsa, SigningAlg::Rs256] {
            let token = node.sign(alg).await.unwrap();
            server.verify(&token, node).await.unwrap();
            assert!(node.is_active(&token).await);
        }
        for token in victims.access.iter().chain(&others) {
            server.verify(token, node).await.unwrap_err();
        }
    }
    // The schedule goes on from the new keys.
    let now = key_in(&pair.a, ALG, "active").await;
    pair.pass(INTERVAL - TICK, hours(4)).await;
    assert_eq!(pair.a.signs_with(ALG).await, now);
    pair.pass(TICK + UNKEPT, TICK).await;
    assert_ne!(pair.a.signs_with(ALG).await, now);
}
