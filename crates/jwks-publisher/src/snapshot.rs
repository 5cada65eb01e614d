//! The keys of one reading of the store, opened.

use std::collections::HashMap;

use symbolon_core::UnixMillis;
use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_jose::{
    CertificateChain, EncryptionKeys, JwkSet, KeyEncryptionKey, KeyError, Kid, PrivateKey, PublicJwk,
    PublicKey, SigningAlg,
};

use crate::error::KeyringError;
use crate::maker::purpose;

/// Which keys sign and which are published, from one reading of the store.
pub(crate) struct Snapshot {
    /// The published keys and the names of their states.
    public: HashMap<Kid, (PublicKey, &'static str)>,
    active: Vec<PrivateKey>,
    /// The key set.
    pub(crate) jwks: JwkSet,
    /// Why keys are missing that should be published.
    pub(crate) unopened: Vec<KeyringError>,
}

/// What a snapshot is made with.
pub(crate) struct Opening<'a> {
    pub(crate) keys: &'a EncryptionKeys,
    /// Algorithms that sign. Published keys of other algorithms verify what they have signed.
    pub(crate) algorithms: &'a [SigningAlg],
    /// The snapshot before, whose keys need no opening.
    pub(crate) known: Option<&'a Snapshot>,
}

impl Snapshot {
    /// Opens every published key of the records. Retired and compromised keys stay closed. A private key is kept for
    /// as long as it signs and no longer.
    ///
    /// A key that can't be opened is left out, and said to be: one that is gone must go all the same.
    pub(crate) fn open(records: &[SigningKeyRecord], with: &Opening<'_>) -> Result<Self, KeyringError> {
        let mut published: Vec<&SigningKeyRecord> = records
            .iter()
            .filter(|record| record.state.is_published())
            .collect();
        // The same order on every node, whatever the store's: the entity tag hangs on it.
        published.sort_by_key(|record| place(record));
        let mut public = HashMap::with_capacity(published.len());
        let mut active: Vec<PrivateKey> = Vec::new();
        let mut unopened = Vec::new();
        let mut keys: Vec<PublicJwk> = Vec::with_capacity(published.len());
        for record in published {
            let signs = record.state.is_active();
            let key = match open(record, signs, with) {
                Ok(key) => key,
                Err(error) => {
                    unopened.push(error);
                    // What it signs or signed stays good for whoever knows it.
                    let Some(public) = with.known.and_then(|known| known.public(&record.kid)) else {
                        continue;
                    };
                    Opened {
                        public: public.clone(),
                        private: None,
                    }
                }
            };
            if let Some(private) = key.private.filter(|_| signs) {
                if active.iter().any(|other| other.alg() == record.alg) {
                    return Err(KeyringError::SeveralActive(record.alg));
                }
                active.push(private);
            }
            keys.push(key.public.jwk().clone());
            public.insert(record.kid.clone(), (key.public, record.state.as_str()));
        }
        active.retain(|key| with.algorithms.contains(&key.alg()));
        let jwks = JwkSet { keys };
        Ok(Self {
            public,
            active,
            jwks,
            unopened,
        })
    }

    /// Opens every published key of the records, all of them or none.
    pub(crate) fn open_all(records: &[SigningKeyRecord], with: &Opening<'_>) -> Result<Self, KeyringError> {
        let mut snapshot = Self::open(records, with)?;
        if snapshot.unopened.is_empty() {
            Ok(snapshot)
        } else {
            Err(snapshot.unopened.swap_remove(0))
        }
    }

    /// The key that signs with the algorithm.
    pub(crate) fn active(&self, alg: SigningAlg) -> Option<&PrivateKey> {
        self.active.iter().find(|key| key.alg() == alg)
    }

    /// The published key of that id.
    pub(crate) fn public(&self, kid: &Kid) -> Option<&PublicKey> {
        self.public.get(kid).map(|(key, _)| key)
    }

    /// Why keys can't be used that could in the snapshot before.
    pub(crate) fn newly_unopened(&self, before: &Self) -> Vec<String> {
        let known: Vec<_> = before.unopened.iter().map(ToString::to_string).collect();
        let now = self.unopened.iter().map(ToString::to_string);
        now.filter(|error| !known.contains(error)).collect()
    }

