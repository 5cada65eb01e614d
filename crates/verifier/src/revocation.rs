//! The one place where revocation is asked about.

use symbolon_oauth_types::UnixMillis;
use symbolon_oauth_types::revocation::{Revocable, RevocationKind};

/// Knows which tokens are revoked. It is asked for every token that is otherwise good, each time that it is presented,
/// also where its signature was verified before.
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

/// No revocation is looked at: **a token that was revoked is accepted until it expires**.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFeed;

impl RevocationCheck for NoFeed {
    fn check(&self, _: &Revocable<'_>, _: UnixMillis) -> Verdict {
        Verdict::Live
    }
}
