//! A JSON document that is answered as it stands until its facts change.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The bytes of a document and the headers of its two answers. An answer costs clones of them and nothing else.
pub(crate) struct Document {
    body: Bytes,
    /// The opaque tag, its quotes included.
    etag: String,
    fresh: HeaderMap,
    unchanged: HeaderMap,
}

impl Document {
    /// A document with that `Cache-Control` and further headers. `application/json` also for a key set: RFC 7517
    /// section 8.5.2 registers `application/jwk-set+json`, but some libraries look for JSON by its plain name.
    pub(crate) fn new(
        value: &impl Serialize,
        cache_control: &str,
        further: &[(HeaderName, HeaderValue)],
    ) -> Self {
        let body = json(value);
        let etag = etag(&body);
        let mut unchanged = HeaderMap::from_iter([
            (CACHE_CONTROL, header_value(cache_control)),
            (ETAG, header_value(&etag)),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ]);
        unchanged.extend(further.iter().cloned());
        let mut fresh = unchanged.clone();
        fresh.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fresh.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        Self {
            body: body.into(),
            etag,
            fresh,
            unchanged,
        }
    }

    /// The same document with another `Cache-Control`.
    pub(crate) fn with_cache_control(&self, cache_control: &str) -> Self {
        let (mut fresh, mut unchanged) = (self.fresh.clone(), self.unchanged.clone());
        fresh.insert(CACHE_CONTROL, header_value(cache_control));
        unchanged.insert(CACHE_CONTROL, header_value(cache_control));
        Self {
            body: self.body.clone(),
            etag: self.etag.clone(),
            fresh,
            unchanged,
        }
    }

    /// The answer to a GET or HEAD: 200, or 304 where the request has the present document already
    /// ([RFC 9110 section 13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response {
        let known = request
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|field| names_tag(field.as_bytes(), self.etag.as_bytes()));
        if known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = self.unchanged.clone();
            response
        } else {
            let mut response = Response::new(Body::from(self.body.clone()));
            *response.headers_mut() = self.fresh.clone();
            response
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "the documents are made of strings and lists, and their maps have text keys"
)]
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and lists serialise")
}

/// A strong entity tag: 128 bits of SHA-256 over the body, the same on every node that has the same facts.
fn etag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&digest[..16]))
}

#[expect(
    clippy::expect_used,
    reason = "all callers give visible ASCII of their own making"
)]
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII")
}

/// Whether an `If-None-Match` field is `*` or lists the tag, by weak comparison: `W/` makes no difference. What is
/// malformed matches nothing from there on.
fn names_tag(field: &[u8], etag: &[u8]) -> bool {
    let mut rest = field.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = match rest {
            [b',' | b' ' | b'\t', tail @ ..] => {
                rest = tail;
                continue;
            }
            [b'W', b'/', tail @ ..] => tail,
            _ => rest,
        };
        let Some(end) = rest
            .strip_prefix(b"\"")
            .and_then(|opaque| opaque.iter().position(|byte| *byte == b'"'))
        else {
            return false;
        };
        let (tag, tail) = rest.split_at(end + 2);
        if tag == etag {
            return true;
        }
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_of_entity_tags() {
        for field in [
            "*",
            " * ",
            "\"a\"",
            "W/\"a\"",
            "\"b\", \"a\"",
            "\"b\",,\t W/\"a\" ,\"c\"",
            "\"b,\",\"a\"",
        ] {
            assert!(names_tag(field.as_bytes(), b"\"a\""), "{field}");
        }
        for field in [
            "",
            "a",
            "\"a",
            "a\"",
            "\"b\"",
            "\"b\", *",
            "w/\"a\"",
            "\"b\" x \"a\"",
            "\"\"a\"\"",
            "W/",
            ",",
        ] {
            assert!(!names_tag(field.as_bytes(), b"\"a\""), "{field}");
        }
    }

    #[test]
    fn tags_differ_as_bodies_do() {
        assert_eq!(etag(b"{}"), etag(b"{}"));
        assert_ne!(etag(b"{}"), etag(b"[]"));
    }
}
