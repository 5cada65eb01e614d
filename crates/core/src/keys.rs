//! The lifecycle of signing keys, as an enum whose transitions are the only way from one state to the next.

use symbolon_jose::{Kid, SigningAlg};
use symbolon_oauth_types::UnixMillis;

/// Where a signing key stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// Published; has never signed.
    Pending {
        /// Since when it is published.
        published: UnixMillis,
    },
    /// Published; signs. At most one per algorithm.
    Active {
        /// Since when it is published.
        published: UnixMillis,
        /// Since when it signs.
        activated: UnixMillis,
    },
    /// Published; signs no more, until the last token it signed has expired.
    Retiring {
        /// Since when it is published.
        published: UnixMillis,
        /// Since when it signs no more.
        retiring: UnixMillis,
    },
    /// Gone from the JWKS.
    Retired {
        /// Since when.
        retired: UnixMillis,
    },
    /// Gone from the JWKS, and nothing that it signed is accepted.
    Compromised {
        /// Since when.
        compromised: UnixMillis,
    },
}

impl KeyState {
    /// The name of the state in the store and at the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Active { .. } => "active",
            Self::Retiring { .. } => "retiring",
            Self::Retired { .. } => "retired",
            Self::Compromised { .. } => "compromised",
        }
    }

    /// Whether the key stands in the JWKS and verifies.
    pub fn is_published(self) -> bool {
        matches!(
            self,
            Self::Pending { .. } | Self::Active { .. } | Self::Retiring { .. }
        )
    }

    /// Pending to active.
    ///
    /// # Errors
    /// [`KeyTransitionError`] from any other state.
    pub fn activate(self, now: UnixMillis) -> Result<Self, KeyTransitionError> {
        match self {
            Self::Pending { published } => Ok(Self::Active {
                published,
                activated: now,
            }),
            _ => Err(KeyTransitionError {
                from: self.as_str(),
                to: "active",
            }),
        }
    }

    /// Active to retiring.
    ///
    /// # Errors
    /// [`KeyTransitionError`] from any other state.
    pub fn retire(self, now: UnixMillis) -> Result<Self, KeyTransitionError> {
        match self {
            Self::Active { published, .. } => Ok(Self::Retiring {
                published,
                retiring: now,
            }),
            _ => Err(KeyTransitionError {
                from: self.as_str(),
                to: "retiring",
            }),
        }
    }

    /// Retiring to retired.
    ///
    /// # Errors
    /// [`KeyTransitionError`] from any other state.
    pub fn finish(self, now: UnixMillis) -> Result<Self, KeyTransitionError> {
        match self {
            Self::Retiring { .. } => Ok(Self::Retired { retired: now }),
            _ => Err(KeyTransitionError {
                from: self.as_str(),
                to: "retired",
            }),
        }
    }

    /// Any state but compromised itself to compromised.
    ///
    /// # Errors
    /// [`KeyTransitionError`] where the key is compromised already.
    pub fn compromise(self, now: UnixMillis) -> Result<Self, KeyTransitionError> {
        match self {
            Self::Compromised { .. } => Err(KeyTransitionError {
                from: self.as_str(),
                to: "compromised",
            }),
            _ => Ok(Self::Compromised { compromised: now }),
        }
    }
}

/// A transition that the lifecycle does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key that is {from} can't become {to}")]
pub struct KeyTransitionError {
    from: &'static str,
    to: &'static str,
}

/// A signing key as it is kept.
#[derive(Clone, Debug)]
pub struct SigningKeyRecord {
    /// RFC 7638 thumbprint.
    pub kid: Kid,
    /// The one algorithm it signs with.
    pub alg: SigningAlg,
    /// Where it stands.
    pub state: KeyState,
    /// The private key, a compact JWE under the key-encryption key that it names.
    pub wrapped: String,
    /// When it was made or imported.
    pub created: UnixMillis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lifecycle_is_possible() {
        let now = UnixMillis(5);
        let pending = KeyState::Pending {
            published: UnixMillis(1),
        };
        let active = pending.activate(now).unwrap();
        assert_eq!(
            active,
            KeyState::Active {
                published: UnixMillis(1),
                activated: now
            }
        );
        let retiring = active.retire(now).unwrap();
        let retired = retiring.finish(now).unwrap();
        let compromised = retired.compromise(now).unwrap();
        assert!([pending, active, retiring].iter().all(|s| s.is_published()));
        assert!([retired, compromised].iter().all(|s| !s.is_published()));
        for state in [active, retiring, retired, compromised] {
            assert!(state.activate(now).is_err());
        }
        for state in [pending, retiring, retired, compromised] {
            assert!(state.retire(now).is_err());
        }
        for state in [pending, active, retired, compromised] {
            assert!(state.finish(now).is_err());
        }
        assert_eq!(
            compromised.compromise(now).unwrap_err().to_string(),
            "a key that is compromised can't become compromised",
        );
    }
}
