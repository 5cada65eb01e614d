//! Another key-encryption key: signing keys and server secrets are encrypted again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use symbolon_admin_api::{KeysRewrapped, NeededKey, Problem, ProblemKind, RewrapCount};
use symbolon_core::UnixMillis;
use symbolon_core::audit::{Act, AuditEvent, AuditStore, EventKind};
use symbolon_core::ports::{KeyStore, ServerStore, StoreError, StoreResult};
use symbolon_jose::{EncryptionKeys, KeyEncryptionKey};
use symbolon_jwks_publisher::rewrap_signing_keys;

use super::problem::failed;
use crate::secrets::rewrap_secrets;

/// What encrypting again works with.
pub(super) struct Rewrap {
    pub(super) keys: Arc<dyn KeyStore>,
    pub(super) secrets: Arc<dyn ServerStore>,
    pub(super) encryption_keys: Arc<EncryptionKeys>,
    pub(super) audit: Arc<dyn AuditStore>,
    pub(super) now: UnixMillis,
}

/// Signing keys and server secrets.
type Counts = (RewrapCount, RewrapCount);

impl Rewrap {
    /// Opens every record, and encrypts again what is under another key than the current one.
    ///
    /// # Errors
    /// [`Problem`]; what was encrypted again before stays so, and it can be done again.
    pub(super) async fn run(self, dry_run: bool, act: Act) -> Result<KeysRewrapped, Problem> {
        // Everything is opened before the first record is touched.
        let planned = self.pass(true).await?;
        if dry_run {
            return Ok(self.outcome(planned, true).await?);
        }
        // Whoever asked may be gone before all is done: it goes on to its end without them.
        let task = tokio::spawn(async move {
            self.record(planned, act).await?;
            let done = self.pass(false).await?;
            Ok(self.outcome(done, false).await?)
        });
        task.await.unwrap_or_else(|_| {
            Err(Problem::new(
                ProblemKind::Internal,
                "encrypting again broke off: do it again",
            ))
        })
    }

    /// Puts on the trail what is about to be done: nothing is encrypted again that does not stand there.
    async fn record(&self, (signing_keys, server_secrets): Counts, act: Act) -> StoreResult<()> {
        if signing_keys.changed + server_secrets.changed == 0 {
            return Ok(());
        }
        let event = AuditEvent::new(EventKind::KeysRewrapped, self.now, act)
            .with("encryption_key", self.encryption_keys.current().id().to_string())
            .with("signing_keys", json!(signing_keys))
            .with("server_secrets", json!(server_secrets));
        self.audit.record(&[event]).await.map(drop)
    }

    async fn pass(&self, dry_run: bool) -> Result<Counts, Problem> {
        let keys = &*self.encryption_keys;
        let signing_keys = rewrap_signing_keys(&*self.keys, keys, dry_run, &mut |_, _| {})
            .await
            .map_err(failed)?;
        let (total, changed) = rewrap_secrets(&*self.secrets, keys, dry_run)
            .await
            .map_err(broken)?;
        let signing_keys = RewrapCount {
            total: signing_keys.total,
            changed: signing_keys.changed,
        };
        Ok((signing_keys, RewrapCount { total, changed }))
    }

    async fn outcome(
        &self,
        (signing_keys, server_secrets): Counts,
        dry_run: bool,
    ) -> StoreResult<KeysRewrapped> {
        let needed = self.needed().await?;
        let previous = self.encryption_keys.previous().iter();
        let (kept, removable): (Vec<_>, Vec<_>) = previous
            .map(|key| key.id().to_string())
            .partition(|id| needed.contains_key(id));
        let still = |id: &String| {
            format!(
                "keys.previous_encryption_key ({id}) is still needed: a server went on to encrypt under it; give every \
                 server the new keys.encryption_key, and do this again"
            )
        };
        Ok(KeysRewrapped {
            encryption_key: self.encryption_keys.current().id().to_string(),
            signing_keys,
            server_secrets,
            warnings: if dry_run {
                Vec::new()
            } else {
                kept.iter().map(still).collect()
            },
            needed: needed
                .into_iter()
                .map(|(id, records)| NeededKey {
                    setting: self.setting(&id).map(str::to_owned),
                    encryption_key: id,
                    records,
                })
                .collect(),
            removable,
            dry_run,
        })
    }

    /// The records that each key-encryption key is needed by, by its id. Reads them anew: a server that goes by the old
    /// configuration may have added one meanwhile.
    async fn needed(&self) -> StoreResult<BTreeMap<String, Vec<String>>> {
        let keys = self.keys.signing_keys().await?;
        let keys = keys.iter().map(|key| {
            let name = format!("signing key {} ({})", key.kid, key.alg);
            (&key.wrapped, name)
        });
        let secrets = self.secrets.secrets().await?;
        let secrets = secrets.iter().map(|secret| {
            let name = format!("server secret {} {}", secret.purpose.as_str(), secret.id);
            (&secret.wrapped, name)
        });
        let mut needed = BTreeMap::<_, Vec<_>>::new();
        for (wrapped, name) in keys.chain(secrets) {
            let id = KeyEncryptionKey::key_id_of(wrapped);
            let id = id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
            needed.entry(id).or_default().push(name);
        }
        Ok(needed)
    }

    /// The setting that the key-encryption key comes from.
    fn setting(&self, id: &str) -> Option<&'static str> {
        let keys = &self.encryption_keys;
        let is = |key: &KeyEncryptionKey| key.id().as_ref() == id;
        if is(keys.current()) {
            Some("keys.encryption_key")
        } else {
            keys.previous()
                .iter()
                .any(is)
                .then_some("keys.previous_encryption_key")
        }
    }
}

/// Why server secrets can't be encrypted again.
fn broken(error: anyhow::Error) -> Problem {
    match error.downcast::<StoreError>() {
        Ok(error) => error.into(),
        Err(error) => {
            let text = format!("{error:#}");
            tracing::error!(
                error = text,
                "an admin request met server secrets that can't be opened"
            );
            Problem::new(ProblemKind::Internal, text)
        }
    }
}
