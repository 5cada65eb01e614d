//! The signature algorithms that exist here. There is no symmetric one and no `none`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::KeyError;

/// A JWS signature algorithm (RFC 7518 section 3.1, RFC 8037). Text form is the registered `alg` value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SigningAlg {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// EdDSA with Ed25519; Ed448 is not offered.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256, a salt of 32 bytes.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl SigningAlg {
    /// Every algorithm, in the order of the declaration.
    pub const ALL: [Self; 5] = [Self::Es256, Self::Es384, Self::EdDsa, Self::Ps256, Self::Rs256];

    /// The registered `alg` value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for SigningAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The types of key, and which algorithms each signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyType {
    P256,
    P384,
    Ed25519,
    Rsa,
}

impl KeyType {
    /// The only algorithm of the type; none for RSA, which has two.
    pub(crate) fn implied_alg(self) -> Option<SigningAlg> {
        match self {
            Self::P256 => Some(SigningAlg::Es256),
            Self::P384 => Some(SigningAlg::Es384),
            Self::Ed25519 => Some(SigningAlg::EdDsa),
            Self::Rsa => None,
        }
    }

    /// Refuses an algorithm that a key of this type does not sign with.
    pub(crate) fn check_alg(self, alg: SigningAlg) -> Result<(), KeyError> {
        let suits = match self.implied_alg() {
            Some(implied) => alg == implied,
            None => matches!(alg, SigningAlg::Ps256 | SigningAlg::Rs256),
        };
        if suits {
            Ok(())
        } else {
            Err(KeyError::AlgorithmMismatch {
                key: self.as_str(),
                alg,
            })
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "a P-256",
            Self::P384 => "a P-384",
            Self::Ed25519 => "an Ed25519",
            Self::Rsa => "an RSA",
        }
    }
}

/// The text is not one of the algorithms offered here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown signing algorithm; use one of ES256, ES384, EdDSA, PS256, RS256, spelled exactly so")]
pub struct UnknownSigningAlg;

impl FromStr for SigningAlg {
    type Err = UnknownSigningAlg;

    /// Reads the registered spelling; `alg` values are case-sensitive (RFC 7515 section 4.1.1).
    fn from_str(text: &str) -> Result<Self, UnknownSigningAlg> {
        Self::ALL
            .into_iter()
            .find(|alg| alg.as_str() == text)
            .ok_or(UnknownSigningAlg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_serde_agree_for_each_algorithm() {
        for alg in SigningAlg::ALL {
            assert_eq!(alg.to_string().parse(), Ok(alg));
            assert_eq!(serde_json::to_string(&alg).unwrap(), format!("\"{alg}\""));
            assert_eq!(
                serde_json::from_str::<SigningAlg>(&format!("\"{alg}\"")).unwrap(),
                alg
            );
        }
    }

    #[test]
    fn rejects_none_symmetric_and_misspelled_names() {
        for text in [
            "none", "None", "HS256", "es256", "EDDSA", "Ed25519", "ES512", "ES256K", " ES256", "",
        ] {
            assert_eq!(text.parse::<SigningAlg>(), Err(UnknownSigningAlg), "{text}");
        }
    }
}
