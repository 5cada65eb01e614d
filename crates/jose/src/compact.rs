//! From a compact JWS to its payload.

use std::fmt;
use std::ops::Deref;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::error::VerifyError;
use crate::json::UniqueObject;
use crate::kid::Kid;
use crate::public::PublicKey;

/// The longest token, in characters: 16 KiB.
pub const MAX_TOKEN_LEN: usize = 16 * 1024;

/// Header members that change what is verified or bring a key along. None is ever accepted: keys come from us alone
/// (RFC 7515 sections 4.1.2 to 4.1.6 and 4.1.11, RFC 7797 section 3, RFC 7516 sections 4.1.2 and 4.1.3).
const REFUSED_MEMBERS: [&str; 9] = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5c", "x5u", "epk"];

/// The payload of a JWS whose signature was verified. Only [`verify_compact`] makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedJws {
    kid: Kid,
    payload: Vec<u8>,
}

impl VerifiedJws {
    /// The id of the key that signed it.
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The bytes that were signed; nothing is known about their form.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl fmt::Debug for VerifiedJws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedJws")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// Verifies a compact JWS (RFC 7515 section 5.2, hardened by RFC 8725) of the kind `typ`.
///
/// `key` finds the key of a `kid`: an `Arc<PublicKey>`, a `&PublicKey` or the like. It is asked at most once, after the
/// header was read and before any cryptography; the `alg` of the header must be that key's only algorithm. Header
/// members that are neither required nor refused are ignored.
///
/// # Errors
/// [`VerifyError`] says what was wrong first. Nothing of the payload is looked at before the signature is verified.
pub fn verify_compact<K: Deref<Target = PublicKey>>(
    token: &str,
    typ: &str,
    key: impl FnOnce(&Kid) -> Option<K>,
) -> Result<VerifiedJws, VerifyError> {
    if token.len() > MAX_TOKEN_LEN {
        return Err(VerifyError::TooLong { limit: MAX_TOKEN_LEN });
    }
    let (header_text, rest) = token.split_once('.').ok_or(VerifyError::Format)?;
    let (payload_text, signature_text) = rest.split_once('.').ok_or(VerifyError::Format)?;
    // Also what tells a JWE, which has five parts.
    if signature_text.contains('.') {
        return Err(VerifyError::Format);
    }
    let header = Header::parse(&decode(header_text, "header")?)?;
    if !same_typ(&header.typ, typ) {
        return Err(VerifyError::Typ);
    }
    let key = key(&header.kid).ok_or_else(|| VerifyError::KeyUnknown(header.kid.clone()))?;
    if header.alg != key.alg().as_str() {
        return Err(VerifyError::Alg {
            kid: header.kid,
            alg: key.alg(),
        });
    }
    let signature = decode(signature_text, "signature")?;
    let payload = decode(payload_text, "payload")?;
    let signing_input = &token[..header_text.len() + 1 + payload_text.len()];
    key.verify(signing_input.as_bytes(), &signature)?;
    Ok(VerifiedJws {
        kid: header.kid,
        payload,
    })
}

/// What a header must say.
struct Header {
    alg: String,
    kid: Kid,
    typ: String,
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, VerifyError> {
        let object: UniqueObject = UniqueObject::parse(json)
            .map_err(|_| VerifyError::Header("it must be a JSON object, with each member once"))?;
        if let Some(member) = object.first_of(&REFUSED_MEMBERS) {
            return Err(VerifyError::HeaderMember(member));
        }
        let text = |member| object.member(member).and_then(serde_json::Value::as_str);
        let alg = text("alg").ok_or(VerifyError::Header("`alg` is required"))?;
        let typ = text("typ").ok_or(VerifyError::Header("`typ` is required"))?;
        let kid = text("kid").ok_or(VerifyError::Header("`kid` is required"))?;
        let kid = Kid::parse(kid).map_err(|_| VerifyError::Header("`kid` is out of bounds"))?;
        Ok(Self {
            alg: alg.to_owned(),
            kid,
            typ: typ.to_owned(),
        })
    }
}

/// Compares media types: without regard to case, `application/` may be left out (RFC 7515 section 4.1.9).
fn same_typ(found: &str, wanted: &str) -> bool {
    subtype(found).eq_ignore_ascii_case(subtype(wanted))
}

fn subtype(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => typ,
    }
}

fn decode(text: &str, part: &'static str) -> Result<Vec<u8>, VerifyError> {
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| VerifyError::Base64(part))
}
