//! A JSON document that is answered as it stands until its facts change.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::Frame;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The bytes of a document and the headers of its two answers. An answer costs clones of them and nothing else.
pub(crate) struct Document {
    body: Bytes,
    etag: HeaderValue,
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
        // RFC 9110 section 15.4.5: no more than a cache needs.
        let mut unchanged =
            HeaderMap::from_iter([(CACHE_CONTROL, header_value(cache_control)), (ETAG, etag.clone())]);
        unchanged.extend(further.iter().cloned());
        let mut fresh = unchanged.clone();
        fresh.extend([
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CONTENT_LENGTH, HeaderValue::from(body.len())),
        ]);
        Self {
            body: body.into(),
            etag,
            fresh,
            unchanged,
        }
    }

    /// The same document with another `Cache-Control`; its body and its entity tag are shared.
    pub(crate) fn with_cache_control(&self, cache_control: &str) -> Self {
        let value = header_value(cache_control);
        let replaced = |headers: &HeaderMap| {
            let mut headers = headers.clone();
            headers.insert(CACHE_CONTROL, value.clone());
            headers
        };
        Self {
            body: self.body.clone(),
            etag: self.etag.clone(),
            fresh: replaced(&self.fresh),
            unchanged: replaced(&self.unchanged),
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
            let mut response = Response::new(Body::new(NoContent));
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

/// The body of a 304. Unlike an empty one it has no length that could be put into `Content-Length`, which would have
/// to be that of the document (RFC 9110 section 8.6).
struct NoContent;

impl HttpBody for NoContent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
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
fn etag(body: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(body);
    header_value(&format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&digest[..16])))
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
        // Its quotes included, and there is none between them: no other tag begins like that.
        if rest.starts_with(etag) {
            return true;
        }
        let Some(end) = rest
            .strip_prefix(b"\"")
            .and_then(|opaque| opaque.iter().position(|byte| *byte == b'"'))
        else {
            return false;
        };
        rest = &rest[end + 2..];
    }
}

#[cfg(test)]
mod tests {
    use http::header::VARY;

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
    #[test]
    fn another_cache_control_changes_nothing_else() {
        let further = [(VARY, HeaderValue::from_static("Origin"))];
        let first = Document::new(&["a"], "max-age=1", &further);
        let second = first.with_cache_control("max-age=2");
        assert_eq!(first.body.as_ptr(), second.body.as_ptr(), "shared");
        let known = HeaderMap::from_iter([(IF_NONE_MATCH, first.etag.clone())]);
        for request in [HeaderMap::new(), known] {
            let (first, second) = (first.answer(&request), second.answer(&request));
            assert_eq!(first.status(), second.status());
            let mut expected = first.headers().clone();
            assert_eq!(
                expected.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=2")),
                Some(HeaderValue::from_static("max-age=1"))
            );
            assert_eq!(second.headers(), &expected);
        }
    }

    #[test]
    fn a_304_has_what_caches_need_and_no_content() {
        let further = [(VARY, HeaderValue::from_static("Origin"))];
        let document = Document::new(&["a"], "max-age=1", &further);
        let known = HeaderMap::from_iter([(IF_NONE_MATCH, document.etag.clone())]);
        let response = document.answer(&known);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        let names: Vec<_> = response.headers().keys().collect();
        assert_eq!(names, [CACHE_CONTROL, ETAG, VARY]);
        assert!(response.body().is_end_stream());
        assert_eq!(
            response.body().size_hint().exact(),
            None,
            "it would become the Content-Length"
        );
    }
}
