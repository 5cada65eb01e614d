use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One scope value: `1*( %x21 / %x23-5B / %x5D-7E )`
/// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)), at most
/// [`ScopeToken::MAX_BYTES`] bytes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ScopeToken(Box<str>);

impl ScopeToken {
    /// Longest scope value that is accepted, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// The value as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScopeToken {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Err(ScopeError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(ScopeError::TooLong);
        }
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if !text.bytes().all(allowed) {
            return Err(ScopeError::Character);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of scope values, sorted, without repeats; on the wire a space-separated list.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct ScopeSet(Vec<ScopeToken>);

impl ScopeSet {
    /// Most values that one list may hold.
    pub const MAX_TOKENS: usize = 64;
    /// Longest list that is accepted, in bytes.
    pub const MAX_BYTES: usize = 4096;

    /// Whether there is no value in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values in byte order.
    pub fn iter(&self) -> impl Iterator<Item = &ScopeToken> {
        self.0.iter()
    }

    /// Whether the value is in the set.
    pub fn contains(&self, token: &ScopeToken) -> bool {
        self.0.binary_search(token).is_ok()
    }

    /// Whether every value of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|token| other.contains(token))
    }

    /// The values that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|token| other.contains(token))
                .cloned()
                .collect(),
        )
    }

    /// The values that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).cloned().collect()
    }
}

impl FromIterator<ScopeToken> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeToken>>(tokens: I) -> Self {
        let mut tokens: Vec<_> = tokens.into_iter().collect();
        tokens.sort_unstable();
        tokens.dedup();
        Self(tokens)
    }
}

impl FromStr for ScopeSet {
    type Err = ScopeError;

    /// Parses a space-separated list. The bounds are checked before anything is allocated.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.len() > Self::MAX_BYTES || text.split(' ').count() > Self::MAX_TOKENS {
            return Err(ScopeError::TooMany);
        }
        text.split(' ')
            .filter(|part| !part.is_empty())
            .map(ScopeToken::from_str)
            .collect()
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, token) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a scope was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ScopeError {
    /// A character outside RFC 6749's `NQCHAR`.
    #[error("a scope value may hold printable ASCII only, without space, double quote and backslash")]
    Character,
    /// An empty value.
    #[error("a scope value must not be empty")]
    Empty,
    /// A value past [`ScopeToken::MAX_BYTES`].
    #[error("a scope value is at most {} bytes long", ScopeToken::MAX_BYTES)]
    TooLong,
    /// A list past [`ScopeSet::MAX_TOKENS`] or [`ScopeSet::MAX_BYTES`].
    #[error(
        "a scope list holds at most {} values and {} bytes",
        ScopeSet::MAX_TOKENS,
        ScopeSet::MAX_BYTES
    )]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        text.parse().unwrap()
    }

    #[test]
    fn sorts_and_drops_repeats() {
        assert_eq!(set("b a  b").to_string(), "a b");
        assert!(set("").is_empty());
    }

    #[test]
    fn set_algebra() {
        assert!(set("a").is_subset(&set("a b")));
        assert!(!set("a c").is_subset(&set("a b")));
        assert_eq!(set("a b c").intersection(&set("b c d")), set("b c"));
        assert_eq!(set("a").union(&set("b a")), set("a b"));
    }

    #[test]
    fn refuses_what_the_grammar_does_not_know() {
        for bad in ["a\"b", "a\\b", "a\tb", "ä", "a\u{7f}"] {
            assert_eq!(bad.parse::<ScopeSet>(), Err(ScopeError::Character), "{bad:?}");
        }
    }

    #[test]
    fn refuses_bombs() {
        let many = "a ".repeat(100_000);
        assert_eq!(many.parse::<ScopeSet>(), Err(ScopeError::TooMany));
        assert_eq!("a".repeat(1 << 20).parse::<ScopeSet>(), Err(ScopeError::TooMany));
        assert_eq!("a".repeat(129).parse::<ScopeSet>(), Err(ScopeError::TooLong));
    }
}
