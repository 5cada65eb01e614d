//! Server secrets: made at the first start, kept encrypted under the key-encryption key.

use anyhow::{Context, bail, ensure};
use symbolon_admin_api::trail::CheckpointKeys;
use symbolon_core::cursor::Cursors;
use symbolon_core::ports::{ServerStore, WrappedSecret};
use symbolon_core::refresh::RefreshSeal;
use symbolon_core::secret::{ClientSecrets, SecretPurpose, ServerSecret};
use symbolon_core::{Rng, UnixMillis};
use symbolon_jose::{EncryptionKeys, KeyEncryptionKey};
use symbolon_revocation::FeedKeys;
use zeroize::Zeroizing;

/// The one issuer of this server. Records and seals carry its number.
pub const ISSUER_ID: u16 = 1;

/// What the server derives from its secrets.
#[derive(Debug)]
pub struct ServerKeys {
    /// Client secrets.
    pub client_secrets: ClientSecrets,
    /// Checkpoints of the audit trail.
    pub audit: CheckpointKeys,
    /// Page cursors.
    pub cursors: Cursors,
    /// The revocation feed.
    pub feed: FeedKeys,
    /// Refresh tokens.
    pub refresh_seal: RefreshSeal,
}

/// Opens the server secrets, making those that are missing.
///
/// # Errors
/// The store's, or a secret that the key-encryption key does not open; nothing is overwritten.
pub async fn open_server_keys(
    store: &dyn ServerStore,
    keys: &EncryptionKeys,
    rng: &dyn Rng,
) -> anyhow::Result<ServerKeys> {
    let mut kept = store.secrets().await?;
    let mut is_complete = true;
    for purpose in SecretPurpose::ALL {
        if !kept.iter().any(|secret| secret.purpose == purpose) {
            // Another node that starts at the same time may have been first: then its secret holds.
            store.add_secret(&fresh(purpose, keys, rng)?).await?;
            is_complete = false;
        }
    }
    if !is_complete {
        kept = store.secrets().await?;
    }
    let opened = |purpose| -> anyhow::Result<Vec<ServerSecret>> {
        let mut secrets: Vec<_> = kept
            .iter()
            .filter(|s| s.purpose == purpose)
            .map(|s| open(s, keys))
            .collect::<Result<_, _>>()?;
        secrets.sort_by_key(|secret| (secret.active_from, secret.id));
        Ok(secrets)
    };
    let cursor = opened(SecretPurpose::Cursor)?;
    let Some(newest) = cursor.last() else {
        bail!("the database lost the server secret for page cursors")
    };
    Ok(ServerKeys {
        audit: CheckpointKeys::new(&opened(SecretPurpose::AuditSigning)?)?,
        client_secrets: ClientSecrets::new(opened(SecretPurpose::ClientSecretHash)?),
        cursors: Cursors::new(newest),
        feed: FeedKeys::new(&opened(SecretPurpose::FeedSigning)?)?,
        refresh_seal: RefreshSeal::new(ISSUER_ID, &opened(SecretPurpose::RefreshSeal)?),
    })
}

/// The first secret of a purpose. It is active from the epoch on, so that it seals whatever was issued before a
/// second one.
fn fresh(purpose: SecretPurpose, keys: &EncryptionKeys, rng: &dyn Rng) -> anyhow::Result<WrappedSecret> {
    let mut key = Zeroizing::new([0; 32]);
    rng.fill(&mut *key);
    let wrapped = keys.wrap(&binding(purpose, 1), &*key)?;
    Ok(WrappedSecret {
        purpose,
        id: 1,
        active_from: UnixMillis(0),
        wrapped,
    })
}

fn open(secret: &WrappedSecret, keys: &EncryptionKeys) -> anyhow::Result<ServerSecret> {
    let plain = keys.unwrap(&binding(secret.purpose, secret.id), &secret.wrapped).with_context(|| {
        format!(
            "the server secret {} {} is encrypted under the key-encryption key {} and could not be opened; nothing was \
             changed; set keys.encryption_key or keys.previous_encryption_key to that key",
            secret.purpose.as_str(),
            secret.id,
            KeyEncryptionKey::key_id_of(&secret.wrapped)
                .as_ref()
                .map_or("(unreadable)", AsRef::as_ref),
        )
    })?;
    ensure!(
        plain.len() == 32,
        "the server secret {} {} is damaged",
        secret.purpose.as_str(),
        secret.id
    );
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&plain);
    Ok(ServerSecret {
        id: secret.id,
        active_from: secret.active_from,
        key,
    })
}

/// Bound into the encryption, so that a record can't be put in the place of another.
fn binding(purpose: SecretPurpose, id: u16) -> String {
    format!("server-secret/{}/{id}", purpose.as_str())
}

/// Encrypts every server secret that is not yet under the current key-encryption key again; with `dry_run` it only opens
/// them all. Returns how many there are, and how many of them were, or would be, encrypted again.
///
/// # Errors
/// The store's, or a secret can't be opened; every secret is under a key that was given.
pub async fn rewrap_secrets(
    store: &dyn ServerStore,
    keys: &EncryptionKeys,
    dry_run: bool,
) -> anyhow::Result<(usize, usize)> {
    let kept = store.secrets().await?;
    for secret in &kept {
        open(secret, keys)?;
    }
    let mut changed = 0;
    for secret in &kept {
        let Some(new) = keys.rewrap(&binding(secret.purpose, secret.id), &secret.wrapped)? else {
            continue;
        };
        if !dry_run {
            // Refused where somebody else has encrypted it again meanwhile, under the same key as they must.
            store
                .rewrap_secret(secret.purpose, secret.id, &secret.wrapped, &new)
                .await?;
        }
        changed += 1;
    }
    Ok((kept.len(), changed))
}
