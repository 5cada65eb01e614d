//! From a compact JWS to verified claims.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::json::Object;
use crate::key::{Key, is_kid};
use crate::{Algorithm, Claims, Refused};

/// The longest token that is looked at, in bytes: 16 KiB.
const MAX_TOKEN_LEN: usize = 16 * 1024;
/// The longest header, in characters of base64url.
const MAX_HEADER_LEN: usize = 2048;
/// The longest signature, in characters of base64url: that of an RSA key of 8192 bits.
const MAX_SIGNATURE_LEN: usize = 1366;

/// Header members that change what is verified or bring a key along. None is ever accepted: keys come from the issuer
/// alone (RFC 7515 sections 4.1.2 to 4.1.6 and 4.1.11, RFC 7797 section 3, RFC 7516 sections 4.1.2 and 4.1.3).
const REFUSED_MEMBERS: [&str; 9] = ["b64", "crit", "enc", "epk", "jku", "jwk", "x5c", "x5u", "zip"];

/// A token whose form and header were checked, before any cryptography.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    /// The key that the token says signed it.
    pub(crate) kid: String,
    algorithm: Algorithm,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart (RFC 7515 section 5.2, RFC 9068 section 4, RFC 8725). Every bound is checked before
    /// anything is decoded.
    pub(crate) fn parse(token: &'a str, allowed: &[Algorithm]) -> Result<Self, Refused> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(Refused::TooLong);
        }
        let (header, rest) = token.split_once('.').ok_or(Refused::Malformed)?;
        let (payload, signature) = rest.split_once('.').ok_or(Refused::Malformed)?;
        // Also what tells a JWE, which has five parts.
        if signature.contains('.') {
            return Err(Refused::Malformed);
        }
        if header.len() > MAX_HEADER_LEN || signature.len() > MAX_SIGNATURE_LEN {
            return Err(Refused::TooLong);
        }
        let json = decode(header)?;
        let members = Object::parse(&json).map_err(|_| Refused::Malformed)?;
        if let Some(name) = REFUSED_MEMBERS.into_iter().find(|name| members.contains(name)) {
            return Err(Refused::Header(name));
        }
        let text = |name| {
            members
                .required::<String>(name)
                .map_err(|_| Refused::Header(name))
        };
        let algorithm = Algorithm::from_name(&text("alg")?)
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or(Refused::Algorithm)?;
        if !is_access_token_type(&text("typ")?) {
            return Err(Refused::Type);
        }
        let kid = text("kid")?;
        if !is_kid(&kid) {
            return Err(Refused::Header("kid"));
        }
        Ok(Self {
            kid,
            algorithm,
            message: &token[..header.len() + 1 + payload.len()],
            payload,
            signature,
        })
    }

    /// Verifies the signature and then, not before, reads the payload.
    pub(crate) fn verify(&self, key: &Key) -> Result<Claims, Refused> {
        if self.algorithm != key.algorithm {
            return Err(Refused::Algorithm);
        }
        let signature = decode(self.signature)?;
        if !key.verifies(self.message.as_bytes(), &signature) {
            return Err(Refused::Signature);
        }
        Claims::parse(&decode(self.payload)?, &key.kid)
    }
}

/// Compares media types: without regard to case, `application/` may be left out (RFC 7515 section 4.1.9).
fn is_access_token_type(typ: &str) -> bool {
    ["at+jwt", "application/at+jwt"]
        .iter()
        .any(|accepted| typ.eq_ignore_ascii_case(accepted))
}

/// Base64url without padding, in its only spelling.
fn decode(text: &str) -> Result<Vec<u8>, Refused> {
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Refused::Malformed)
}
