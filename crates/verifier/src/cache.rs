use std::sync::Arc;

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use symbolon_oauth_types::revocation::Lookup;

use crate::Claims;
use crate::key::Key;

/// The longest token that is remembered, in bytes. With the number of entries it bounds the memory.
const MAX_REMEMBERED_LEN: usize = 4096;

/// A token whose signature was verified, and the key that verified it.
#[derive(Clone)]
pub(crate) struct Verified {
    pub(crate) claims: Arc<Claims>,
    pub(crate) key: Arc<Key>,
    /// What revocations know it by: hashes that need not be computed again.
    pub(crate) lookup: Lookup,
}

/// The SHA-256 of a token: it is not kept itself.
pub(crate) type Name = [u8; 32];

/// Tokens whose signatures were verified. Whether one is accepted is asked anew each time.
pub(crate) struct VerifiedTokens(Cache<Name, Verified>);

impl VerifiedTokens {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    /// The name of a token; none for one that is too long to be remembered.
    pub(crate) fn name(token: &str) -> Option<Name> {
        (token.len() <= MAX_REMEMBERED_LEN).then(|| Sha256::digest(token).into())
    }

    pub(crate) fn find(&self, name: &Name) -> Option<Verified> {
        self.0.get(name)
    }

    pub(crate) fn insert(&self, name: Name, verified: Verified) {
        self.0.insert(name, verified);
    }

    pub(crate) fn remove(&self, name: &Name) {
        self.0.remove(name);
    }
}
