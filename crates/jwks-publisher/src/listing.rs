//! The signing keys as an operator sees them.

use serde::Serialize;
use symbolon_core::UnixMillis;
use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_core::ports::{KeyStore, StoreResult};
use symbolon_jose::{KeyEncryptionKey, Kid, SigningAlg};

/// What is known about a signing key without opening it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct KeyInfo {
    /// RFC 7638 thumbprint.
    pub kid: Kid,
    /// The one algorithm it signs with.
    pub alg: SigningAlg,
    /// `pending`, `active`, `retiring`, `retired` or `compromised`.
    pub state: &'static str,
    /// Since when it is in that state, in milliseconds since the epoch.
    pub since: UnixMillis,
    /// When it was made or imported, in milliseconds since the epoch.
    pub created: UnixMillis,
    /// Id of the key-encryption key that it is encrypted under; absent where the record can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<String>,
}

impl From<&SigningKeyRecord> for KeyInfo {
    fn from(record: &SigningKeyRecord) -> Self {
        Self {
            kid: record.kid.clone(),
            alg: record.alg,
            state: record.state.as_str(),
            since: match record.state {
                KeyState::Pending { published } => published,
                KeyState::Active { activated, .. } => activated,
                KeyState::Retiring { retiring, .. } => retiring,
                KeyState::Retired { retired } => retired,
                KeyState::Compromised { compromised } => compromised,
            },
            created: record.created,
            encryption_key: KeyEncryptionKey::key_id_of(&record.wrapped).map(|id| id.to_string()),
        }
    }
}

/// The keys of the store, by algorithm, in the order in which they were made. Needs no key-encryption key.
///
/// # Errors
/// The store's.
pub async fn list_keys(store: &dyn KeyStore) -> StoreResult<Vec<KeyInfo>> {
    let mut keys: Vec<KeyInfo> = store.signing_keys().await?.iter().map(KeyInfo::from).collect();
    keys.sort_by(|a, b| (a.alg, a.created, &a.kid).cmp(&(b.alg, b.created, &b.kid)));
    Ok(keys)
}
