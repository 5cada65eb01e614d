//! Judged keys: what is in here is well-formed, on its curve and strong enough. The one place where key sizes are decided.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use p256::elliptic_curve::{self, AffinePoint, CurveArithmetic, FieldBytesSize};
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BigUint, RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use crate::alg::{KeyType, SigningAlg};
use crate::backend;
use crate::error::KeyError;
use crate::jwk::{JwkParams, PublicJwk};
use crate::members::{base64url_uint, octets, sec1_point};
use crate::random::{Fill, FillRng};

/// Length of a generated RSA modulus, in bits.
const RSA_GENERATED_BITS: usize = 2048;
/// Bounds of an RSA modulus, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The least public exponent; the greatest is below 2^32.
const RSA_MIN_EXPONENT: u32 = 65537;
/// Draws before a random source is called broken. A sound one misses the P-256 range once in 2^32.
const MAX_DRAWS: usize = 16;

/// DER of an Ed25519 `PrivateKeyInfo` version 1 up to the seed (RFC 8410 section 7).
const ED25519_PKCS8_PREFIX: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// DER of an Ed25519 `SubjectPublicKeyInfo` up to the point (RFC 8410 section 4).
const ED25519_SPKI_PREFIX: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// A private key.
pub(crate) enum PrivateMaterial {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    /// The seed of RFC 8032.
    Ed25519(Zeroizing<[u8; 32]>),
    Rsa(Box<RsaPrivateKey>),
}

impl PrivateMaterial {
    /// Makes a key for `alg`.
    pub(crate) fn generate(alg: SigningAlg, fill: &mut Fill<'_>) -> Result<Self, KeyError> {
        match alg {
            SigningAlg::Es256 => {
                draw::<32, _>(fill, |bytes| p256::SecretKey::from_slice(bytes).ok()).map(Self::P256)
            }
            SigningAlg::Es384 => {
                draw::<48, _>(fill, |bytes| p384::SecretKey::from_slice(bytes).ok()).map(Self::P384)
            }
            SigningAlg::EdDsa => {
                let mut seed = Zeroizing::new([0; 32]);
                fill(seed.as_mut_slice());
                Ok(Self::Ed25519(seed))
            }
            SigningAlg::Ps256 | SigningAlg::Rs256 => {
                RsaPrivateKey::new(&mut FillRng(fill), RSA_GENERATED_BITS)
                    .map(|key| Self::Rsa(Box::new(key)))
                    .map_err(|_| KeyError::Randomness)
            }
        }
    }

    /// Takes the private number of a P-256 key, and the SEC1 encoding of the public point where it came along.
    pub(crate) fn p256(scalar: &[u8], point: Option<&[u8]>) -> Result<Self, KeyError> {
        judge_ec(scalar, point).map(Self::P256)
    }

    /// The same on P-384.
    pub(crate) fn p384(scalar: &[u8], point: Option<&[u8]>) -> Result<Self, KeyError> {
        judge_ec(scalar, point).map(Self::P384)
    }

    /// Takes the parts of a two-prime RSA key, big-endian.
    pub(crate) fn rsa(n: &[u8], e: &[u8], d: &[u8], p: &[u8], q: &[u8]) -> Result<Self, KeyError> {
        judge_rsa(n, e)?;
        if [d, p, q].iter().any(|part| part.len() > n.len()) {
            return Err(KeyError::Inconsistent);
        }
        let primes = vec![BigUint::from_bytes_be(p), BigUint::from_bytes_be(q)];
        let [n, e, d] = [n, e, d].map(BigUint::from_bytes_be);
        // `from_components` runs `RsaPrivateKey::validate`. The CRT values are computed anew when the key is encoded,
        // so wrong ones in the input can't cause faulty signatures that give the key away.
        let key = RsaPrivateKey::from_components(n, e, d, primes).map_err(|_| KeyError::Inconsistent)?;
        judge_primes(key.primes())?;
        Ok(Self::Rsa(Box::new(key)))
    }

    /// The type of the key.
    pub(crate) fn key_type(&self) -> KeyType {
        match self {
            Self::P256(_) => KeyType::P256,
            Self::P384(_) => KeyType::P384,
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Rsa(_) => KeyType::Rsa,
        }
    }

