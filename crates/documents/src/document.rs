//! A document that is answered as it stands until its facts change.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::Frame;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::negotiation;

/// The bytes of a document and the headers of its answers. An answer costs clones of them and nothing else, and so does
/// a clone of the document.
#[derive(Clone, Debug)]
pub struct Document {
    plain: Representation,
    gzip: Option<Representation>,
}

/// The document in one encoding.
#[derive(Clone, Debug)]
struct Representation {
    body: Bytes,
    etag: HeaderValue,
    fresh: HeaderMap,
    unchanged: HeaderMap,
}

impl Document {
    /// A document of a media type with that `Cache-Control` and further headers, all of visible ASCII.
    pub fn new(
        media_type: &'static str,
        body: Bytes,
        cache_control: &str,
        further: &[(HeaderName, HeaderValue)],
    ) -> Self {
        let etag = etag(&body);
        // RFC 9110 section 15.4.5: no more than a cache needs.
        let mut unchanged =
            HeaderMap::from_iter([(CACHE_CONTROL, header_value(cache_control)), (ETAG, etag.clone())]);
        unchanged.extend(further.iter().cloned());
        let mut fresh = unchanged.clone();
        fresh.extend([
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (CONTENT_LENGTH, HeaderValue::from(body.len())),
        ]);
        let plain = Representation {
            body,
            etag,
            fresh,
            unchanged,
        };
        Self { plain, gzip: None }
    }

    /// A JSON document, whose value is made of strings and lists. `application/json` also for a key set: RFC 7517
    /// section 8.5.2 registers `application/jwk-set+json`, but some libraries look for JSON by its plain name.
    pub fn json(value: &impl Serialize, cache_control: &str, further: &[(HeaderName, HeaderValue)]) -> Self {
        Self::new("application/json", json(value).into(), cache_control, further)
    }

    /// The same document, also in the compressed form that [`gzip`] makes of its body, with an entity tag of its own
    /// (RFC 9110 section 8.8.3.3). Whether or not there is one, what is answered may hang on `Accept-Encoding`: the
    /// next document at the same place may have one.
    #[must_use]
    pub fn with_gzip(mut self, compressed: Option<Bytes>) -> Self {
        let varies = HeaderValue::from_static("Accept-Encoding");
        self.plain.fresh.append(VARY, varies.clone());
        self.plain.unchanged.append(VARY, varies);
        self.gzip = compressed.map(|body| {
            let Representation {
                mut fresh,
                mut unchanged,
                ..
            } = self.plain.clone();
            let etag = etag(&body);
            fresh.insert(ETAG, etag.clone());
            fresh.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            fresh.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            unchanged.insert(ETAG, etag.clone());
            Representation {
                body,
                etag,
                fresh,
                unchanged,
            }
        });
        self
    }

    /// The same document with another `Cache-Control`; its bodies and its entity tags are shared.
    #[must_use]
    pub fn with_cache_control(&self, cache_control: &str) -> Self {
        let value = header_value(cache_control);
        let mut document = self.clone();
        for representation in std::iter::once(&mut document.plain).chain(&mut document.gzip) {
            representation.fresh.insert(CACHE_CONTROL, value.clone());
            representation.unchanged.insert(CACHE_CONTROL, value.clone());
        }
        document
    }

    /// The body, not compressed.
    pub fn body(&self) -> &Bytes {
        &self.plain.body
    }

    /// How many bytes are kept for its bodies.
    pub fn size(&self) -> usize {
        self.plain.body.len() + self.compressed_len().unwrap_or_default()
    }

    /// How long the compressed body is, where there is one.
    pub fn compressed_len(&self) -> Option<usize> {
        self.gzip.as_ref().map(|gzip| gzip.body.len())
    }

    /// The answer to a GET or HEAD: 200, or 304 where the request has the present document already
    /// ([RFC 9110 section 13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
    pub fn answer(&self, request: &HeaderMap) -> Response {
        let chosen = match &self.gzip {
            Some(gzip) if negotiation::takes_gzip(request) => gzip,
            _ => &self.plain,
        };
        if negotiation::has(request, chosen.etag.as_bytes()) {
            let mut response = Response::new(Body::new(NoContent));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = chosen.unchanged.clone();
            response
        } else {
            let mut response = Response::new(Body::from(chosen.body.clone()));
            *response.headers_mut() = chosen.fresh.clone();
            response
        }
    }
}

