//! Keys, JWK, thumbprints, signing, verification and encryption: the only crate that names josekit, rsa and p256.
//!
//! - [`PrivateKey`] and [`PublicKey`]: one key, one algorithm (RFC 8725 section 3.1). Keys are judged once, when they
//!   are made; what exists afterwards can be used without further checks.
//! - [`PublicJwk`] and [`JwkSet`]: what the JWKS document publishes. They can't hold a private member.
//! - [`CertificateChain`]: what it may publish beside a key.
//! - [`verify_compact`]: the one way from a compact JWS to a payload.
//! - [`KeyEncryptionKey`]: encrypts private keys and other server secrets at rest.
//!
//! Private-key operations are OpenSSL's, through josekit; certificates are read by OpenSSL, too. The `rsa`, `p256` and `p384` crates parse, validate and
//! generate keys; `rsa` never signs or decrypts (RUSTSEC-2023-0071).
//!
//! Randomness is an argument wherever keys are made: a `fill` function that fills the whole buffer from a
//! cryptographically secure generator.

mod alg;
mod backend;
mod certificate;
mod compact;
mod der;
mod error;
mod json;
mod jwk;
mod kek;
mod key_material;
mod kid;
mod members;
mod pem;
mod private;
mod private_jwk;
mod public;
mod random;

pub use alg::{SigningAlg, UnknownSigningAlg};
pub use certificate::CertificateChain;
pub use compact::{MAX_TOKEN_LEN, VerifiedJws, verify_compact};
pub use error::{CertificateError, KeyError, SignError, VerifyError, WrapError};
pub use jwk::{JwkSet, PublicJwk};
pub use kek::{EncryptionKeys, KekId, KeyEncryptionKey};
pub use kid::Kid;
pub use private::PrivateKey;
pub use public::PublicKey;

#[cfg(test)]
mod tests;
