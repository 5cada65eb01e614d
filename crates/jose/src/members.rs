//! What the members of a JWK hold: octets in base64url without padding, in their only spelling (RFC 7515 section 2).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::error::KeyError;

/// Decodes a coordinate, a point or a private number of a curve: exactly `LEN` octets (RFC 7518 sections 6.2.1.2 and
/// 6.2.2.1, RFC 8037 section 2).
pub(crate) fn octets<const LEN: usize>(
    text: &str,
    member: &'static str,
) -> Result<Zeroizing<[u8; LEN]>, KeyError> {
    let bytes = decode(text, member)?;
    let octets = <&[u8; LEN]>::try_from(bytes.as_slice()).map_err(|_| KeyError::JwkMember(member))?;
    Ok(Zeroizing::new(*octets))
}

/// Decodes a Base64urlUInt: the least number of octets (RFC 7518 section 2), so that a key has one thumbprint.
pub(crate) fn base64url_uint(text: &str, member: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bytes = decode(text, member)?;
    if bytes.first().is_none_or(|first| *first == 0) {
        return Err(KeyError::JwkMember(member));
    }
    Ok(bytes)
}

/// The uncompressed SEC1 encoding of a point.
pub(crate) fn sec1_point<const LEN: usize>(x: &str, y: &str) -> Result<Vec<u8>, KeyError> {
    let [x, y] = [octets::<LEN>(x, "x")?, octets::<LEN>(y, "y")?];
    Ok([&[4][..], x.as_slice(), y.as_slice()].concat())
}

fn decode(text: &str, member: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| KeyError::JwkMember(member))
}
