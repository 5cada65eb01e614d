//! The two documents over HTTP.

use std::future::{Ready, ready};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ORIGIN, VARY};
use http::{HeaderMap, HeaderValue};
use symbolon_documents::open::{self, ALLOWED, PREFLIGHT};

use crate::keyring::Keyring;
use crate::metadata::{Current, Published};

/// What the documents are made of.
#[derive(Clone)]
pub struct PublisherState {
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// The metadata and the origins that may read it.
    pub published: Arc<Published>,
}

/// Serves the key set at `<issuer>/.well-known/jwks.json`, to every origin, and the metadata where RFC 8414
/// section 3.1 puts it, to origins that an enabled client registered. Both answer GET and HEAD, conditional or not,
/// and OPTIONS; anything else is 405.
pub fn router(state: PublisherState) -> Router {
    let endpoints = state.published.endpoints();
    let (jwks_route, metadata_route) = (endpoints.jwks_route(), endpoints.metadata_route());
    Router::new()
        .route(&jwks_route, get(Jwks(state.keyring)).options(open::options))
        .route(
            &metadata_route,
            get(metadata)
                .options(metadata_options)
                .with_state(state.published),
        )
}

/// Answers from memory, so that there is nothing to wait for.
#[derive(Clone)]
struct Jwks(Arc<Keyring>);

impl<S> Handler<(), S> for Jwks {
    type Future = Ready<Response>;

    fn call(self, request: Request, _state: S) -> Self::Future {
        ready(self.0.answer(request.headers()))
    }
}

async fn metadata(State(published): State<Arc<Published>>, request: Request) -> Response {
    let current = published.current();
    let mut response = current.document.answer(request.headers());
    if let Some(origin) = allowed_origin(&current, request.headers()) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag"));
    }
    response
}

async fn metadata_options(State(published): State<Arc<Published>>, request: Request) -> Response {
    let vary = [(VARY, HeaderValue::from_static("Origin"))];
    match allowed_origin(&published.current(), request.headers()) {
        Some(origin) => {
            let origin = [(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())];
            (ALLOWED, vary, PREFLIGHT, origin).into_response()
        }
        None => (ALLOWED, vary).into_response(),
    }
}

/// The one `Origin` of the request, if it is registered. Two of them are nobody's.
fn allowed_origin<'r>(current: &Current, request: &'r HeaderMap) -> Option<&'r HeaderValue> {
    let mut origins = request.get_all(ORIGIN).iter();
    let origin = origins.next().filter(|_| origins.next().is_none())?;
    current.allows_origin(origin.to_str().ok()?).then_some(origin)
}
