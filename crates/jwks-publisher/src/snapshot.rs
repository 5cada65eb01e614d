//! The keys of one reading of the store, opened.

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS};
use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_jose::{JwkSet, KeyEncryptionKey, Kid, PrivateKey, PublicKey, SigningAlg};

use crate::document::Document;
use crate::error::KeyringError;

/// How long a cache may answer with what it has while it asks again, in seconds. It adds to the time for which a
/// removed key can still be seen, so it is short.
const STALE_SECS: u64 = 60;

/// Which keys sign and which are published, from one reading of the store.
pub(crate) struct Snapshot {
    public: HashMap<Kid, PublicKey>,
    active: Vec<PrivateKey>,
    pub(crate) jwks: Document,
}

/// What a snapshot is made with.
pub(crate) struct Opening<'a> {
    pub(crate) kek: &'a KeyEncryptionKey,
    /// Algorithms that sign. Published keys of other algorithms verify what they have signed.
    pub(crate) algorithms: &'a [SigningAlg],
    pub(crate) max_age: Duration,
    /// The snapshot before, whose keys need no opening.
    pub(crate) known: Option<&'a Snapshot>,
}

impl Snapshot {
    /// Opens every published key of the records; all of them or none. Retired and compromised keys stay closed. A
    /// private key is kept for as long as it signs and no longer.
    pub(crate) fn open(records: &[SigningKeyRecord], with: &Opening<'_>) -> Result<Self, KeyringError> {
        let mut published: Vec<&SigningKeyRecord> = records
            .iter()
            .filter(|record| record.state.is_published())
            .collect();
        // The same order on every node, whatever the store's: the entity tag hangs on it.
        published.sort_by_key(|record| (rank(record.state), record.alg, record.created, record.kid.clone()));
        let mut public = HashMap::with_capacity(published.len());
        let mut active: Vec<PrivateKey> = Vec::new();
        let mut keys = Vec::with_capacity(published.len());
        for record in published {
            let signs = matches!(record.state, KeyState::Active { .. });
            let key = open(record, signs, with)?;
            if let Some(private) = key.private.filter(|_| signs) {
                if active.iter().any(|other| other.alg() == record.alg) {
                    return Err(KeyringError::SeveralActive(record.alg));
                }
                active.push(private);
            }
            keys.push(key.public.jwk().clone());
            public.insert(record.kid.clone(), key.public);
        }
        active.retain(|key| with.algorithms.contains(&key.alg()));
        let jwks = jwks(keys, with.max_age);
        Ok(Self { public, active, jwks })
    }

    /// The key that signs with the algorithm.
    pub(crate) fn active(&self, alg: SigningAlg) -> Option<&PrivateKey> {
        self.active.iter().find(|key| key.alg() == alg)
    }

    /// The published key of that id.
    pub(crate) fn public(&self, kid: &Kid) -> Option<&PublicKey> {
        self.public.get(kid)
    }
}

/// The purpose under which a signing key is encrypted. It binds the algorithm and the key id.
pub(crate) fn purpose(alg: SigningAlg, kid: &Kid) -> String {
    format!("signing-key/{alg}/{kid}")
}

struct Opened {
    public: PublicKey,
    private: Option<PrivateKey>,
}

fn open(record: &SigningKeyRecord, signs: bool, with: &Opening<'_>) -> Result<Opened, KeyringError> {
    if let Some(opened) = with.known.and_then(|known| reuse(record, signs, known)) {
        return Ok(opened);
    }
    let (kid, alg) = (&record.kid, record.alg);
    let der = with
        .kek
        .unwrap(&purpose(alg, kid), &record.wrapped)
        .map_err(|source| KeyringError::Open {
            kid: kid.clone(),
            alg,
            needs: KeyEncryptionKey::key_id_of(&record.wrapped),
            configured: with.kek.id().clone(),
            source,
        })?;
    let substituted = |found| KeyringError::Substituted {
        kid: kid.clone(),
        alg,
        found,
    };
    let key = PrivateKey::from_pkcs8_der(&der, alg).map_err(|error| substituted(error.to_string()))?;
    if key.kid() != kid {
        return Err(substituted(format!("the key {}", key.kid())));
    }
    Ok(Opened {
        public: key.public().clone(),
        private: Some(key),
    })
}

/// A key that the snapshot before has opened already, with its private half if it needs one now.
fn reuse(record: &SigningKeyRecord, signs: bool, known: &Snapshot) -> Option<Opened> {
    let public = known.public(&record.kid).filter(|key| key.alg() == record.alg)?;
    let private = known.active(record.alg).filter(|key| key.kid() == &record.kid);
    if signs && private.is_none() {
        return None;
    }
    Some(Opened {
        public: public.clone(),
        private: private.cloned(),
    })
}

/// Keys that sign come first.
fn rank(state: KeyState) -> u8 {
    match state {
        KeyState::Active { .. } => 0,
        KeyState::Pending { .. } => 1,
        KeyState::Retiring { .. } => 2,
        KeyState::Retired { .. } => 3,
        KeyState::Compromised { .. } => 4,
    }
}

fn jwks(keys: Vec<symbolon_jose::PublicJwk>, max_age: Duration) -> Document {
    let cache_control = format!(
        "public, max-age={}, stale-while-revalidate={STALE_SECS}",
        max_age.as_secs()
    );
    // Public keys are for everybody: one answer for all origins, so that shared caches need no `Vary`.
    let cors = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag")),
    ];
    Document::new(&JwkSet { keys }, &cache_control, &cors)
}