    /// The one encoding that is stored and handed to OpenSSL: PKCS#8 version 1.
    pub(crate) fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self {
            Self::P256(key) => key
                .to_pkcs8_der()
                .map(|der| der.to_bytes())
                .map_err(|_| KeyError::Inconsistent),
            Self::P384(key) => key
                .to_pkcs8_der()
                .map(|der| der.to_bytes())
                .map_err(|_| KeyError::Inconsistent),
            Self::Ed25519(seed) => {
                let mut der = Zeroizing::new(Vec::with_capacity(ED25519_PKCS8_PREFIX.len() + seed.len()));
                der.extend_from_slice(&ED25519_PKCS8_PREFIX);
                der.extend_from_slice(seed.as_slice());
                Ok(der)
            }
            Self::Rsa(key) => key
                .to_pkcs8_der()
                .map(|der| der.to_bytes())
                .map_err(|_| KeyError::Inconsistent),
        }
    }

    /// The public half.
    pub(crate) fn public(&self) -> Result<PublicMaterial, KeyError> {
        match self {
            Self::P256(key) => Ok(PublicMaterial::P256(key.public_key())),
            Self::P384(key) => Ok(PublicMaterial::P384(key.public_key())),
            Self::Ed25519(_) => {
                backend::ed25519_public(&self.to_pkcs8_der()?).and_then(PublicMaterial::ed25519)
            }
            Self::Rsa(key) => Ok(PublicMaterial::Rsa(key.to_public_key())),
        }
    }
}

/// A public key.
pub(crate) enum PublicMaterial {
    P256(p256::PublicKey),
    P384(p384::PublicKey),
    Ed25519([u8; 32]),
    Rsa(RsaPublicKey),
}

impl PublicMaterial {
    /// Takes an Ed25519 point as RFC 8032 encodes it.
    pub(crate) fn ed25519(point: [u8; 32]) -> Result<Self, KeyError> {
        judge_ed25519(&point)?;
        Ok(Self::Ed25519(point))
    }

    /// Takes modulus and exponent, big-endian.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        judge_rsa(n, e)?;
        let [n, e] = [n, e].map(BigUint::from_bytes_be);
        RsaPublicKey::new_with_max_size(n, e, *RSA_BITS.end())
            .map(Self::Rsa)
            .map_err(|_| KeyError::Malformed("RSA"))
    }

    /// Reads the members of a JWK (RFC 7518 section 6, RFC 8037 section 2).
    pub(crate) fn from_params(params: &JwkParams) -> Result<Self, KeyError> {
        match params {
            JwkParams::P256 { x, y } => p256::PublicKey::from_sec1_bytes(&sec1_point::<32>(x, y)?)
                .map(Self::P256)
                .map_err(|_| KeyError::Point),
            JwkParams::P384 { x, y } => p384::PublicKey::from_sec1_bytes(&sec1_point::<48>(x, y)?)
                .map(Self::P384)
                .map_err(|_| KeyError::Point),
            JwkParams::Ed25519 { x } => Self::ed25519(*octets::<32>(x, "x")?),
            JwkParams::Rsa { n, e } => Self::rsa(&base64url_uint(n, "n")?, &base64url_uint(e, "e")?),
        }
    }

    /// The members of the JWK.
    pub(crate) fn to_params(&self) -> JwkParams {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::P256(key) => {
                let point = key.to_sec1_point(false);
                let (x, y) = point.as_bytes()[1..].split_at(32);
                JwkParams::P256 {
                    x: text(x),
                    y: text(y),
                }
            }
            Self::P384(key) => {
                let point = key.to_sec1_point(false);
                let (x, y) = point.as_bytes()[1..].split_at(48);
                JwkParams::P384 {
                    x: text(x),
                    y: text(y),
                }
            }
            Self::Ed25519(point) => JwkParams::Ed25519 { x: text(point) },
            Self::Rsa(key) => JwkParams::Rsa {
                n: text(&key.n().to_bytes_be()),
                e: text(&key.e().to_bytes_be()),
            },
        }
    }

    /// The JWK for `alg`, with the thumbprint as its key id.
    pub(crate) fn to_jwk(&self, alg: SigningAlg) -> Result<PublicJwk, KeyError> {
        PublicJwk::new(alg, None, self.to_params())
    }

    /// `SubjectPublicKeyInfo`, as OpenSSL reads it.
    pub(crate) fn to_spki_der(&self) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::P256(key) => key
                .to_public_key_der()
                .map(|der| der.into_vec())
                .map_err(|_| KeyError::Malformed("P-256")),
            Self::P384(key) => key
                .to_public_key_der()
                .map(|der| der.into_vec())
                .map_err(|_| KeyError::Malformed("P-384")),
            Self::Ed25519(point) => Ok([&ED25519_SPKI_PREFIX[..], point].concat()),
            Self::Rsa(key) => key
                .to_public_key_der()
                .map(|der| der.into_vec())
                .map_err(|_| KeyError::Malformed("RSA")),
        }
    }

    /// What PKCS#8 version 2 and SPKI hold as the public key's bit string.
    pub(crate) fn to_bit_string(&self) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::P256(key) => Ok(key.to_sec1_point(false).as_bytes().to_vec()),
            Self::P384(key) => Ok(key.to_sec1_point(false).as_bytes().to_vec()),
            Self::Ed25519(point) => Ok(point.to_vec()),
            Self::Rsa(key) => key
                .to_pkcs1_der()
                .map(|der| der.into_vec())
                .map_err(|_| KeyError::Malformed("RSA")),
        }
    }

    /// Length of a signature in bytes, exact.
    pub(crate) fn signature_len(&self) -> usize {
        match self {
            Self::P256(_) | Self::Ed25519(_) => 64,
            Self::P384(_) => 96,
            Self::Rsa(key) => key.size(),
        }
    }
}