/// Below this no body is compressed: it is one packet either way.
const LEAST_GZIP_BYTES: usize = 1024;

/// The body compressed by gzip (RFC 1952); nothing where that does not pay. The same body gives the same bytes.
pub fn gzip(body: &[u8]) -> Option<Bytes> {
    if body.len() < LEAST_GZIP_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    // Writing to a vector can't fail; if it did, there would be no compressed body.
    encoder.write_all(body).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < body.len() / 10 * 9).then(|| compressed.into())
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
    use http_body_util::BodyExt as _;

    use super::*;

    const GZIP: (HeaderName, HeaderValue) = (ACCEPT_ENCODING, HeaderValue::from_static("gzip"));

    fn origin() -> [(HeaderName, HeaderValue); 1] {
        [(VARY, HeaderValue::from_static("Origin"))]
    }

    fn known(etag: &HeaderValue) -> (HeaderName, HeaderValue) {
        (IF_NONE_MATCH, etag.clone())
    }

    async fn body(response: Response) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[test]
    fn tags_differ_as_bodies_do() {
        assert_eq!(etag(b"{}"), etag(b"{}"));
        assert_ne!(etag(b"{}"), etag(b"[]"));
    }

    #[test]
    fn another_cache_control_changes_nothing_else() {
        let first = Document::json(&["a"], "max-age=1", &origin()).with_gzip(Some("zip".into()));
        let second = first.with_cache_control("max-age=2");
        assert_eq!(first.body().as_ptr(), second.body().as_ptr(), "shared");
        for request in [
            vec![],
            vec![GZIP],
            vec![known(&first.plain.etag)],
            vec![GZIP, known(&first.gzip.as_ref().unwrap().etag)],
        ] {
            let request = HeaderMap::from_iter(request);
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
        let document = Document::json(&["a"], "max-age=1", &origin());
        let response = document.answer(&HeaderMap::from_iter([known(&document.plain.etag)]));
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

    #[tokio::test]
    async fn each_encoding_has_its_own_tag_and_length() {
        let text = "the same again ".repeat(100);
        let compressed = gzip(text.as_bytes()).unwrap();
        let document = Document::new("text/plain", text.clone().into(), "max-age=1", &origin())
            .with_gzip(Some(compressed.clone()));
        let plain = document.answer(&HeaderMap::new());
        let zipped = document.answer(&HeaderMap::from_iter([GZIP]));
        assert_ne!(plain.headers()[ETAG], zipped.headers()[ETAG]);
        assert_eq!(plain.headers().get(CONTENT_ENCODING), None);
        assert_eq!(zipped.headers()[CONTENT_ENCODING], "gzip");
        for response in [&plain, &zipped] {
            let vary: Vec<_> = response.headers().get_all(VARY).iter().collect();
            assert_eq!(vary, ["Origin", "Accept-Encoding"]);
        }
        let tags = [plain.headers()[ETAG].clone(), zipped.headers()[ETAG].clone()];
        let length = zipped.headers()[CONTENT_LENGTH].to_str().unwrap().to_owned();
        let sent = body(zipped).await;
        assert_eq!((length, &sent), (sent.len().to_string(), &compressed));
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&*sent)
            .read_to_string(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, text);
        assert_eq!(body(plain).await, text);
        for (tag, encoding, status) in [
            (0, None, 304),
            (1, None, 200),
            (0, Some(GZIP), 200),
            (1, Some(GZIP), 304),
        ] {
            let request = HeaderMap::from_iter(encoding.into_iter().chain([known(&tags[tag])]));
            assert_eq!(
                document.answer(&request).status(),
                status,
                "tag {tag}, {request:?}"
            );
        }
    }

    #[test]
    fn what_does_not_get_shorter_is_not_compressed() {
        assert!(gzip(b"short").is_none());
        let noise: Vec<u8> = (0_u32..64)
            .flat_map(|n| Sha256::digest(n.to_be_bytes()).to_vec())
            .collect();
        assert!(noise.len() > LEAST_GZIP_BYTES && gzip(&noise).is_none());
    }
}
