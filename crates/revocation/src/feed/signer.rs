//! Signed documents of the feed.

use std::time::Duration;

use symbolon_core::UnixMillis;
use symbolon_core::secret::ServerSecret;
use symbolon_documents::{Document, gzip, open};
use symbolon_jose::{JwkSet, KeyError, PrivateKey, SignError};
use symbolon_oauth_types::feed::{
    BATCH_TYPE, Batch, FeedEntry, HEAD_TYPE, Head, MAX_BATCH_BYTES, MAX_HEAD_BYTES, MAX_SNAPSHOT_BYTES,
    SNAPSHOT_TYPE, Snapshot,
};

use super::batches::{Draft, Kept};
use super::inbox::Position;
use super::view::{SignedHead, SignedSnapshot};

/// The media type of a head, a batch and a snapshot (RFC 7519 section 10.3.1).
const MEDIA_TYPE: &str = "application/jwt";
const CACHE_HEAD: &str = "public, max-age=1";
const CACHE_BATCH: &str = "public, max-age=60";
const CACHE_SNAPSHOT: &str = "public, max-age=10";

/// The keys that sign the feed: every one is published, the newest that is active signs.
#[derive(Clone, Debug)]
pub struct FeedKeys {
    /// Never empty; the newest last.
    keys: Vec<(UnixMillis, PrivateKey)>,
}

/// Why the feed has no key.
#[derive(Debug, thiserror::Error)]
pub enum FeedKeyError {
    /// A secret is no seed.
    #[error("a server secret for the revocation feed can't be used: {0}")]
    Key(#[from] KeyError),
    /// There is no secret.
    #[error("the database lost the server secret for the revocation feed")]
    Missing,
}

impl FeedKeys {
    /// The keys whose seeds are the server secrets of
    /// [`symbolon_core::secret::SecretPurpose::FeedSigning`], the newest last.
    ///
    /// # Errors
    /// There is none, or OpenSSL fails.
    pub fn new(secrets: &[ServerSecret]) -> Result<Self, FeedKeyError> {
        let key = |secret: &ServerSecret| {
            PrivateKey::from_ed25519_seed(&secret.key).map(|key| (secret.active_from, key))
        };
        let keys: Vec<_> = secrets.iter().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(FeedKeyError::Missing);
        }
        Ok(Self { keys })
    }

    /// The public halves, as `/keys` has them.
    pub fn jwks(&self) -> JwkSet {
        let public = |(_, key): &(UnixMillis, PrivateKey)| key.public().jwk().clone();
        JwkSet {
            keys: self.keys.iter().map(public).collect(),
        }
    }

    fn signing(&self, now: UnixMillis) -> &PrivateKey {
        let active = self.keys.iter().rfind(|(active_from, _)| *active_from <= now);
        &active.unwrap_or(&self.keys[0]).1
    }
}

/// Signs what one node publishes. Which key is active hangs on the time of the signature, and nothing else does.
#[derive(Debug)]
pub(crate) struct Signer {
    issuer: String,
    max_stale: u64,
    keys: FeedKeys,
}

impl Signer {
    pub(crate) fn new(issuer: String, max_stale: Duration, keys: FeedKeys) -> Self {
        Self {
            issuer,
            max_stale: max_stale.as_secs(),
            keys,
        }
    }

    pub(crate) fn head(
        &self,
        at: Position,
        as_of: UnixMillis,
        now: UnixMillis,
    ) -> Result<SignedHead, SignError> {
        let head = Head {
            iss: self.issuer.clone(),
            log: at.log,
            seq: at.seq,
            tip: at.tip,
            as_of,
            max_stale: self.max_stale,
        };
        let jwt = self.sign(HEAD_TYPE, &json(&head), MAX_HEAD_BYTES, now)?;
        Ok(SignedHead {
            at,
            as_of,
            event: format!("event: head\ndata: {jwt}\n\n").into(),
            document: Document::new(MEDIA_TYPE, jwt.into(), CACHE_HEAD, &open::HEADERS),
        })
    }

    pub(crate) fn batch(&self, draft: Draft, now: UnixMillis) -> Result<Kept, SignError> {
        let Draft { span, tips, entries } = draft;
        let batch = Batch {
            iss: self.issuer.clone(),
            log: span.log,
            from: span.from,
            to: span.to,
            prev: span.prev,
            tip: span.tip,
            entries,
            tips,
        };
        let jwt = self.sign(BATCH_TYPE, &json(&batch), MAX_BATCH_BYTES, now)?;
        let compressed = gzip(jwt.as_bytes());
        let document = Document::new(MEDIA_TYPE, jwt.into(), CACHE_BATCH, &open::HEADERS);
        let Batch { entries, tips, .. } = batch;
        let draft = Draft { span, tips, entries };
        Ok(Kept::new(draft, document.with_gzip(compressed), now))
    }

    /// A snapshot; `entries` lead to what is in force.
    pub(crate) fn snapshot(
        &self,
        at: Position,
        as_of: UnixMillis,
        mut entries: Vec<FeedEntry>,
        now: UnixMillis,
    ) -> Result<SignedSnapshot, SignError> {
        // The same on all nodes, whatever the order in which they keep them. Those of one digest stay in theirs.
        entries.sort_by_key(|entry| entry.digest);
        let snapshot = Snapshot {
            iss: self.issuer.clone(),
            log: at.log,
            seq: at.seq,
            tip: at.tip,
            as_of,
            entries,
        };
        let jwt = self.sign(SNAPSHOT_TYPE, &json(&snapshot), MAX_SNAPSHOT_BYTES, now)?;
        let compressed = gzip(jwt.as_bytes());
        let document = Document::new(MEDIA_TYPE, jwt.into(), CACHE_SNAPSHOT, &open::HEADERS);
        Ok(SignedSnapshot {
            at,
            document: document.with_gzip(compressed),
        })
    }

    fn sign(&self, typ: &str, payload: &[u8], limit: usize, now: UnixMillis) -> Result<String, SignError> {
        self.keys.signing(now).sign_document(typ, payload, limit)
    }
}

#[expect(
    clippy::expect_used,
    reason = "the documents are made of strings, numbers and lists"
)]
fn json(document: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("strings, numbers and lists serialise")
}
