//! Documents that are for everybody: any origin may read them, with one answer for all, so that shared caches need no
//! `Vary`.

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
};
use http::{HeaderName, HeaderValue};

/// Lets every origin read.
pub const ANY_ORIGIN: (HeaderName, HeaderValue) =
    (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));

/// What a [`crate::Document`] for everybody says besides.
pub const HEADERS: [(HeaderName, HeaderValue); 2] = [
    ANY_ORIGIN,
    (ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag")),
];

/// The methods of every document.
pub const ALLOWED: [(HeaderName, HeaderValue); 1] = [(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"))];

/// What a browser is told before a request that is not simple (Fetch, "CORS-preflight request"): a conditional GET,
/// say. It may remember it for two hours, the most that any browser does.
pub const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD"),
    ),
    (
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("If-None-Match"),
    ),
    (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
];

/// The answer to OPTIONS for a document that is for everybody.
pub async fn options() -> Response {
    (ALLOWED, PREFLIGHT, [ANY_ORIGIN]).into_response()
}
