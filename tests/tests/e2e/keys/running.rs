//! A node that runs: what its background tasks do, done by hand when a test says so.

use std::ops::Deref;
use std::sync::Mutex;
use std::time::Duration;

use jsonwebtoken::decode_header;
use serde_json::Value;
use symbolon_core::facts::Revocations;
use symbolon_core::ids::uuid_v7;
use symbolon_core::tokens::{AccessTokens, SignError};
use symbolon_core::{Clock, SystemRng};
use symbolon_jose::{Kid, SigningAlg};
use symbolon_jwks_publisher::RotationOutcome;
use symbolon_oauth_types::{AccessTokenClaims, Audiences};
use symbolon_testkit::FakeClock;
use symbolon_tests::{AUDIENCE, Harness, Reply};

/// Where the key set is.
pub(super) const JWKS: &str = "/.well-known/jwks.json";

/// A node and the version of the facts that it has renewed its keys by.
pub(super) struct Running {
    node: Harness,
    renewed: Mutex<Option<u64>>,
}

impl Deref for Running {
    type Target = Harness;

    fn deref(&self) -> &Harness {
        &self.node
    }
}

impl Running {
    pub(super) fn new(node: Harness) -> Self {
        Self {
            node,
            renewed: Mutex::new(None),
        }
    }

    /// What a node does several times a second: it looks at the log, and reads its keys again if a fact has changed.
    pub(super) async fn poll(&self) -> anyhow::Result<()> {
        self.node.node.log.catch_up().await?;
        let facts = self.node.node.log.applied().head.facts;
        if *self.renewed.lock().unwrap() == Some(facts) {
            self.node.node.keyring().refresh_caching();
        } else {
            self.node.node.refresh().await?;
            *self.renewed.lock().unwrap() = Some(facts);
        }
        Ok(())
    }

    /// The node looks at the schedule.
    pub(super) async fn look(&self) -> Duration {
        self.node.node.schedule.look().await.unwrap()
    }

    /// An access token as the endpoints make them, good for an hour.
    pub(super) async fn sign(&self, alg: SigningAlg) -> Result<String, SignError> {
        let now = self.clock.now();
        let claims = AccessTokenClaims {
            iss: self.settings.issuer.as_str().to_owned(),
            sub: self.app.uid.0,
            aud: Audiences(vec![AUDIENCE.to_owned()]),
            exp: now.as_secs() + 3600,
            iat: now.as_secs(),
            jti: uuid_v7(now, &SystemRng),
            client_id: self.app.id.clone(),
            scope: "orders:read".parse().unwrap(),
            sid: None,
        };
        self.node.node.keyring().sign(Some(alg), &claims).await
    }

    /// The key that this node signs with.
    pub(super) async fn signs_with(&self, alg: SigningAlg) -> Kid {
        kid_of(&self.sign(alg).await.unwrap())
    }

    pub(super) async fn jwks(&self) -> Reply {
        let reply = self.get(JWKS).await;
        reply.ok();
        reply
    }

    /// The keys that this node publishes.
    pub(super) async fn publishes(&self) -> Vec<Kid> {
        let document = self.jwks().await.json();
        let keys = document["keys"].as_array().unwrap();
        let kid = |key: &Value| Kid::parse(key["kid"].as_str().unwrap()).unwrap();
        keys.iter().map(kid).collect()
    }

    /// How often a step of the schedule came to that outcome on this node.
    pub(super) fn steps(&self, alg: SigningAlg, step: &'static str, outcome: RotationOutcome) -> u64 {
        self.node.node.schedule.status().steps[&(alg, step, outcome)]
    }
}

/// The key that a token names.
pub(super) fn kid_of(token: &str) -> Kid {
    Kid::parse(&decode_header(token).unwrap().kid.unwrap()).unwrap()
}

/// Every node in turn looks at the schedule, after all have read what there is to read.
pub(super) async fn look(nodes: &[&Running]) {
    for node in nodes {
        poll(nodes).await;
        node.look().await;
    }
    poll(nodes).await;
}

pub(super) async fn poll(nodes: &[&Running]) {
    for node in nodes {
        node.poll().await.unwrap();
    }
}

/// Time passes while these nodes run. They look after every step.
pub(super) async fn pass(clock: &FakeClock, nodes: &[&Running], time: Duration, step: Duration) {
    let mut left = time;
    while left > Duration::ZERO {
        let now = left.min(step);
        clock.advance(now);
        left -= now;
        look(nodes).await;
    }
}
