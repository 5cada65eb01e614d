//! Compact JSON Web Signatures, as a verifier must read them.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::json::Object;
use crate::key::{Key, is_kid};
use crate::{Algorithm, Refused};

/// The longest header, in characters of base64url.
const MAX_HEADER_LEN: usize = 2048;
/// The longest signature, in characters of base64url: that of an RSA key of 8192 bits.
const MAX_SIGNATURE_LEN: usize = 1366;

/// Header members that change what is verified or bring a key along. None is ever accepted: keys come from the issuer
/// alone (RFC 7515 sections 4.1.2 to 4.1.6 and 4.1.11, RFC 7797 section 3, RFC 7516 sections 4.1.2 and 4.1.3).
const REFUSED_MEMBERS: [&str; 9] = ["b64", "crit", "enc", "epk", "jku", "jwk", "x5c", "x5u", "zip"];

/// What is asked for.
pub(crate) struct Form<'f> {
    /// The media type, without `application/`.
    pub(crate) typ: &'static str,
    /// The longest text that is looked at, in bytes.
    pub(crate) max_len: usize,
    /// The algorithms that are allowed.
    pub(crate) algorithms: &'f [Algorithm],
}

/// A JWS whose form and header were checked, before any cryptography.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    /// The key that it says has signed it.
    pub(crate) kid: String,
    algorithm: Algorithm,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Unverified<'a> {
    /// Takes a JWS apart (RFC 7515 section 5.2, RFC 9068 section 4, RFC 8725). Every bound is checked before
    /// anything is decoded.
    pub(crate) fn parse(text: &'a str, form: &Form<'_>) -> Result<Self, Refused> {
        if text.len() > form.max_len {
            return Err(Refused::TooLong);
        }
        let (header, rest) = text.split_once('.').ok_or(Refused::Malformed)?;
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
        let text_of = |name| {
            members
                .required::<String>(name)
                .map_err(|_| Refused::Header(name))
        };
        let algorithm = Algorithm::from_name(&text_of("alg")?)
            .filter(|algorithm| form.algorithms.contains(algorithm))
            .ok_or(Refused::Algorithm)?;
        if !is_type(&text_of("typ")?, form.typ) {
            return Err(Refused::Type);
        }
        let kid = text_of("kid")?;
        if !is_kid(&kid) {
            return Err(Refused::Header("kid"));
        }
        Ok(Self {
            kid,
            algorithm,
            message: &text[..header.len() + 1 + payload.len()],
            payload,
            signature,
        })
    }

    /// Verifies the signature and then, not before, decodes the payload.
    pub(crate) fn verify(&self, key: &Key) -> Result<Vec<u8>, Refused> {
        if self.algorithm != key.algorithm {
            return Err(Refused::Algorithm);
        }
        let signature = decode(self.signature)?;
        if !key.verifies(self.message.as_bytes(), &signature) {
            return Err(Refused::Signature);
        }
        decode(self.payload)
    }
}

/// Compares media types: without regard to case, `application/` may be left out (RFC 7515 section 4.1.9).
fn is_type(typ: &str, expected: &str) -> bool {
    const PREFIX: &str = "application/";
    let bare = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, bare)) if prefix.eq_ignore_ascii_case(PREFIX) => bare,
        _ => typ,
    };
    bare.eq_ignore_ascii_case(expected)
}

/// Base64url without padding, in its only spelling.
fn decode(text: &str) -> Result<Vec<u8>, Refused> {
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Refused::Malformed)
}
