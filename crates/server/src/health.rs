//! Whether the process lives, and whether it may be sent requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use symbolon_core::Clock;
use symbolon_core::cluster_clock::ClusterClock;
use symbolon_core::facts::Revocations;
use symbolon_core::tokens::AccessTokens;
use symbolon_revocation::LiveLog;

/// What readiness is judged by.
pub struct Health {
    log: Arc<LiveLog>,
    tokens: Arc<dyn AccessTokens>,
    clock: Arc<ClusterClock>,
    draining: AtomicBool,
}

/// A node that has not read the log for this long can't tell what was revoked.
const LOG_TOO_OLD: Duration = Duration::from_secs(3);

impl Health {
    /// Health of a node that follows this log and signs these tokens.
    pub fn new(log: Arc<LiveLog>, tokens: Arc<dyn AccessTokens>, clock: Arc<ClusterClock>) -> Self {
        Self {
            log,
            tokens,
            clock,
            draining: AtomicBool::new(false),
        }
    }

    /// The node is about to stop: it is not ready any more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The node's clock.
    pub fn clock(&self) -> Arc<ClusterClock> {
        self.clock.clone()
    }

    /// Why no requests should be sent here; `None` where they may.
    pub fn not_ready(&self) -> Option<&'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("shutting down");
        }
        let age = self.clock.monotonic().saturating_sub(self.log.applied().observed);
        if age > LOG_TOO_OLD {
            return Some("the revocation log can't be read");
        }
        if self.clock.is_too_uncertain() {
            return Some("the database's clock can't be known to database.clock_tolerance");
        }
        let unsigned = self.tokens.can_sign(None).is_err();
        unsigned.then_some("there is no key to sign with")
    }
}

/// `/healthz`: the process lives. `/readyz`: requests may be sent.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route(
            "/healthz",
            get(|| async { answer(StatusCode::OK, "{\"status\":\"alive\"}".to_owned()) }),
        )
        .route("/readyz", get(ready))
        .with_state(health)
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    match health.not_ready() {
        None => answer(StatusCode::OK, "{\"status\":\"ready\"}".to_owned()),
        Some(why) => {
            let body = format!("{{\"status\":\"not ready\",\"reason\":\"{why}\"}}");
            answer(StatusCode::SERVICE_UNAVAILABLE, body)
        }
    }
}

fn answer(status: StatusCode, body: String) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    let json = HeaderValue::from_static("application/json");
    (
        status,
        [(header::CACHE_CONTROL, no_store), (header::CONTENT_TYPE, json)],
        body,
    )
        .into_response()
}
