//! Flows over a store in memory. What the modules here share.

mod import;
mod keyring;
mod publish;
mod store;

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::{Clock, SystemRng, UnixMillis};
use symbolon_jose::{JwkSet, KeyEncryptionKey, PrivateKey, SigningAlg};
use symbolon_oauth_types::{AccessTokenClaims, Audiences};
use uuid::Uuid;

use self::store::MemoryKeys;
use crate::{Keyring, KeyringConfig, KeyringError};

const ISSUER: &str = "https://as.example";
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> UnixMillis {
        NOW
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn kek(first: u8) -> Arc<KeyEncryptionKey> {
    Arc::new(KeyEncryptionKey::generate(&mut |dest| {
        dest.fill(7);
        dest[0] = first;
    }))
}

fn config(algorithms: &[SigningAlg]) -> KeyringConfig {
    KeyringConfig {
        issuer: ISSUER.to_owned(),
        algorithms: algorithms.to_vec(),
        default_algorithm: algorithms[0],
        import_dir: None,
        max_age: Duration::from_secs(900),
    }
}

async fn open(store: &Arc<MemoryKeys>, config: KeyringConfig) -> Result<Keyring, KeyringError> {
    Keyring::open(store.clone(), config, kek(1), &FixedClock, Arc::new(SystemRng)).await
}

/// A start that has to fail, and its reason.
async fn refusal(store: &Arc<MemoryKeys>, config: KeyringConfig) -> String {
    match open(store, config).await {
        Ok(_) => panic!("the keys were opened"),
        Err(error) => error.to_string(),
    }
}

fn generate(alg: SigningAlg) -> PrivateKey {
    PrivateKey::generate(alg, &mut |dest| symbolon_core::Rng::fill(&SystemRng, dest)).unwrap()
}

/// The key set as it would be served.
fn jwks(keyring: &Keyring) -> JwkSet {
    serde_json::from_slice(keyring.current().jwks.body()).unwrap()
}

fn kids(keyring: &Keyring) -> Vec<String> {
    jwks(keyring)
        .keys
        .iter()
        .map(|key| key.kid().to_string())
        .collect()
}

fn claims() -> AccessTokenClaims {
    AccessTokenClaims {
        iss: ISSUER.to_owned(),
        sub: Uuid::from_u128(1),
        aud: Audiences(vec!["https://api.example".to_owned()]),
        exp: NOW.as_secs() + 300,
        iat: NOW.as_secs(),
        jti: Uuid::from_u128(2),
        client_id: "app".to_owned(),
        scope: "orders:read".parse().unwrap(),
        sid: Some(Uuid::from_u128(3)),
    }
}
