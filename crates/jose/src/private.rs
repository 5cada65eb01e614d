//! Private keys and signing.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use josekit::jws::JwsSigner;
use zeroize::Zeroizing;

use crate::alg::SigningAlg;
use crate::compact::MAX_TOKEN_LEN;
use crate::error::{KeyError, SignError};
use crate::key_material::PrivateMaterial;
use crate::kid::Kid;
use crate::public::PublicKey;
use crate::{backend, der, pem, private_jwk};

/// The `typ` whose header is kept ready: access tokens (RFC 9068 section 2.1).
const HOT_TYP: &str = "at+jwt";

/// A private key with its only algorithm. Cheap to clone; `Debug` shows the key id alone.
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

struct Inner {
    public: PublicKey,
    pkcs8_der: Zeroizing<Vec<u8>>,
    signer: Box<dyn JwsSigner>,
    /// Encoded header for [`HOT_TYP`], its dot included.
    hot_header: String,
}

impl PrivateKey {
    /// Makes a key from the randomness that `fill` gives: it must fill the whole buffer from a cryptographically secure
    /// generator. RSA keys have 2048 bits and the exponent 65537; making one takes up to some seconds of CPU time.
    ///
    /// # Errors
    /// [`KeyError::Randomness`] if `fill` never gives a usable key.
    pub fn generate(alg: SigningAlg, fill: &mut dyn FnMut(&mut [u8])) -> Result<Self, KeyError> {
        Self::from_material(&PrivateMaterial::generate(alg, fill)?, alg)
    }

    /// Reads a PEM file with one private key: PKCS#8, PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`), 64 KiB at
    /// most. The curve decides the algorithm of an EC or Ed25519 key; `rsa_alg` decides that of an RSA key.
    ///
    /// # Errors
    /// [`KeyError`] for anything but one unencrypted private key of a type, size and form that is accepted.
    pub fn from_pem(pem: &str, rsa_alg: SigningAlg) -> Result<Self, KeyError> {
        let material = pem::private_from_pem(pem)?;
        let alg = material.key_type().implied_alg().unwrap_or(rsa_alg);
        Self::from_material(&material, alg)
    }

    /// Reads one private key as a JWK (RFC 7517, RFC 7518 section 6, RFC 8037), 64 KiB at most: RSA with `n`, `e`, `d`,
    /// `p` and `q`, EC on P-256 or P-384, or OKP with Ed25519. A JWK set that holds this one key alone is read, too.
    ///
    /// Its `alg` decides the algorithm; without one it is as in [`Self::from_pem`]. Where `use` or `key_ops` are given,
    /// they must allow signing. `kid` is ignored, because the key id is the thumbprint here, and so are certificates
    /// (`x5c`; see [`PublicKey::with_certificates`]) and members that nobody knows. `dp`, `dq` and `qi` are computed
    /// anew.
    ///
    /// # Errors
    /// [`KeyError`] for anything but one private key of a type, size and form that is accepted.
    pub fn from_jwk(json: &str, rsa_alg: SigningAlg) -> Result<Self, KeyError> {
        let (material, alg) = private_jwk::private_from_jwk(json)?;
        let alg = alg.or(material.key_type().implied_alg()).unwrap_or(rsa_alg);
        Self::from_material(&material, alg)
    }

    /// Reads what an operator hands over: a JWK where the text starts with `{`, otherwise PEM. White space in front is
    /// passed over, and so is a byte order mark.
    ///
    /// # Errors
    /// Those of [`Self::from_jwk`] and [`Self::from_pem`].
    pub fn from_text(text: &str, rsa_alg: SigningAlg) -> Result<Self, KeyError> {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('{') {
            Self::from_jwk(text, rsa_alg)
        } else {
            Self::from_pem(text, rsa_alg)
        }
    }

    /// Reads DER PKCS#8, version 1 or 2, such as [`Self::to_pkcs8_der`] gives; 64 KiB at most.
    ///
    /// # Errors
    /// [`KeyError`] for a key that is malformed, too weak, or no key for `alg`.
    pub fn from_pkcs8_der(der: &[u8], alg: SigningAlg) -> Result<Self, KeyError> {
        Self::from_material(&der::private_from_pkcs8(der)?, alg)
    }

