//! How records are bound to those before them.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// SHA-256 over a record and all before it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct AuditHash(pub [u8; 32]);

/// Stands before the first record.
pub const GENESIS: AuditHash = AuditHash([0; 32]);

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash of a record: SHA-256 over a fixed prefix, the hash of the record before, the position as eight bytes with the
/// highest first, and the body.
pub fn link(before: &AuditHash, seq: u64, body: &str) -> AuditHash {
    let digest = Sha256::new()
        .chain_update(b"symbolon-audit-1\0")
        .chain_update(before.0)
        .chain_update(seq.to_be_bytes())
        .chain_update(body)
        .finalize();
    AuditHash(digest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let hash = link(&GENESIS, 1, "{}");
        assert_ne!(hash, link(&hash, 1, "{}"));
        assert_ne!(hash, link(&GENESIS, 2, "{}"));
        assert_ne!(hash, link(&GENESIS, 1, "{ }"));
        assert_eq!(hash.to_string().len(), 64);
    }
}
