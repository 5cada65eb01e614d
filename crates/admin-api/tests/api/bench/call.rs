//! Calls and answers.

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderMap, HeaderName, Method, Request};
use serde_json::Value;
use symbolon_admin_api::PREFIX;
use symbolon_core::RequestInfo;

use super::fakes::{ADDRESS, GOOD, REQUEST};
use crate::bench::Bench;

/// A call that is being put together.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

impl Call {
    /// With a token that the gate admits. The path is that below the prefix.
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: format!("{PREFIX}{path}"),
            headers: vec![(AUTHORIZATION, format!("Bearer {GOOD}"))],
            body: Vec::new(),
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn put(path: &str) -> Self {
        Self::new(Method::PUT, path)
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// A merge patch.
    pub(crate) fn patch(path: &str, patch: &Value) -> Self {
        Self::new(Method::PATCH, path)
            .header(CONTENT_TYPE, "application/merge-patch+json")
            .raw(patch.to_string())
    }

    /// With that body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.header(CONTENT_TYPE, "application/json")
            .raw(body.to_string())
    }

    /// With those bytes as body.
    pub(crate) fn raw(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    /// On condition that the record still has that entity tag.
    pub(crate) fn if_match(self, tag: &str) -> Self {
        self.header(IF_MATCH, tag)
    }

    /// Under that idempotency key.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header(HeaderName::from_static("idempotency-key"), key)
    }

    /// With that header.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With that token, or none.
    pub(crate) fn token(mut self, token: Option<&str>) -> Self {
        self.headers.retain(|(name, _)| name != AUTHORIZATION);
        match token {
            Some(token) => self.header(AUTHORIZATION, &format!("Bearer {token}")),
            None => self,
        }
    }

    /// What comes of it.
    pub(crate) async fn to(self, bench: &Bench) -> Answer {
        bench.call(self).await
    }

    pub(crate) fn into_request(self) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(Body::from(self.body)).unwrap();
        request.extensions_mut().insert(RequestInfo {
            id: REQUEST,
            received: symbolon_testkit::FakeClock::START,
            address: Some(ADDRESS),
        });
        request
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The same, which has that status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// The same, which is a problem with those fields, of that status.
    #[track_caller]
    pub(crate) fn expect_fields(self, status: u16, fields: &[&str]) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.fields(), fields, "{}", answer.text);
        answer
    }

    /// The entity tag.
    pub(crate) fn etag(&self) -> String {
        self.headers[ETAG].to_str().unwrap().to_owned()
    }

    /// The kind of problem that it is.
    pub(crate) fn kind(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        kind.strip_prefix("urn:symbolon:problem:").unwrap_or(kind)
    }

    /// The fields that the problem names.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors.map(|error| error["field"].as_str().unwrap()).collect()
    }

    /// The items of a page.
    pub(crate) fn items(&self) -> &[Value] {
        self.body["items"].as_array().unwrap()
    }
}
