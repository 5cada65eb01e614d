use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// Reads a response.
    ///
    /// # Panics
    /// The body ends early.
    #[expect(
        clippy::expect_used,
        reason = "test support: a body that ends early is a failed test"
    )]
    pub async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// The body as JSON; `null` where it is empty.
    ///
    /// # Panics
    /// It is not JSON.
    #[expect(
        clippy::expect_used,
        reason = "test support: a body that is no JSON is a failed test"
    )]
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// A text member of the body; empty where there is none.
    pub fn text(&self, member: &str) -> String {
        self.json()
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Asserts a refusal: status, OAuth error code, and that nothing may be stored on the way.
    ///
    /// # Panics
    /// It is another answer.
    #[track_caller]
    pub fn assert_error(&self, status: u16, error: &str) {
        assert_eq!(
            (self.status.as_u16(), self.text("error").as_str()),
            (status, error),
            "{self:?}"
        );
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(!self.text("error_description").is_empty());
    }

    /// Asserts success and returns the body.
    ///
    /// # Panics
    /// It is a refusal.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()
    }
}