    /// Keys whose state is another than in the snapshot before: key, algorithm, before, now. A key that is not
    /// published in one of the two has no state there.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<StateChange> {
        let state = |of: &Self, kid: &Kid| of.public.get(kid).map(|(_, state)| *state);
        let mut changes: Vec<_> = self
            .public
            .iter()
            .chain(
                before
                    .public
                    .iter()
                    .filter(|(kid, _)| !self.public.contains_key(*kid)),
            )
            .map(|(kid, (key, _))| StateChange {
                kid: kid.clone(),
                alg: key.alg(),
                from: state(before, kid),
                to: state(self, kid),
            })
            .filter(|change| change.from != change.to)
            .collect();
        changes.sort_by(|a, b| (a.alg, &a.kid).cmp(&(b.alg, &b.kid)));
        changes
    }
}

/// A key whose state has changed between two snapshots.
pub(crate) struct StateChange {
    pub(crate) kid: Kid,
    pub(crate) alg: SigningAlg,
    pub(crate) from: Option<&'static str>,
    pub(crate) to: Option<&'static str>,
}

/// Opens the record for its public key.
pub(crate) fn open_public(
    record: &SigningKeyRecord,
    keys: &EncryptionKeys,
) -> Result<PublicKey, KeyringError> {
    certified(record, &open_private(record, keys)?)
}

struct Opened {
    public: PublicKey,
    private: Option<PrivateKey>,
}

fn open(record: &SigningKeyRecord, signs: bool, with: &Opening<'_>) -> Result<Opened, KeyringError> {
    let reused = with.known.and_then(|known| reuse(record, signs, known));
    // A key that will sign must be one that this node can open when it does.
    if let Some(opened) = reused.filter(|_| signs || with.keys.include_key_of(&record.wrapped)) {
        return Ok(opened);
    }
    let key = open_private(record, with.keys)?;
    Ok(Opened {
        public: certified(record, &key)?,
        private: Some(key),
    })
}

/// The public key with the certificates of its record.
fn certified(record: &SigningKeyRecord, key: &PrivateKey) -> Result<PublicKey, KeyringError> {
    let Some(pem) = &record.certificates else {
        return Ok(key.public().clone());
    };
    let chain = CertificateChain::from_pem(pem).map_err(KeyError::from);
    chain
        .and_then(|chain| key.public().with_certificates(chain))
        .map_err(|problem| KeyringError::Substituted {
            kid: record.kid.clone(),
            alg: record.alg,
            found: format!("certificates that are not its own ({problem})"),
        })
}

fn open_private(record: &SigningKeyRecord, keys: &EncryptionKeys) -> Result<PrivateKey, KeyringError> {
    let (kid, alg) = (&record.kid, record.alg);
    let der = keys
        .unwrap(&purpose(alg, kid), &record.wrapped)
        .map_err(|problem| KeyringError::Open {
            kid: kid.clone(),
            alg,
            needs: KeyEncryptionKey::key_id_of(&record.wrapped),
            configured: ids(keys),
            problem,
        })?;
    let substituted = |found| KeyringError::Substituted {
        kid: kid.clone(),
        alg,
        found,
    };
    let key = PrivateKey::from_pkcs8_der(&der, alg).map_err(|error| substituted(error.to_string()))?;
    if key.kid() == kid {
        Ok(key)
    } else {
        Err(substituted(format!("the key {}", key.kid())))
    }
}

/// The ids of all key-encryption keys that are configured.
pub(crate) fn ids(keys: &EncryptionKeys) -> String {
    let ids: Vec<_> = keys.all().map(|key| key.id().to_string()).collect();
    ids.join(", ")
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

/// Keys that sign come first; within a state the order is the same on every node.
pub(crate) fn place(record: &SigningKeyRecord) -> (u8, SigningAlg, UnixMillis, Kid) {
    let rank = match record.state {
        KeyState::Active { .. } => 0,
        KeyState::Pending { .. } => 1,
        KeyState::Retiring { .. } => 2,
        KeyState::Retired { .. } => 3,
        KeyState::Compromised { .. } => 4,
    };
    (rank, record.alg, record.created, record.kid.clone())
}
