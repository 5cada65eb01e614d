use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use crate::form::decode;

/// Client id and secret from an `Authorization: Basic` header, form-urlencoded before they were joined
/// ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
#[derive(Debug)]
pub struct BasicCredentials {
    /// The decoded client identifier.
    pub client_id: String,
    /// The decoded client secret.
    pub client_secret: SecretString,
}

impl BasicCredentials {
    /// Longest header value that is decoded, in bytes.
    pub const MAX_BYTES: usize = 4096;

    /// Parses the value of an `Authorization` header.
    ///
    /// # Errors
    /// [`BasicError::Scheme`] for another scheme, [`BasicError::Malformed`] for anything that does not decode.
    pub fn parse(header: &[u8]) -> Result<Self, BasicError> {
        let (scheme, rest) = header.split_at_checked(6).ok_or(BasicError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return Err(BasicError::Scheme);
        }
        if header.len() > Self::MAX_BYTES {
            return Err(BasicError::Malformed);
        }
        Self::decode(rest.trim_ascii()).ok_or(BasicError::Malformed)
    }

    fn decode(encoded: &[u8]) -> Option<Self> {
        let pair = STANDARD.decode(encoded).ok()?;
        let colon = pair.iter().position(|b| *b == b':')?;
        let client_id = decode(&pair[..colon])?.into_owned();
        let client_secret = decode(&pair[colon + 1..])?.into_owned();
        Some(Self {
            client_id,
            client_secret: client_secret.into(),
        })
    }
}

/// Why an `Authorization` header gave no client credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BasicError {
    /// Base64, form encoding or the colon is wrong.
    #[error("the Basic credentials are malformed")]
    Malformed,
    /// Another authentication scheme.
    #[error("the authentication scheme is not Basic")]
    Scheme,
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn parse(pair: &[u8]) -> Result<(String, String), BasicError> {
        let header = format!("Basic {}", STANDARD.encode(pair));
        let found = BasicCredentials::parse(header.as_bytes())?;
        Ok((found.client_id, found.client_secret.expose_secret().to_owned()))
    }

    #[test]
    fn decodes_plus_percent_colon_and_utf8() {
        let both = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(parse(b"app:secret"), both("app", "secret"));
        assert_eq!(parse(b"a%3Ab:c%2Bd+e%25"), both("a:b", "c+d e%"));
        assert_eq!(parse(b"a:b:c"), both("a", "b:c"));
        assert_eq!(parse("%C3%A4:ä".as_bytes()), both("ä", "ä"));
    }

    #[test]
    fn refuses_what_does_not_decode() {
        assert_eq!(parse(b"no-colon"), Err(BasicError::Malformed));
        assert_eq!(parse(b"a%zz:b"), Err(BasicError::Malformed));
        assert_eq!(parse(b"a:\xff"), Err(BasicError::Malformed));
        let refused = |header: &[u8]| BasicCredentials::parse(header).err();
        assert_eq!(refused(b"Basic ###"), Some(BasicError::Malformed));
        assert_eq!(refused(b"Bearer abc"), Some(BasicError::Scheme));
        assert_eq!(refused(b""), Some(BasicError::Scheme));
    }
}
