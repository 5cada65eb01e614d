//! How records are bound to those before them.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// SHA-256 over a record and all before it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct AuditHash(pub [u8; 32]);

/// Stands before the first record.
pub const GENESIS: AuditHash = AuditHash([0; 32]);

impl AuditHash {
    /// Reads what [`AuditHash`] displays: 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return None;
        };
        if pairs.len() != hash.len() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(hash))
    }
}

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

    #[test]
    fn hashes_read_back() {
        let hash = link(&GENESIS, 1, "{}");
        let text = hash.to_string();
        assert_eq!(AuditHash::parse(&text), Some(hash));
        for bad in [
            "",
            &text[1..],
            &text[2..],
            &format!("{text}00"),
            &text.to_uppercase(),
            &text.replace(&text[..1], "g"),
        ] {
            assert_eq!(AuditHash::parse(bad), None, "{bad}");
        }
    }
}
