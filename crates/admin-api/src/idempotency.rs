//! Requests that are repeated under one key have one effect.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, IF_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use symbolon_core::ports::Idempotent;
use symbolon_oauth_types::ScopeToken;

use crate::access::Principal;
use crate::api::Api;
use crate::extract::body;
use crate::problem::{NothingChanged, Problem, ProblemKind};

/// The header that holds the key.
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest key, in bytes.
const MAX_KEY: usize = 255;
/// Most keys that a caller may have at a time.
const MAX_KEYS: u32 = 10_000;
/// Longest answer that is kept, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

tokio::task_local! {
    /// Whether the request that is under way has said that it changes nothing.
    static UNCHANGED: Cell<bool>;
}

/// Says that the request that is under way changes nothing, whatever it answers: there is no effect that could be had twice,
/// so that its key stays free.
pub(crate) fn changes_nothing() {
    // Outside of a request with a key nobody asks.
    let _ = UNCHANGED.try_with(|unchanged| unchanged.set(true));
}

/// What sees to it.
#[derive(Clone)]
pub(crate) struct Once {
    pub(crate) api: Arc<Api>,
    /// Whether answers may be kept: not where they hold a secret.
    pub(crate) keeps_body: bool,
}

/// Runs the operation, unless a request of the same caller with the same key has done so.
pub(crate) async fn once(State(once): State<Once>, request: Request, next: Next) -> Response {
    let key = match key(request.headers()) {
        Ok(None) => return next.run(request).await,
        Ok(Some(key)) => key.to_owned(),
        Err(problem) => return problem.into_response(),
    };
    match once.answer(&key, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

/// The key, where there is one.
fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    if values.next().is_some() || text.is_empty() || text.len() > MAX_KEY {
        return Err(Problem::new(
            ProblemKind::Malformed,
            format_args!("Idempotency-Key is one value of 1 to {MAX_KEY} visible characters"),
        ));
    }
    Ok(Some(text))
}

impl Once {
    async fn answer(&self, key: &str, request: Request, next: Next) -> Result<Response, Problem> {
        let parts = &self.api.parts;
        // The guard before every operation puts it there.
        let caller = request.extensions().get::<Principal>();
        let nobody = || Problem::new(ProblemKind::Internal, "nobody was admitted");
        let caller = caller.ok_or_else(nobody)?.clone();
        // Not the name of the client, which another one may have after it.
        let client = caller.client.map(|uid| uid.0.to_string());
        let client = client.unwrap_or_default();
        let cursors = &parts.cursors;
        // Keyed: a body may hold a password, which nobody is to guess from what is kept.
        let whose = [
            caller.actor.as_str().as_bytes(),
            client.as_bytes(),
            key.as_bytes(),
        ];
        let mut key = cursors.digest("idempotency-key", &whose);
        // Keys of a caller begin alike, so that they can be counted.
        key[..16].copy_from_slice(&cursors.digest("idempotency-caller", &whose[..2])[..16]);
        let (head, content) = request.into_parts();
        let content = body(Request::from_parts(head.clone(), content), parts.max_body_bytes).await?;
        let target = head.uri.path_and_query().map_or("", |target| target.as_str());
        let condition = head
            .headers
            .get(IF_MATCH)
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        // An answer that was for more scope is none for less.
        let scope: BTreeSet<&str> = caller.scope.iter().map(ScopeToken::as_str).collect();
        let scope = Vec::from_iter(scope).join(" ");
        let asked = [
            scope.as_bytes(),
            head.method.as_str().as_bytes(),
            target.as_bytes(),
            condition,
            &content,
        ];
        let asked = cursors.digest("idempotent-request", &asked);
        match parts
            .idempotency
            .begin_once(key, asked, parts.clock.now(), MAX_KEYS)
            .await?
        {
            Idempotent::First => {}
            Idempotent::Pending => {
                return Err(Problem::new(
                    ProblemKind::Pending,
                    "a request with this key is under way, or was broken off: look whether it had its effect before you \
                     repeat it under another key",
                ));
            }
            Idempotent::Full => {
                return Err(Problem::new(
                    ProblemKind::KeysFull,
                    format_args!(
                        "you have {MAX_KEYS} keys, each of which is kept for a day: leave the header out, or wait; nothing \
                         was changed"
                    ),
                ));
            }
            Idempotent::Reused => {
                return Err(Problem::new(
                    ProblemKind::KeyReused,
                    "give each request a key of its own: this one was used with another path, body or scope",
                ));
            }
            Idempotent::Answered { status, body } => return Ok(replayed(status, body)),
        }
        let request = Request::from_parts(head, Body::from(Bytes::from_owner(content)));
        let operation = async {
            let response = next.run(request).await;
            (response, UNCHANGED.with(Cell::get))
        };
        let (response, is_unchanged) = UNCHANGED.scope(Cell::new(false), operation).await;
        self.keep(key, response, is_unchanged).await
    }

    /// Keeps what came of it. Where nothing was changed, as by a refusal, the request may be made again; of a fault nothing is
    /// known.
    async fn keep(&self, key: [u8; 32], response: Response, is_unchanged: bool) -> Result<Response, Problem> {
        let store = &self.api.parts.idempotency;
        let status = response.status();
        let is_unchanged = is_unchanged || response.extensions().get::<NothingChanged>().is_some();
        if status.is_client_error() || is_unchanged {
            store.gave_up(key).await?;
            return Ok(response);
        }
        if status.is_server_error() {
            return Ok(response);
        }
        let (head, content) = response.into_parts();
        let bytes = to_bytes(content, usize::MAX)
            .await
            .map_err(|_| Problem::new(ProblemKind::Internal, "the answer could not be made"))?;
        let text = std::str::from_utf8(&bytes).ok();
        let kept = text.filter(|text| self.keeps_body && text.len() <= MAX_ANSWER);
        if let Err(error) = store.answered(key, status.as_u16(), kept).await {
            // It is done, and the key stays taken: a repeated request has no second effect.
            tracing::warn!(%error, "the answer to a request with an idempotency key could not be kept");
        }
        Ok(Response::from_parts(head, Body::from(bytes)))
    }
}

/// The answer of the first request.
fn replayed(status: u16, body: Option<String>) -> Response {
    let Some(body) = body else {
        return Problem::new(
            ProblemKind::Conflict,
            "the first request with this key was done; its answer held a secret, or there was no room for it, and was not kept",
        )
        .into_response();
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = HeaderValue::from_static("application/json");
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
        .headers_mut()
        .insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}
