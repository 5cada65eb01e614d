use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

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
    material: Material,
    decoding: DecodingKey,
}

#[derive(Eq, PartialEq)]
enum Material {
    /// An uncompressed point of the curve, or an Ed25519 key.
    Point(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
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
        let Some((algorithm, material)) = material(jwk, alg.as_deref())? else {
            return Ok(None);
        };
        if !is_kid(&kid) {
            return Ok(None);
        }
        Ok(Some(Self {
            kid: kid.into(),
            algorithm,
            decoding: decoding_key(algorithm, &material),
            material,
        }))
    }

    /// How long a signature of this key is, in bytes.
    pub(crate) fn signature_len(&self) -> usize {
        match &self.material {
            Material::Rsa { n, .. } => n.len(),
            Material::Point(_) if self.algorithm == Algorithm::Es384 => 96,
            Material::Point(_) => 64,
        }
    }

    /// Whether the signature is that of this key over the message. The provider is named, so that what the process
    /// or another crate has chosen as the default of `jsonwebtoken` has no say.
    pub(crate) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        if signature.len() != self.signature_len() {
            return false;
        }
        (DEFAULT_PROVIDER.verifier_factory)(&self.algorithm.backend(), &self.decoding)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

/// Two keys are the same only if their material is; a `kid` alone proves nothing.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid && self.algorithm == other.algorithm && self.material == other.material
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

/// The material and the algorithm, which a curve implies. An RSA key must name it: one key, one algorithm (RFC 8725
/// section 3.1).
fn material(jwk: &Object<'_>, alg: Option<&str>) -> Result<Option<(Algorithm, Material)>, Invalid> {
    let kty: String = jwk.required("kty")?;
    if kty == "RSA" {
        let Some(algorithm @ (Algorithm::Ps256 | Algorithm::Rs256)) = alg.and_then(Algorithm::from_name)
        else {
            return Ok(None);
        };
        let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
        let minimal = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
        let sound = RSA_MODULUS.contains(&n.len()) && e.len() <= MAX_RSA_EXPONENT_LEN;
        return Ok((sound && minimal(&n) && minimal(&e)).then_some((algorithm, Material::Rsa { n, e })));
    }
    let crv: String = jwk.required("crv")?;
    let (algorithm, point) = match (kty.as_str(), crv.as_str()) {
        ("EC", "P-256") => (Algorithm::Es256, sec1_point(jwk, 32)?),
        ("EC", "P-384") => (Algorithm::Es384, sec1_point(jwk, 48)?),
        ("OKP", "Ed25519") => (Algorithm::EdDsa, exactly(jwk, "x", 32)?),
        _ => return Ok(None),
    };
    let suits = alg.is_none_or(|alg| alg == algorithm.as_str());
    Ok(suits.then_some((algorithm, Material::Point(point))))
}

fn decoding_key(algorithm: Algorithm, material: &Material) -> DecodingKey {
    match material {
        Material::Point(point) if algorithm == Algorithm::EdDsa => DecodingKey::from_ed_der(point),
        Material::Point(point) => DecodingKey::from_ec_der(point),
        Material::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
    }
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
