//! Public keys.

use std::fmt;
use std::sync::Arc;

use josekit::jws::JwsVerifier;

use crate::alg::SigningAlg;
use crate::certificate::CertificateChain;
use crate::error::{KeyError, VerifyError};
use crate::jwk::PublicJwk;
use crate::key_material::PublicMaterial;
use crate::kid::Kid;
use crate::{backend, der, pem};

/// A public key that was judged, with its only algorithm. Cheap to clone.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    jwk: PublicJwk,
    spki_der: Vec<u8>,
    signature_len: usize,
    verifier: Box<dyn JwsVerifier>,
}

impl PublicKey {
    /// Takes a key as published. Its `kid` is kept, whatever it is, and so are its certificates.
    ///
    /// # Errors
    /// [`KeyError`] for a key that is malformed, off its curve, or too weak, and for certificates of another key.
    pub fn from_jwk(jwk: &PublicJwk) -> Result<Self, KeyError> {
        Self::new(&PublicMaterial::from_params(jwk.params())?, jwk.clone())
    }

    /// Takes a DER `SubjectPublicKeyInfo`. The key id is the thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] for a key that is malformed, off its curve, too weak, or no key for `alg`.
    pub fn from_spki_der(der: &[u8], alg: SigningAlg) -> Result<Self, KeyError> {
        Self::from_material(&der::public_from_spki(der)?, alg)
    }

    pub(crate) fn from_material(material: &PublicMaterial, alg: SigningAlg) -> Result<Self, KeyError> {
        Self::new(material, material.to_jwk(alg)?)
    }

    /// The same key with certificates to be published beside it as `x5c`, in place of those it had. The key id stays.
    ///
    /// # Errors
    /// [`KeyError::CertificateChain`] if the first certificate is not one of this key, or not one for signatures.
    pub fn with_certificates(&self, chain: CertificateChain) -> Result<Self, KeyError> {
        Self::from_jwk(&self.jwk().with_certificates(chain))
    }

    fn new(material: &PublicMaterial, jwk: PublicJwk) -> Result<Self, KeyError> {
        let spki_der = material.to_spki_der()?;
        // RFC 7517 section 4.7: the key in the first certificate must be this one.
        if let Some(chain) = jwk.certificates() {
            chain.check_key(&spki_der)?;
        }
        let verifier = backend::verifier(jwk.alg(), &spki_der)?;
        Ok(Self(Arc::new(Inner {
            jwk,
            spki_der,
            signature_len: material.signature_len(),
            verifier,
        })))
    }

    /// The only algorithm of the key.
    pub fn alg(&self) -> SigningAlg {
        self.0.jwk.alg()
    }

    /// The key id.
    pub fn kid(&self) -> &Kid {
        self.0.jwk.kid()
    }

    /// The key as it is published.
    pub fn jwk(&self) -> &PublicJwk {
        &self.0.jwk
    }

    /// The key as PEM `PUBLIC KEY` (RFC 7468 section 13), as OpenSSL and most libraries read it. Neither the key id nor
    /// the algorithm stands in it.
    pub fn to_pem(&self) -> String {
        let mut text = String::new();
        pem::write_block("PUBLIC KEY", &self.0.spki_der, &mut text);
        text
    }

    /// Length of a signature in bytes, exact.
    pub(crate) fn signature_len(&self) -> usize {
        self.0.signature_len
    }

    /// Verifies a raw JWS signature over the signing input (RFC 7515 section 5.2).
    ///
    /// # Errors
    /// [`VerifyError::Signature`], whatever is wrong with it: length, form or value.
    pub fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        if signature.len() != self.0.signature_len {
            return Err(VerifyError::Signature);
        }
        // RFC 7518 section 3.4: r and s are in 1..n. OpenSSL checks it too; zero is what CVE-2022-21449 was about.
        if matches!(self.alg(), SigningAlg::Es256 | SigningAlg::Es384) {
            let (r, s) = signature.split_at(signature.len() / 2);
            if [r, s].iter().any(|half| half.iter().all(|byte| *byte == 0)) {
                return Err(VerifyError::Signature);
            }
        }
        self.0
            .verifier
            .verify(signing_input, signature)
            .map_err(|_| VerifyError::Signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("alg", &self.alg())
            .field("kid", self.kid())
            .finish_non_exhaustive()
    }
}
