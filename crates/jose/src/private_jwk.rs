//! Private keys as JWKs (RFC 7517, RFC 7518 section 6, RFC 8037), as they are imported. They are never written.

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::alg::{KeyType, SigningAlg};
use crate::der::MAX_KEY_LEN;
use crate::error::KeyError;
use crate::json::{ObjectError, UniqueObject};
use crate::jwk::PRIVATE_MEMBERS;
use crate::key_material::PrivateMaterial;
use crate::members::{base64url_uint, octets, sec1_point};
use crate::pem::printable;

/// Reads the only key of a JWK, or of a JWK set, and the algorithm that it names.
pub(crate) fn private_from_jwk(text: &str) -> Result<(PrivateMaterial, Option<SigningAlg>), KeyError> {
    if text.len() > MAX_KEY_LEN {
        return Err(KeyError::TooLong { limit: MAX_KEY_LEN });
    }
    let jwk = Jwk::parse(text)?.or_only_key()?;
    let kty = jwk.required("kty")?;
    if kty == "oct" {
        return Err(KeyError::JwkSymmetric);
    }
    let key_type = jwk.key_type(kty)?;
    jwk.check_use()?;
    let alg = jwk.text("alg")?.map(parse_alg).transpose()?;
    if jwk.0.first_of(&PRIVATE_MEMBERS).is_none() {
        return Err(KeyError::PublicKey);
    }
    Ok((jwk.material(key_type)?, alg))
}

/// Reads `alg`. RFC 9864 section 2.2 gives EdDSA on Ed25519, the only curve here, a name of its own, which WebCrypto
/// writes.
fn parse_alg(text: &str) -> Result<SigningAlg, KeyError> {
    if text == "Ed25519" {
        return Ok(SigningAlg::EdDsa);
    }
    text.parse().map_err(|_| KeyError::JwkAlg)
}

/// A JWK whose values are still part of the text, so that no copy of a private one is left behind.
struct Jwk<'a>(UniqueObject<&'a RawValue>);

impl<'a> Jwk<'a> {
    fn parse(text: &'a str) -> Result<Self, KeyError> {
        UniqueObject::parse(text.as_bytes())
            .map(Self)
            .map_err(|error| match error {
                ObjectError::NotObject => KeyError::JwkNotObject,
                ObjectError::Repeated => KeyError::JwkRepeated,
                ObjectError::Syntax { line, column } => KeyError::JwkSyntax { line, column },
            })
    }

    /// The only key of a JWK set (RFC 7517 section 5), where this is one; otherwise itself.
    fn or_only_key(self) -> Result<Self, KeyError> {
        let (None, Some(keys)) = (self.0.member("kty"), self.0.member("keys")) else {
            return Ok(self);
        };
        let keys: Vec<&'a RawValue> =
            serde_json::from_str(keys.get()).map_err(|_| KeyError::JwkMember("keys"))?;
        match keys.as_slice() {
            [key] => Self::parse(key.get()),
            _ => Err(KeyError::JwkSet),
        }
    }

    /// A member that is a string. Escapes are refused: no value of ours needs them, and reading them makes a copy.
    fn text(&self, member: &'static str) -> Result<Option<&'a str>, KeyError> {
        let Some(raw) = self.0.member(member) else {
            return Ok(None);
        };
        raw.get()
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .filter(|text| !text.contains('\\'))
            .map(Some)
            .ok_or(KeyError::JwkMember(member))
    }

    fn required(&self, member: &'static str) -> Result<&'a str, KeyError> {
        self.text(member)?.ok_or(KeyError::JwkMember(member))
    }

    fn key_type(&self, kty: &str) -> Result<KeyType, KeyError> {
        match kty {
            "RSA" => return Ok(KeyType::Rsa),
            "EC" | "OKP" => (),
            other => return Err(KeyError::UnsupportedAlgorithm(printable(other))),
        }
        match (kty, self.required("crv")?) {
            ("EC", "P-256") => Ok(KeyType::P256),
            ("EC", "P-384") => Ok(KeyType::P384),
            ("OKP", "Ed25519") => Ok(KeyType::Ed25519),
            (_, "P-256" | "P-384" | "Ed25519") => Err(KeyError::Inconsistent),
            (_, other) => Err(KeyError::UnsupportedCurve(printable(other))),
        }
    }

    /// Refuses keys for encryption, and keys that only verify (RFC 7517 sections 4.2 and 4.3).
    fn check_use(&self) -> Result<(), KeyError> {
        if self.text("use")?.is_some_and(|text| text != "sig") {
            return Err(KeyError::JwkUse("use"));
        }
        let Some(raw) = self.0.member("key_ops") else {
            return Ok(());
        };
        let operations: Vec<&str> =
            serde_json::from_str(raw.get()).map_err(|_| KeyError::JwkMember("key_ops"))?;
        if operations.contains(&"sign") {
            Ok(())
        } else {
            Err(KeyError::JwkUse("key_ops"))
        }
    }

    fn material(&self, key_type: KeyType) -> Result<PrivateMaterial, KeyError> {
        match key_type {
            KeyType::P256 => {
                let point = sec1_point::<32>(self.required("x")?, self.required("y")?)?;
                let scalar = octets::<32>(self.required("d")?, "d")?;
                PrivateMaterial::p256(scalar.as_slice(), Some(&point))
            }
            KeyType::P384 => {
                let point = sec1_point::<48>(self.required("x")?, self.required("y")?)?;
                let scalar = octets::<48>(self.required("d")?, "d")?;
                PrivateMaterial::p384(scalar.as_slice(), Some(&point))
            }
            KeyType::Ed25519 => {
                let point = octets::<32>(self.required("x")?, "x")?;
                let material = PrivateMaterial::Ed25519(octets(self.required("d")?, "d")?);
                if material.public()?.to_bit_string()? != *point {
                    return Err(KeyError::Inconsistent);
                }
                Ok(material)
            }
            KeyType::Rsa => self.rsa(),
        }
    }

    /// RFC 7518 sections 6.3.1 and 6.3.2. The CRT values `dp`, `dq` and `qi` are computed anew, whatever they are.
    fn rsa(&self) -> Result<PrivateMaterial, KeyError> {
        if self.0.member("oth").is_some() {
            return Err(KeyError::RsaPrimes);
        }
        let number = |member| -> Result<Zeroizing<Vec<u8>>, KeyError> {
            base64url_uint(self.required(member)?, member)
        };
        for member in ["dp", "dq", "qi"] {
            if self.0.member(member).is_some() {
                number(member)?;
            }
        }
        PrivateMaterial::rsa(
            &number("n")?,
            &number("e")?,
            &number("d")?,
            &number("p")?,
            &number("q")?,
        )
    }
}
