use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// A moment that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// Whole seconds since the epoch, rounded down: the unit of `iat` and `exp` (RFC 7519 section 2, NumericDate).
    pub fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The moment `millis` later; [`UnixMillis::NEVER`] where the sum does not fit.
    #[must_use]
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this moment, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
