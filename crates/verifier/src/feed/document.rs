//! From a signed text to a document of the feed.

use self::sealed::Members;
use serde::de::DeserializeOwned;
use symbolon_oauth_types::feed::{
    BATCH_TYPE, Batch, HEAD_TYPE, Head, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, MAX_HEAD_BYTES,
    MAX_SNAPSHOT_BYTES, SNAPSHOT_TYPE, Snapshot,
};

use crate::json::Object;
use crate::jws::{Form, Unverified};
use crate::key::Key;
use crate::{Algorithm, KeySet, KeySetError, Refused};

/// The furthest that one batch may reach: of most positions the entries have expired.
const MAX_BATCH_TIPS: usize = MAX_BATCH_ENTRIES;

/// The keys that sign the feed: those with Ed25519 of the set that stands beside it, never those of `jwks_uri`.
#[derive(Debug)]
pub struct FeedKeys(pub(crate) KeySet);

impl FeedKeys {
    /// Reads a JWKS document, as [`KeySet::from_json`] does, and leaves out all keys but those with Ed25519.
    ///
    /// # Errors
    /// [`KeySetError`]
    pub fn from_json(json: &[u8]) -> Result<Self, KeySetError> {
        KeySet::from_json(json)?.only(Algorithm::EdDsa).map(Self)
    }
}

/// A document of the feed: [`Head`], [`Batch`] or [`Snapshot`].
pub trait Document: sealed::Read {
    /// What logs and metrics call it.
    const NAME: &'static str;
    /// Its `typ`.
    const TYPE: &'static str;
    /// The longest that is read, in bytes, signature and all.
    const MAX_BYTES: usize;
}

impl Document for Head {
    const NAME: &'static str = "head";
    const TYPE: &'static str = HEAD_TYPE;
    const MAX_BYTES: usize = MAX_HEAD_BYTES;
}

impl Document for Batch {
    const NAME: &'static str = "batch";
    const TYPE: &'static str = BATCH_TYPE;
    const MAX_BYTES: usize = MAX_BATCH_BYTES;
}

impl Document for Snapshot {
    const NAME: &'static str = "snapshot";
    const TYPE: &'static str = SNAPSHOT_TYPE;
    const MAX_BYTES: usize = MAX_SNAPSHOT_BYTES;
}

/// Verifies and reads a document of the issuer's feed. Nothing that it says is looked at before its signature was
/// verified.
///
/// # Errors
/// [`DocumentError`] says what was wrong first.
pub fn read<D: Document>(text: &str, issuer: &str, keys: &FeedKeys) -> Result<D, DocumentError> {
    let unverified = Unverified::parse(text, &form::<D>())?;
    let key = keys.0.find(&unverified.kid).ok_or(Refused::KeyUnknown)?;
    read_verified(&unverified, issuer, key)
}

pub(crate) fn form<D: Document>() -> Form<'static> {
    Form {
        typ: D::TYPE,
        max_len: D::MAX_BYTES,
        algorithms: &[Algorithm::EdDsa],
    }
}

pub(crate) fn read_verified<D: Document>(
    unverified: &Unverified<'_>,
    issuer: &str,
    key: &Key,
) -> Result<D, DocumentError> {
    let payload = unverified.verify(key)?;
    let members = Members(Object::parse(&payload).map_err(|_| Refused::Malformed)?);
    let iss: String = members.required("iss")?;
    if iss != issuer {
        return Err(DocumentError(Refused::Issuer));
    }
    D::read(iss, &members)
}

/// Why a document of the feed was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", explanation(.0))]
pub struct DocumentError(pub(crate) Refused);

impl DocumentError {
    /// The reason as one of a fixed few words, for logs and metrics: those of [`Refused::reason`].
    pub fn reason(&self) -> &'static str {
        self.0.reason()
    }
}

impl From<Refused> for DocumentError {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

/// What a token is refused for, said of a document.
fn explanation(refused: &Refused) -> &'static str {
    match refused {
        Refused::Algorithm => "`alg` is not EdDSA",
        Refused::Claim(_) => "a member is absent, has another type, or says what is not understood",
        Refused::Header(_) => "a header member is absent, malformed or refused",
        Refused::Issuer => "`iss` is not the issuer",
        Refused::KeyUnknown => "the feed has no key with this `kid`",
        Refused::Signature => "the signature does not verify",
        Refused::TooLong => "it is too long",
        Refused::Type => "`typ` is that of something else",
        _ => "it is no well-formed JWS, or a member is repeated",
    }
}

impl Members<'_> {
    fn required<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, DocumentError> {
        Ok(self.0.required(name).map_err(|_| Refused::Claim(name))?)
    }

    /// `null` is no absence.
    fn optional<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, DocumentError> {
        Ok(self.0.optional(name).map_err(|_| Refused::Claim(name))?)
    }
}

mod sealed {
    use super::DocumentError;
    use crate::json::Object;

    /// The members of a payload, of which each has its type or makes the document invalid.
    pub struct Members<'a>(pub(super) Object<'a>);

    pub trait Read: Sized + Send + 'static {
        fn read(iss: String, members: &Members<'_>) -> Result<Self, DocumentError>;
    }
}

impl sealed::Read for Head {
    fn read(iss: String, members: &Members<'_>) -> Result<Self, DocumentError> {
        Ok(Self {
            iss,
            log: members.required("log")?,
            seq: members.required("seq")?,
            tip: members.optional("tip")?,
            as_of: members.required("as_of")?,
            max_stale: members.required("max_stale")?,
        })
    }
}

impl sealed::Read for Batch {
    fn read(iss: String, members: &Members<'_>) -> Result<Self, DocumentError> {
        let batch = Self {
            iss,
            log: members.required("log")?,
            from: members.required("from")?,
            to: members.required("to")?,
            prev: members.optional("prev")?,
            tip: members.optional("tip")?,
            entries: members.required("entries")?,
            tips: members.optional("tips")?.unwrap_or_default(),
        };
        let positions = batch.to.saturating_sub(batch.from);
        if positions == 0 {
            return Err(DocumentError(Refused::Claim("to")));
        }
        if batch.entries.len() > MAX_BATCH_ENTRIES || batch.entries.len() as u64 > positions {
            return Err(DocumentError(Refused::Claim("entries")));
        }
        let tips = batch.tips.len();
        if tips > 0 && (tips as u64 != positions - 1 || tips > MAX_BATCH_TIPS) {
            return Err(DocumentError(Refused::Claim("tips")));
        }
        Ok(batch)
    }
}

impl sealed::Read for Snapshot {
    fn read(iss: String, members: &Members<'_>) -> Result<Self, DocumentError> {
        Ok(Self {
            iss,
            log: members.required("log")?,
            seq: members.required("seq")?,
            tip: members.optional("tip")?,
            as_of: members.required("as_of")?,
            entries: members.required("entries")?,
        })
    }
}
