//! Another key-encryption key: encrypts again, under the current one, what is encrypted under others. Nodes go on
//! meanwhile: they have their keys open, and open what changes under either.

use symbolon_core::keys::SigningKeyRecord;
use symbolon_core::ports::KeyStore;
use symbolon_jose::{EncryptionKeys, KeyEncryptionKey};

use crate::error::KeyringError;
use crate::maker::purpose;
use crate::snapshot::ids;

/// How often a record may change under us before we give up.
const ATTEMPTS: usize = 8;

/// What rewrapping came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rewrapped {
    /// Records that are encrypted, in all.
    pub total: usize,
    /// Those of them that were under another key and are, or with a dry run would be, under the current one.
    pub changed: usize,
}

/// Decrypts every published signing key, and keeps none: whether the key-encryption keys are the right ones.
///
/// # Errors
/// [`KeyringError::Open`] of the first that can't be decrypted, or the store's.
pub async fn check_encryption_keys(store: &dyn KeyStore, keys: &EncryptionKeys) -> Result<(), KeyringError> {
    check(&store.signing_keys().await?, keys)
}

/// Encrypts every signing key that is not yet under the current key-encryption key again, one record at a time; with
/// `dry_run` it only opens them all. `progress` hears of each record, with those done and those in all. Cut short, it
/// can be run again.
///
/// # Errors
/// [`KeyringError`]: the store's, or a record can't be opened; what was encrypted again before stays so, and every
/// record is under a key that was given.
pub async fn rewrap_signing_keys(
    store: &dyn KeyStore,
    keys: &EncryptionKeys,
    dry_run: bool,
    progress: &mut impl FnMut(usize, usize),
) -> Result<Rewrapped, KeyringError> {
    let mut records = store.signing_keys().await?;
    // All are opened before the first is touched: half a rewrap helps nobody.
    check(&records, keys)?;
    let mut result = Rewrapped {
        total: records.len(),
        changed: 0,
    };
    for _ in 0..ATTEMPTS {
        let mut again = false;
        for (index, record) in records.iter().enumerate() {
            if let Some(new) = rewrapped(record, keys)? {
                if dry_run || store.rewrap_key(&record.kid, &record.wrapped, &new).await? {
                    result.changed += 1;
                } else {
                    again = true; // Erased meanwhile, or encrypted again by somebody else.
                }
            }
            progress(index + 1, records.len());
        }
        if !again {
            return Ok(result);
        }
        records = store.signing_keys().await?;
    }
    Err(KeyringError::Contended)
}

fn check(records: &[SigningKeyRecord], keys: &EncryptionKeys) -> Result<(), KeyringError> {
    records
        .iter()
        .try_for_each(|record| rewrapped(record, keys).map(drop))
}

fn rewrapped(record: &SigningKeyRecord, keys: &EncryptionKeys) -> Result<Option<String>, KeyringError> {
    let (kid, alg) = (&record.kid, record.alg);
    keys.rewrap(&purpose(alg, kid), &record.wrapped)
        .map_err(|problem| KeyringError::Open {
            kid: kid.clone(),
            alg,
            needs: KeyEncryptionKey::key_id_of(&record.wrapped),
            configured: ids(keys),
            problem,
        })
}