/// Draws bytes until they make a key.
fn draw<const LEN: usize, K>(fill: &mut Fill<'_>, key: impl Fn(&[u8]) -> Option<K>) -> Result<K, KeyError> {
    let mut bytes = Zeroizing::new([0; LEN]);
    (0..MAX_DRAWS)
        .find_map(|_| {
            fill(bytes.as_mut_slice());
            key(bytes.as_slice())
        })
        .ok_or(KeyError::Randomness)
}

/// Judges the private number of an EC key, big-endian and no longer than the field, and that its public point is this.
fn judge_ec<C>(scalar: &[u8], point: Option<&[u8]>) -> Result<elliptic_curve::SecretKey<C>, KeyError>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let secret = elliptic_curve::SecretKey::<C>::from_slice(scalar).map_err(|_| KeyError::Scalar)?;
    if let Some(point) = point {
        let public = elliptic_curve::PublicKey::<C>::from_sec1_bytes(point).map_err(|_| KeyError::Point)?;
        if public != secret.public_key() {
            return Err(KeyError::Inconsistent);
        }
    }
    Ok(secret)
}

/// Judges modulus and public exponent, big-endian, before any arithmetic on them.
fn judge_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let [n, e] = [n, e].map(|bytes| &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]);
    let bits = n
        .first()
        .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    if n.last().is_none_or(|last| last % 2 == 0) {
        return Err(KeyError::RsaModulus);
    }
    if e.len() > 4 {
        return Err(KeyError::RsaExponent);
    }
    let exponent = e
        .iter()
        .fold(0_u32, |value, byte| (value << 8) | u32::from(*byte));
    if exponent < RSA_MIN_EXPONENT || exponent.is_multiple_of(2) {
        return Err(KeyError::RsaExponent);
    }
    Ok(())
}

/// FIPS 186-5 appendix A.1.1: the primes are of half the modulus's length each, and far enough apart. A modulus with a
/// short prime, or with two that are next to each other, is factored in no time.
fn judge_primes(primes: &[BigUint]) -> Result<(), KeyError> {
    let [p, q] = primes else {
        return Err(KeyError::RsaPrimes);
    };
    let (larger, smaller) = if p > q { (p, q) } else { (q, p) };
    let apart = (larger - smaller).bits() + 100 > larger.bits();
    if larger.bits() == smaller.bits() && apart {
        Ok(())
    } else {
        Err(KeyError::RsaWeakPrimes)
    }
}

/// Refuses encodings of `y` at or above the field prime and the points of small order, under which anybody can make a
/// signature that verifies.
fn judge_ed25519(point: &[u8; 32]) -> Result<(), KeyError> {
    /// `y` of the points of order 8, little-endian; those of order 1, 2 and 4 are 1, p - 1 and 0.
    const ORDER_EIGHT: [[u8; 32]; 2] = [
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    ];
    let mut y = *point;
    y[31] &= 0x7f;
    let at_least_p_minus_one = y[31] == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff) && y[0] >= 0xec;
    let zero_or_one = y[0] <= 1 && y[1..].iter().all(|byte| *byte == 0);
    if at_least_p_minus_one || zero_or_one || ORDER_EIGHT.contains(&y) {
        return Err(KeyError::Point);
    }
    Ok(())
}
