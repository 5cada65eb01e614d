use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, header};
use tower::ServiceExt;

use crate::reply::Reply;

/// A form, byte for byte, with further headers.
///
/// # Panics
/// A path, name or value that HTTP does not allow.
#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
pub fn form_request(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).expect("a request")
}

/// The value of an `Authorization` header whose user and password are these bytes, as they stand.
pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// Sends a request through a router of one's own, for requests that run beside each other.
///
/// # Panics
/// The body of the answer ends early.
pub async fn call(router: Router, request: Request<Body>) -> Reply {
    let Ok(response) = router.oneshot(request).await;
    Reply::read(response).await
}
