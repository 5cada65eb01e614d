//! Flows over a store in memory. What the modules here share.

mod import;
mod keyring;
mod operations;
mod publish;
mod schedule;
mod still_log;
mod store;

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::keys::KeyTimings;
use symbolon_core::{SystemRng, UnixMillis};
use symbolon_jose::{EncryptionKeys, JwkSet, KeyEncryptionKey, Kid, PrivateKey, SigningAlg};
use symbolon_oauth_types::{AccessTokenClaims, Audiences};
use symbolon_testkit::FakeClock;
use uuid::Uuid;

use self::still_log::StillLog;
use self::store::MemoryKeys;
use crate::{
    Keyring, KeyringConfig, KeyringError, RotationConfig, SharedEncryptionKeys, share_encryption_keys,
};

const ISSUER: &str = "https://as.example";
const NOW: UnixMillis = FakeClock::START;

fn kek(first: u8) -> KeyEncryptionKey {
    KeyEncryptionKey::generate(&mut |dest| {
        dest.fill(7);
        dest[0] = first;
    })
}

fn encryption_keys(current: u8, previous: &[u8]) -> SharedEncryptionKeys {
    let previous = previous.iter().copied().map(kek).collect();
    share_encryption_keys(Arc::new(EncryptionKeys::new(kek(current), previous)))
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

fn rotation(algorithms: &[SigningAlg]) -> RotationConfig {
    RotationConfig {
        algorithms: algorithms.to_vec(),
        timings: KeyTimings {
            rotate_every: hours(90 * 24),
            publish_before: hours(24),
            publish_after: KeyTimings::LEAST_AFTER,
        },
        automatically: true,
    }
}

fn config(algorithms: &[SigningAlg]) -> KeyringConfig {
    KeyringConfig {
        issuer: ISSUER.to_owned(),
        rotation: rotation(algorithms),
        default_algorithm: algorithms[0],
        import_dir: None,
        max_age: Duration::from_secs(900),
    }
}

async fn open(store: &Arc<MemoryKeys>, config: KeyringConfig) -> Result<Keyring, KeyringError> {
    open_at(store, config, Arc::new(FakeClock::new())).await
}

async fn open_at(
    store: &Arc<MemoryKeys>,
    config: KeyringConfig,
    clock: Arc<FakeClock>,
) -> Result<Keyring, KeyringError> {
    let (keys, log) = (encryption_keys(1, &[]), Arc::new(StillLog::new(clock.clone())));
    Keyring::open(store.clone(), config, keys, log, (clock, Arc::new(SystemRng))).await
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
    keyring.jwks()
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