    /// The Ed25519 key of a seed ([RFC 8032 section 5.1.5](https://www.rfc-editor.org/rfc/rfc8032#section-5.1.5)): 256
    /// bits that nobody can guess.
    ///
    /// # Errors
    /// [`KeyError::Backend`] if OpenSSL fails.
    pub fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let material = PrivateMaterial::Ed25519(Zeroizing::new(*seed));
        Self::from_material(&material, SigningAlg::EdDsa)
    }

    fn from_material(material: &PrivateMaterial, alg: SigningAlg) -> Result<Self, KeyError> {
        material.key_type().check_alg(alg)?;
        let public = PublicKey::from_material(&material.public()?, alg)?;
        let pkcs8_der = material.to_pkcs8_der()?;
        let signer = backend::signer(alg, &pkcs8_der)?;
        // A key whose halves do not belong together, or whose RSA primes are none, shows it here.
        let probe = b"symbolon key check";
        let signature = signer
            .sign(probe)
            .map_err(|error| KeyError::Backend(error.to_string()))?;
        public
            .verify(probe, &signature)
            .map_err(|_| KeyError::Inconsistent)?;
        let hot_header = encode_header(alg, public.kid(), HOT_TYP);
        Ok(Self(Arc::new(Inner {
            public,
            pkcs8_der,
            signer,
            hot_header,
        })))
    }

    /// The key as DER PKCS#8 version 1, whatever form it was read from. A secret: wrap it with
    /// [`crate::KeyEncryptionKey`] before it is stored. Wiped when the last clone is dropped.
    pub fn to_pkcs8_der(&self) -> &[u8] {
        &self.0.pkcs8_der
    }

    /// The only algorithm of the key.
    pub fn alg(&self) -> SigningAlg {
        self.0.public.alg()
    }

    /// The key id: the RFC 7638 SHA-256 thumbprint.
    pub fn kid(&self) -> &Kid {
        self.0.public.kid()
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.0.public
    }

    /// Signs `claims_json` as a compact JWS (RFC 7515 section 7.1) with the header `{"alg":..,"kid":..,"typ":..}`.
    /// The claims are signed as they are; that they are a JSON object is up to the caller.
    ///
    /// # Errors
    /// [`SignError::Typ`] for a `typ` of another form, [`SignError::TooLong`] for a token that
    /// [`crate::verify_compact`] would refuse for its length, [`SignError::Backend`] if OpenSSL fails.
    pub fn sign_compact(&self, typ: &str, claims_json: &[u8]) -> Result<String, SignError> {
        self.sign_document(typ, claims_json, MAX_TOKEN_LEN)
    }

    /// The same for what is no token and may be longer: at most `limit` characters.
    ///
    /// # Errors
    /// As [`Self::sign_compact`], with [`SignError::TooLong`] by that limit.
    pub fn sign_document(&self, typ: &str, claims_json: &[u8], limit: usize) -> Result<String, SignError> {
        let key = &*self.0;
        let other_header;
        let header = if typ == HOT_TYP {
            &key.hot_header
        } else {
            check_typ(typ)?;
            other_header = encode_header(self.alg(), self.kid(), typ);
            &other_header
        };
        let len = header.len() + base64_len(claims_json.len()) + 1 + base64_len(key.public.signature_len());
        if len > limit {
            return Err(SignError::TooLong { limit });
        }
        let mut token = String::with_capacity(len);
        token.push_str(header);
        BASE64_URL_SAFE_NO_PAD.encode_string(claims_json, &mut token);
        let signature = key
            .signer
            .sign(token.as_bytes())
            .map_err(|error| SignError::Backend(error.to_string()))?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("alg", &self.alg())
            .field("kid", self.kid())
            .finish_non_exhaustive()
    }
}

/// The protected header in base64url, with the dot behind it. Nothing in it needs escaping.
fn encode_header(alg: SigningAlg, kid: &Kid, typ: &str) -> String {
    let mut header =
        BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}"#));
    header.push('.');
    header
}

/// Admits media subtypes (RFC 7515 section 4.1.9), and nothing that JSON would escape.
fn check_typ(typ: &str) -> Result<(), SignError> {
    let in_bounds = (1..=64).contains(&typ.len());
    if in_bounds
        && typ
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-./".contains(&b))
    {
        Ok(())
    } else {
        Err(SignError::Typ)
    }
}

/// Length of base64url without padding.
fn base64_len(len: usize) -> usize {
    base64::encoded_len(len, false).unwrap_or(usize::MAX / 4)
}
