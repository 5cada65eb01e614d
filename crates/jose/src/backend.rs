//! OpenSSL through josekit. Only keys in the canonical encodings of [`crate::key_material`] come here.

use josekit::JoseError;
use josekit::jwk::KeyPair as _;
use josekit::jwk::alg::ed::EdKeyPair;
use josekit::jws::{self, JwsSigner, JwsVerifier};

use crate::alg::SigningAlg;
use crate::error::KeyError;

/// A signer for a PKCS#8 version 1 key.
pub(crate) fn signer(alg: SigningAlg, pkcs8_der: &[u8]) -> Result<Box<dyn JwsSigner>, KeyError> {
    fn boxed(signer: impl JwsSigner + 'static) -> Box<dyn JwsSigner> {
        Box::new(signer)
    }
    match alg {
        SigningAlg::Es256 => jws::ES256.signer_from_der(pkcs8_der).map(boxed),
        SigningAlg::Es384 => jws::ES384.signer_from_der(pkcs8_der).map(boxed),
        SigningAlg::EdDsa => jws::EdDSA.signer_from_der(pkcs8_der).map(boxed),
        SigningAlg::Ps256 => jws::PS256.signer_from_der(pkcs8_der).map(boxed),
        SigningAlg::Rs256 => jws::RS256.signer_from_der(pkcs8_der).map(boxed),
    }
    .map_err(refused)
}

/// A verifier for a `SubjectPublicKeyInfo`.
pub(crate) fn verifier(alg: SigningAlg, spki_der: &[u8]) -> Result<Box<dyn JwsVerifier>, KeyError> {
    fn boxed(verifier: impl JwsVerifier + 'static) -> Box<dyn JwsVerifier> {
        Box::new(verifier)
    }
    match alg {
        SigningAlg::Es256 => jws::ES256.verifier_from_der(spki_der).map(boxed),
        SigningAlg::Es384 => jws::ES384.verifier_from_der(spki_der).map(boxed),
        SigningAlg::EdDsa => jws::EdDSA.verifier_from_der(spki_der).map(boxed),
        SigningAlg::Ps256 => jws::PS256.verifier_from_der(spki_der).map(boxed),
        SigningAlg::Rs256 => jws::RS256.verifier_from_der(spki_der).map(boxed),
    }
    .map_err(refused)
}

/// The public point of an Ed25519 key in PKCS#8 version 1.
pub(crate) fn ed25519_public(pkcs8_der: &[u8]) -> Result<[u8; 32], KeyError> {
    let spki_der = EdKeyPair::from_der(pkcs8_der)
        .map_err(refused)?
        .to_der_public_key();
    spki_der
        .last_chunk()
        .copied()
        .ok_or(KeyError::Malformed("Ed25519"))
}

fn refused(error: JoseError) -> KeyError {
    KeyError::Backend(error.to_string())
}
