use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::Algorithm;
use crate::json::{Invalid, Object};

/// The longest `kid`, in characters.
const MAX_KID_LEN: usize = 128;
/// Members of private and symmetric keys (RFC 7518 section 6). Whoever publishes one has no key left.
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
/// The sizes of RSA moduli that are accepted, in bytes: 2048 to 8192 bits.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// The longest RSA exponent, in bytes.
const MAX_RSA_EXPONENT_LEN: usize = 4;

/// Whether a text is a key id: 1 to 128 characters of `A-Z a-z 0-9 _ -`. That leaves no room for a path, a URL or SQL.
pub(crate) fn is_kid(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=MAX_KID_LEN).contains(&text.len()) && text.bytes().all(allowed)
}

/// A public key of the issuer, with its only algorithm.
pub(crate) struct Key {
    pub(crate) kid: Box<str>,
    pub(crate) algorithm: Algorithm,
    /// Read and checked once, not for each signature.
    parsed: ParsedPublicKey,
    /// How long its signatures are, in bytes.
    pub(crate) signature_len: usize,
}

impl Key {
    /// Reads a JWK (RFC 7517 section 4); `None` for one that verifies nothing here: of another type or use, without an
    /// algorithm or a `kid`, malformed, or private. `x5c` and `x5u` are not looked at.
    pub(crate) fn from_jwk(jwk: &Object<'_>) -> Option<Self> {
        Self::read(jwk).ok().flatten()
    }

    fn read(jwk: &Object<'_>) -> Result<Option<Self>, Invalid> {
        if PRIVATE_MEMBERS.iter().any(|name| jwk.contains(name)) || !may_verify(jwk)? {
            return Ok(None);
        }
        let kid: String = jwk.required("kid")?;
        let alg: Option<String> = jwk.optional("alg")?;
        if !is_kid(&kid) {
            return Ok(None);
        }
        let read = if jwk.required::<String>("kty")? == "RSA" {
            rsa(jwk, alg.as_deref())?
        } else {
            point(jwk, alg.as_deref())?
        };
        Ok(read.map(|(algorithm, parsed, signature_len)| Self {
            kid: kid.into(),
            algorithm,
            parsed,
            signature_len,
        }))
    }

    /// Whether the signature is that of this key over the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_len && self.parsed.verify_sig(message, signature).is_ok()
    }
}

/// Two keys are the same only if their material is; a `kid` alone proves nothing.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.algorithm == other.algorithm
            && self.parsed.as_ref() == other.parsed.as_ref()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// RFC 7517 sections 4.2 and 4.3.
fn may_verify(jwk: &Object<'_>) -> Result<bool, Invalid> {
    let usage: Option<String> = jwk.optional("use")?;
    let operations: Option<Vec<String>> = jwk.optional("key_ops")?;
    let for_signatures = usage.is_none_or(|usage| usage == "sig");
    Ok(for_signatures && operations.is_none_or(|list| list.iter().any(|operation| operation == "verify")))
}

/// What a JWK is read to: the key, its algorithm, and how long its signatures are, in bytes.
type Read = (Algorithm, ParsedPublicKey, usize);

/// An RSA key, which must name its algorithm: one key, one algorithm (RFC 8725 section 3.1).
fn rsa(jwk: &Object<'_>, alg: Option<&str>) -> Result<Option<Read>, Invalid> {
    let (algorithm, parameters) = match alg.and_then(Algorithm::from_name) {
        Some(algorithm @ Algorithm::Ps256) => (algorithm, &RSA_PSS_2048_8192_SHA256),
        Some(algorithm @ Algorithm::Rs256) => (algorithm, &RSA_PKCS1_2048_8192_SHA256),
        _ => return Ok(None),
    };
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let minimal = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
    let sound = RSA_MODULUS.contains(&n.len()) && e.len() <= MAX_RSA_EXPONENT_LEN;
    if !(sound && minimal(&n) && minimal(&e)) {
        return Ok(None);
    }
    let len = n.len();
    let parsed = RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters);
    Ok(parsed.ok().map(|parsed| (algorithm, parsed, len)))
}

/// A key on a curve, which implies the algorithm.
fn point(jwk: &Object<'_>, alg: Option<&str>) -> Result<Option<Read>, Invalid> {
    let (kty, crv): (String, String) = (jwk.required("kty")?, jwk.required("crv")?);
    let (algorithm, parameters, point, len): (_, &'static dyn VerificationAlgorithm, _, _) =
        match (kty.as_str(), crv.as_str()) {
            ("EC", "P-256") => (
                Algorithm::Es256,
                &ECDSA_P256_SHA256_FIXED,
                sec1_point(jwk, 32)?,
                64,
            ),
            ("EC", "P-384") => (
                Algorithm::Es384,
                &ECDSA_P384_SHA384_FIXED,
                sec1_point(jwk, 48)?,
                96,
            ),
            ("OKP", "Ed25519") => (Algorithm::EdDsa, &ED25519, exactly(jwk, "x", 32)?, 64),
            _ => return Ok(None),
        };
    if alg.is_some_and(|alg| alg != algorithm.as_str()) {
        return Ok(None);
    }
    // A point that is not on the curve is no key.
    let parsed = ParsedPublicKey::new(parameters, point);
    Ok(parsed.ok().map(|parsed| (algorithm, parsed, len)))
}

/// The uncompressed encoding of a point whose coordinates have `len` bytes (SEC 1 section 2.3.3).
fn sec1_point(jwk: &Object<'_>, len: usize) -> Result<Vec<u8>, Invalid> {
    let (x, y) = (exactly(jwk, "x", len)?, exactly(jwk, "y", len)?);
    Ok([&[4][..], &x, &y].concat())
}

fn exactly(jwk: &Object<'_>, name: &str, len: usize) -> Result<Vec<u8>, Invalid> {
    let bytes = bytes(jwk, name)?;
    if bytes.len() == len {
        Ok(bytes)
    } else {
        Err(Invalid)
    }
}

fn bytes(jwk: &Object<'_>, name: &str) -> Result<Vec<u8>, Invalid> {
    let text: String = jwk.required(name)?;
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Invalid)
}
