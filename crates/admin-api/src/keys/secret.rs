//! Private keys on their way in: in one place at a time, which is wiped, and never shown.

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use zeroize::Zeroizing;

use crate::api::Api;
use crate::extract::{body, is_json, place};
use crate::json::repeated;
use crate::problem::{Problem, ProblemKind};

/// A private key as text, PEM or JWK. `Debug` shows nothing of it, and it is wiped when it is dropped.
#[derive(Clone)]
pub struct KeyText(Zeroizing<String>);

impl KeyText {
    /// Takes the text as it was received.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(..)")
    }
}

impl<'de> Deserialize<'de> for KeyText {
    /// Reads a string, or an object as the text that it is: a JWK. Makes one copy, and none that is not wiped.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(from)?.get();
        let text = match raw.as_bytes().first() {
            Some(b'{') => Some(Zeroizing::new(raw.to_owned())),
            Some(b'"') => unescape(raw),
            _ => None,
        };
        text.map(Self)
            .ok_or_else(|| D::Error::custom("give PEM or a JWK as a string, or a JWK as an object"))
    }
}

/// What a JSON string says. `None` for what is none, and for halves of surrogate pairs: no key holds any.
fn unescape(json: &str) -> Option<Zeroizing<String>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    // No escape is shorter than what it stands for, so that this never grows, which would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(inner.len()));
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let meant = match c {
            '\\' => match chars.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let hex = chars.as_str().get(..4)?;
                    let digits = hex.bytes().all(|b| b.is_ascii_hexdigit()).then_some(hex)?;
                    chars = chars.as_str().get(4..)?.chars();
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                itself @ ('"' | '\\' | '/') => itself,
                _ => return None,
            },
            plain => plain,
        };
        text.push(meant);
    }
    Some(text)
}

/// Which private keys are taken.
const TAKEN: &str = "The private key: as text PEM (PKCS#8, PKCS#1 or SEC1, not encrypted) or a JWK, or a JWK as an object. At most 64 KiB.";

/// For the document.
pub(super) fn key_schema() -> Schema {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(65_536))
        .write_only(true)
        .description(Some("PEM, or a JWK as text"));
    let jwk = ObjectBuilder::new()
        .schema_type(Type::Object)
        .write_only(true)
        .description(Some("A private JWK"));
    Schema::OneOf(
        OneOfBuilder::new()
            .item(text)
            .item(jwk)
            .description(Some(TAKEN))
            .build(),
    )
}

/// A JSON body that holds a secret: what is wrong with it is said without quoting it.
pub(super) struct SecretBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for SecretBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        if !is_json(request.headers().get(CONTENT_TYPE), &["application/json"]) {
            return Err(Problem::new(
                ProblemKind::UnsupportedMedia,
                "send the body as application/json",
            ));
        }
        read(&body(request, api.parts.max_body_bytes).await?).map(Self)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut from).map_err(|error| {
        // What serde says of a value that is not what it should be quotes the value.
        if error.inner().is_data() {
            let rule = "it is missing, unknown or of another form: see /admin/v1/openapi.json";
            repeated(&error).unwrap_or_else(|| Problem::invalid(place(error.path()), rule))
        } else {
            no_json()
        }
    })?;
    from.end().map_err(|_| no_json())?;
    Ok(value)
}

fn no_json() -> Problem {
    Problem::new(ProblemKind::Malformed, "the body is no JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_as_json_means_them() {
        for json in [
            r#""""#,
            r#""a\"b\\c\/d""#,
            r#""\b\f\n\r\t""#,
            r#""\u0041\u00e9\u20AC""#,
            "\"é€\"",
        ] {
            let meant: String = serde_json::from_str(json).unwrap();
            assert_eq!(unescape(json).unwrap().as_str(), meant, "{json}");
        }
        for bad in [
            "",
            "\"",
            "x",
            r#""\ud83d\ude00""#,
            r#""\ud83d""#,
            r#""\u00é""#,
            r#""\u00"#,
            r#""\u+041""#,
            r#""\x""#,
        ] {
            assert!(unescape(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn reading_never_outgrows_what_it_is_read_into() {
        let json = format!("\"{}\"", "\\u20ac\\n€x".repeat(100));
        let read = unescape(&json).unwrap();
        assert!(
            read.capacity() == json.len() - 2,
            "it was not moved, which would leave a copy"
        );
    }

    #[test]
    fn a_key_is_not_shown() {
        let key: KeyText = serde_json::from_str("\"secret\"").unwrap();
        assert_eq!(
            (format!("{key:?}").as_str(), key.expose()),
            ("KeyText(..)", "secret")
        );
    }
}
