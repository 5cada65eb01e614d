//! From DER to judged keys: PKCS#8 (versions 1 and 2), PKCS#1, SEC1 and SPKI.

use p256::pkcs8::der::asn1::AnyRef;
use p256::pkcs8::spki::AlgorithmIdentifierRef;
use p256::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use rsa::pkcs1;
use zeroize::Zeroizing;

use crate::alg::KeyType;
use crate::error::KeyError;
use crate::key_material::{PrivateMaterial, PublicMaterial};

/// The longest key that is read, in bytes; an RSA key of 8192 bits has less than 5 KiB.
pub(crate) const MAX_KEY_LEN: usize = 64 * 1024;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Names of what is refused, for the message.
const NAMES: [(&str, &str); 15] = [
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.113549.1.1.7", "RSAES-OAEP"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
    ("1.2.840.113549.1.3.1", "DH"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.132.0.35", "P-521"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.2.156.10197.1.301", "SM2"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
];

/// Reads PKCS#8 `PrivateKeyInfo` (RFC 5208) and `OneAsymmetricKey` (RFC 5958).
pub(crate) fn private_from_pkcs8(der: &[u8]) -> Result<PrivateMaterial, KeyError> {
    const MALFORMED: KeyError = KeyError::Malformed("PKCS#8");
    bounded(der)?;
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| MALFORMED)?;
    let inner = info.private_key.as_bytes();
    let material = match key_type(&info.algorithm, MALFORMED)? {
        KeyType::P256 => private_from_ec(inner, Some(P256))?,
        KeyType::P384 => private_from_ec(inner, Some(P384))?,
        // RFC 8410 section 7: the octet string holds another octet string, the seed.
        KeyType::Ed25519 => match inner {
            [0x04, 0x20, seed @ ..] => {
                let mut copy = Zeroizing::new([0; 32]);
                if seed.len() != copy.len() {
                    return Err(MALFORMED);
                }
                copy.copy_from_slice(seed);
                PrivateMaterial::Ed25519(copy)
            }
            _ => return Err(MALFORMED),
        },
        KeyType::Rsa => private_from_pkcs1(inner)?,
    };
    if let Some(public) = info.public_key
        && public.as_bytes() != Some(&material.public()?.to_bit_string()?)
    {
        return Err(KeyError::Inconsistent);
    }
    Ok(material)
}

/// Reads PKCS#1 `RSAPrivateKey` (RFC 8017 appendix A.1.2).
pub(crate) fn private_from_pkcs1(der: &[u8]) -> Result<PrivateMaterial, KeyError> {
    bounded(der)?;
    let key = pkcs1::RsaPrivateKey::try_from(der).map_err(|_| KeyError::Malformed("PKCS#1"))?;
    if key.version() != pkcs1::Version::TwoPrime {
        return Err(KeyError::RsaPrimes);
    }
    PrivateMaterial::rsa(
        key.modulus.as_bytes(),
        key.public_exponent.as_bytes(),
        key.private_exponent.as_bytes(),
        key.prime1.as_bytes(),
        key.prime2.as_bytes(),
    )
}

/// Reads SEC1 `ECPrivateKey` (RFC 5915). The curve must be named: its length alone does not tell it.
pub(crate) fn private_from_sec1(der: &[u8]) -> Result<PrivateMaterial, KeyError> {
    bounded(der)?;
    private_from_ec(der, None)
}

/// Reads SEC1 on the curve that the structure around it names; without one it must name its curve itself.
fn private_from_ec(der: &[u8], outer: Option<ObjectIdentifier>) -> Result<PrivateMaterial, KeyError> {
    const MALFORMED: KeyError = KeyError::Malformed("SEC1 with a named curve");
    let key = sec1::EcPrivateKey::try_from(der).map_err(|_| MALFORMED)?;
    let inner = key.parameters.and_then(sec1::EcParameters::named_curve);
    if let (Some(outer), Some(inner)) = (outer, inner)
        && outer != inner
    {
        return Err(KeyError::Inconsistent);
    }
    match outer.or(inner).ok_or(MALFORMED)? {
        P256 => PrivateMaterial::p256(key.private_key, key.public_key),
        P384 => PrivateMaterial::p384(key.private_key, key.public_key),
        other => Err(KeyError::UnsupportedCurve(name_of(other))),
    }
}

/// Reads `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
pub(crate) fn public_from_spki(der: &[u8]) -> Result<PublicMaterial, KeyError> {
    const MALFORMED: KeyError = KeyError::Malformed("SubjectPublicKeyInfo");
    bounded(der)?;
    let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| MALFORMED)?;
    let key = info.subject_public_key.as_bytes().ok_or(MALFORMED)?;
    match key_type(&info.algorithm, MALFORMED)? {
        KeyType::P256 => p256::PublicKey::from_sec1_bytes(key)
            .map(PublicMaterial::P256)
            .map_err(|_| MALFORMED),
        KeyType::P384 => p384::PublicKey::from_sec1_bytes(key)
            .map(PublicMaterial::P384)
            .map_err(|_| MALFORMED),
        KeyType::Ed25519 => PublicMaterial::ed25519(key.try_into().map_err(|_| MALFORMED)?),
        KeyType::Rsa => {
            let key = pkcs1::RsaPublicKey::try_from(key).map_err(|_| MALFORMED)?;
            PublicMaterial::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
        }
    }
}

/// Reads an algorithm identifier, its parameters included: NULL for RSA, none for Ed25519, a named curve for EC.
fn key_type(algorithm: &AlgorithmIdentifierRef<'_>, malformed: KeyError) -> Result<KeyType, KeyError> {
    match algorithm.oid {
        // Parameters spelled out are refused: they may be chosen so that a key looks like another (CVE-2020-0601).
        EC_PUBLIC_KEY => match algorithm.parameters_oid().map_err(|_| KeyError::ExplicitCurve)? {
            P256 => Ok(KeyType::P256),
            P384 => Ok(KeyType::P384),
            other => Err(KeyError::UnsupportedCurve(name_of(other))),
        },
        ED25519 if algorithm.parameters.is_none() => Ok(KeyType::Ed25519),
        RSA_ENCRYPTION if algorithm.parameters == Some(AnyRef::NULL) => Ok(KeyType::Rsa),
        ED25519 | RSA_ENCRYPTION => Err(malformed),
        other => Err(KeyError::UnsupportedAlgorithm(name_of(other))),
    }
}

/// The usual name of an algorithm or curve that is refused; its numbers where it has none.
fn name_of(oid: ObjectIdentifier) -> String {
    let numbers = oid.to_string();
    NAMES
        .iter()
        .find(|(known, _)| *known == numbers)
        .map_or(numbers, |(_, name)| (*name).to_owned())
}

fn bounded(der: &[u8]) -> Result<(), KeyError> {
    if der.len() > MAX_KEY_LEN {
        return Err(KeyError::TooLong { limit: MAX_KEY_LEN });
    }
    Ok(())
}
