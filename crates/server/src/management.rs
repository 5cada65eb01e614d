//! The management listener: metrics and health, away from the public one.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use symbolon_core::facts::Revocations;
use symbolon_revocation::LiveLog;
use symbolon_token_endpoint::Service;

use crate::health::{self, Health};
use crate::http::ListenerStats;
use crate::log_buffer::LogBuffer;

/// `/metrics`, `/healthz` and `/readyz`.
pub fn router(registry: Registry, health: Arc<Health>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(Arc::new(registry))
        .merge(health::router(health))
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// What is read when it is asked for rather than counted as it happens.
pub struct Gauges {
    /// The endpoints.
    pub service: Arc<Service>,
    /// The revocation log.
    pub log: Arc<LiveLog>,
    /// The public listener.
    pub listener: Arc<ListenerStats>,
    /// Log lines that were dropped.
    pub dropped: Option<LogBuffer>,
}

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauges").finish_non_exhaustive()
    }
}

impl Collector for Gauges {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let lane = self.service.lane();
        let (seq, entries) = {
            let applied = self.log.applied();
            (applied.head.seq, applied.cutoffs.len())
        };
        let listener = &self.listener;
        let dropped = self.dropped.as_ref().map_or(0, LogBuffer::dropped);
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for (name, help, value) in [
            (
                "hash_lane_waiting",
                "Logins that wait for the hash lane",
                signed(lane.waiting()),
            ),
            (
                "hash_lane_running",
                "Password hashes under way",
                signed(lane.running()),
            ),
            (
                "revocation_log_seq",
                "Last entry of the revocation log that was applied",
                i64::try_from(seq).unwrap_or(i64::MAX),
            ),
            (
                "revocation_entries",
                "Revocation entries in force",
                signed(entries),
            ),
            (
                "connections",
                "Connections open",
                i64::try_from(listener.active()).unwrap_or(i64::MAX),
            ),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        for (name, help, value) in [
            (
                "connections_accepted",
                "Connections accepted",
                listener.accepted(),
            ),
            (
                "connections_refused_plain",
                "Connections refused because they were not encrypted",
                listener.refused_plain(),
            ),
            (
                "tls_failures",
                "TLS handshakes that failed",
                listener.tls_failures(),
            ),
            (
                "accept_errors",
                "Connections that the system could not accept",
                listener.accept_errors(),
            ),
            (
                "timeouts",
                "Requests and responses that took too long",
                listener.timeouts(),
            ),
            (
                "log_lines_dropped",
                "Log lines dropped because standard error was too slow",
                dropped,
            ),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(to.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}
