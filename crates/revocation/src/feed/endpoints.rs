//! The feed over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use symbolon_documents::{Document, open};
use symbolon_oauth_types::feed::paths;
use uuid::Uuid;

use super::Feed;
use super::stream::{Begin, Resume};
use super::view::View;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks proxies not to gather a stream (nginx and others).
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Seconds after which a stream may be asked for again: others end now and then.
const STREAMS_RETRY_AFTER: &str = "10";

/// Serves the feed below a path such as `/revocations`: everything but the evidence. All answer GET and HEAD, and
/// OPTIONS; every origin may read them.
pub fn router(feed: Arc<Feed>, at: &str) -> Router {
    let path = |path: &str| format!("{at}{path}");
    let batches = format!("{at}{}/{{log}}/{{seq}}", paths::BATCHES);
    Router::new()
        .route(&path(paths::KEYS), get(keys).options(open::options))
        .route(&path(paths::HEAD), get(head).options(open::options))
        .route(&path(paths::SNAPSHOT), get(snapshot).options(open::options))
        .route(&batches, get(batch).options(open::options))
        .route(&path(paths::STREAM), get(stream).options(stream_options))
        .with_state(feed)
}

async fn keys(State(feed): State<Arc<Feed>>, request: HeaderMap) -> Response {
    feed.keys.answer(&request)
}

async fn head(State(feed): State<Arc<Feed>>, request: HeaderMap) -> Response {
    let view = feed.view.load();
    match view.as_ref() {
        None => not_yet(),
        Some(view) if feed.is_blind(view) => unavailable("1", "this node does not see the log at present"),
        Some(view) => view.head.document.answer(&request),
    }
}

async fn snapshot(State(feed): State<Arc<Feed>>, request: HeaderMap) -> Response {
    feed.answer(&request, |view| {
        view.snapshot.as_ref().map(|snapshot| &snapshot.document)
    })
}

/// 404 also for what is no position: nothing is behind it.
async fn batch(
    State(feed): State<Arc<Feed>>,
    Path((log, seq)): Path<(String, String)>,
    request: HeaderMap,
) -> Response {
    let Some((log, seq)) = position(&log, &seq) else {
        return nothing_behind();
    };
    match feed.view.load().as_ref() {
        None => not_yet(),
        Some(view) => match view.batch(log, seq) {
            None => nothing_behind(),
            Some(kept) => kept.document.answer(&request),
        },
    }
}

/// Each position has one spelling, so that caches do not keep others.
fn position(log: &str, seq: &str) -> Option<(Uuid, u64)> {
    let (id, number) = (log.parse::<Uuid>().ok()?, seq.parse::<u64>().ok()?);
    let is_canonical = id.hyphenated().to_string() == log && number.to_string() == seq;
    is_canonical.then_some((id, number))
}

async fn stream(State(feed): State<Arc<Feed>>, request: HeaderMap) -> Response {
    let begin = match request.get(LAST_EVENT_ID) {
        // As a browser says that it has none.
        None => Begin::Now,
        Some(id) if id.is_empty() => Begin::Now,
        Some(id) => Begin::Behind(id.to_str().ok().and_then(Resume::parse)),
    };
    let Some(body) = feed.stream(begin) else {
        return unavailable(STREAMS_RETRY_AFTER, "this node has no stream to give at present");
    };
    let headers = [
        open::ANY_ORIGIN,
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body).into_response()
}

async fn stream_options() -> Response {
    let preflight = [
        open::ANY_ORIGIN,
        (
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, HEAD"),
        ),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Last-Event-ID"),
        ),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
    ];
    (open::ALLOWED, preflight).into_response()
}

impl Feed {
    fn answer(&self, request: &HeaderMap, document: impl Fn(&View) -> Option<&Document>) -> Response {
        let view = self.view.load();
        match view.as_ref().and_then(|view| document(view)) {
            Some(document) => document.answer(request),
            None => not_yet(),
        }
    }
}

/// The node has just started, or the log was replaced.
fn not_yet() -> Response {
    unavailable("1", "this node is about to sign it")
}

fn unavailable(retry_after: &'static str, detail: &'static str) -> Response {
    let retry = [(RETRY_AFTER, HeaderValue::from_static(retry_after))];
    let refusal = refusal(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", detail);
    (retry, refusal).into_response()
}

fn nothing_behind() -> Response {
    let detail = "nothing is kept behind this position of this log: read the snapshot";
    refusal(StatusCode::NOT_FOUND, "not_found", detail)
}

/// Not for caches: a moment later the answer may be another.
fn refusal(status: StatusCode, error: &'static str, detail: &'static str) -> Response {
    let headers = [
        open::ANY_ORIGIN,
        (
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Retry-After"),
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    let body = format!(r#"{{"error":"{error}","error_description":"{detail}"}}"#);
    (status, headers, body).into_response()
}
