//! Key ids.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::KeyError;

/// A key id: 1 to 128 characters of `A-Z a-z 0-9 _ -`.
///
/// Our own keys carry their RFC 7638 SHA-256 thumbprint. The charset leaves no room for a path, a URL or SQL in a
/// `kid` that arrives from outside, and needs no escaping in JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid(Arc<str>);

impl Kid {
    /// The longest key id, in characters.
    pub const MAX_LEN: usize = 128;

    /// Takes a key id as it was received.
    ///
    /// # Errors
    /// [`KeyError::Kid`] for an empty or too long text and for any other character.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let in_bounds = (1..=Self::MAX_LEN).contains(&text.len());
        if in_bounds
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            Ok(Self(text.into()))
        } else {
            Err(KeyError::Kid)
        }
    }

    /// The id that is the base64url of a thumbprint.
    pub(crate) fn of_digest(digest: &[u8; 32]) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(digest).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Kid {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Kid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Kid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Kid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_paths_sql_and_oversized_ids() {
        let mebibyte = "a".repeat(1 << 20);
        for text in [
            "",
            "../../etc/passwd",
            "' OR 1=1 --",
            "a b",
            "a\0",
            "é",
            "https://x",
            &"a".repeat(129),
            &mebibyte,
        ] {
            assert_eq!(Kid::parse(text), Err(KeyError::Kid));
        }
        assert_eq!(Kid::parse(&"a".repeat(128)).unwrap().as_str().len(), 128);
        assert_eq!(Kid::parse("aZ09_-").unwrap().to_string(), "aZ09_-");
    }
}
