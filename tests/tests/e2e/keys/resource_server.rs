//! A resource server of the worst kind: it keeps a key set for a fixed time whatever the headers say, and asks for
//! nothing in between, unknown keys or not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use symbolon_core::Clock;
use symbolon_tests::AUDIENCE;

use super::running::Running;

/// A key set as the library of others reads it.
pub(super) struct KeySet(HashMap<String, (Algorithm, DecodingKey)>);

impl KeySet {
    pub(super) fn read(body: &[u8]) -> Self {
        let set: JwkSet = serde_json::from_slice(body).unwrap();
        let keys = set.keys.iter().map(|key| {
            let alg = key.common.key_algorithm.unwrap().to_string().parse().unwrap();
            let kid = key.common.key_id.clone().unwrap();
            (kid, (alg, DecodingKey::from_jwk(key).unwrap()))
        });
        Self(keys.collect())
    }
}

pub(super) struct ResourceServer {
    keep: Duration,
    /// The key set and when it was fetched, by the monotonic clock.
    kept: Option<(Arc<KeySet>, Duration)>,
}

impl ResourceServer {
    /// One that keeps a key set for that time.
    pub(super) fn keeping(keep: Duration) -> Self {
        Self { keep, kept: None }
    }

    /// Whether it would ask for the key set now.
    pub(super) fn must_fetch(&self, now: Duration) -> bool {
        self.kept
            .as_ref()
            .is_none_or(|(_, fetched)| now >= *fetched + self.keep)
    }

    pub(super) fn keeps(&mut self, set: Arc<KeySet>, now: Duration) {
        self.kept = Some((set, now));
    }

    /// Judges a token, asking `node` for the key set if the one that it keeps is too old.
    pub(super) async fn verify(&mut self, token: &str, node: &Running) -> Result<(), String> {
        let now = node.clock.monotonic();
        if self.must_fetch(now) {
            let body: Bytes = node.jwks().await.body;
            self.keeps(Arc::new(KeySet::read(&body)), now);
        }
        self.judge(token, &*node.clock)
    }

    /// Judges a token by the key set that it keeps.
    pub(super) fn judge(&self, token: &str, clock: &dyn Clock) -> Result<(), String> {
        let header = decode_header(token).map_err(|error| error.to_string())?;
        let kid = header.kid.ok_or("no kid")?;
        let (set, _) = self.kept.as_ref().ok_or("no key set")?;
        let (alg, key) = set.0.get(&kid).ok_or(format!("unknown key {kid}"))?;
        let mut validation = Validation::new(*alg);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["aud", "exp", "iss", "sub"]);
        // The library goes by the system's clock; this server by the test's.
        validation.validate_exp = false;
        let claims = decode::<Value>(token, key, &validation)
            .map_err(|error| format!("{kid}: {error}"))?
            .claims;
        match claims["exp"].as_u64() {
            Some(exp) if clock.now().as_secs() < exp => Ok(()),
            _ => Err("expired".to_owned()),
        }
    }
}
