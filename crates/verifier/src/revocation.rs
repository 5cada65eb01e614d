//! The one place where revocation is asked about.

use std::sync::Arc;

use symbolon_oauth_types::UnixMillis;
use symbolon_oauth_types::revocation::{Lookup, Revocable, RevocationKind};

use crate::follow::Feed;
use crate::{Claims, Refused, WhenStale};

/// Knows which tokens are revoked, where the issuer's feed is not what tells. It is asked for every token that is otherwise
/// good, each time that it is presented, also where its signature was verified before.
pub trait RevocationCheck: Send + Sync + 'static {
    /// Judges one token at `now`. It is called on the path of a request: it must neither block nor do any I/O.
    fn check(&self, token: &Revocable<'_>, now: UnixMillis) -> Verdict;
}

/// What is known about the revocation of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Nothing that revokes it.
    Live,
    /// It is revoked, by an entry of this kind.
    Revoked(RevocationKind),
    /// Too little to tell; the token is refused, with status 503.
    Unknown,
}

/// What tells which tokens are revoked.
pub(crate) enum Revocation {
    Custom(Arc<dyn RevocationCheck>),
    Feed(Arc<Feed>),
    /// No revocation is looked at.
    Ignored,
}

impl Revocation {
    /// Refuses what is revoked, and what may be as far as is known. `policy` says what becomes of a token where the feed
    /// is not known well enough.
    pub(crate) fn check(
        &self,
        claims: &Claims,
        lookup: &Lookup,
        now: UnixMillis,
        policy: impl FnOnce() -> WhenStale,
    ) -> Result<(), Refused> {
        let verdict = match self {
            Self::Custom(check) => check.check(&claims.revocable(), now),
            Self::Feed(feed) => feed.check(lookup, now, policy),
            Self::Ignored => Verdict::Live,
        };
        match verdict {
            Verdict::Live => Ok(()),
            Verdict::Revoked(kind) => Err(Refused::Revoked(kind)),
            Verdict::Unknown => Err(Refused::RevocationUnknown),
        }
    }
}
