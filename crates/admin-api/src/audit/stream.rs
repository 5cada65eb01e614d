use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::Api;
use crate::extract::Query;
use crate::problem::{Problem, ProblemKind};
use crate::trail::{Records, record_line};

/// How long a stream lasts: whoever listens comes again with a token that is still good.
const LASTING: Duration = Duration::from_secs(15 * 60);
/// How often a comment is sent where nothing happens, so that nobody between takes the stream for dead.
const BEAT: Duration = Duration::from_secs(15);

/// From where on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct From {
    /// Behind this position; without it, what is written from now on.
    after: Option<u64>,
}

/// Follow the audit trail as server-sent events.
///
/// Each event has the position as its `id` and a record as its `data`. A stream ends after a quarter of an hour; continue
/// behind the last `id`.
#[utoipa::path(
    get,
    path = "/audit/stream",
    tag = "audit",
    params(From),
    responses((status = 200, description = "Records as they are written", body = String, content_type = "text/event-stream")),
)]
pub(crate) async fn stream_audit(
    State(api): State<Arc<Api>>,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let trail = api.parts.trail.as_ref().ok_or_else(|| {
        Problem::new(
            ProblemKind::Unavailable,
            "only a running server streams: export the trail",
        )
    })?;
    let records = trail.listen(from.after, LASTING).map_err(|_| {
        Problem::new(
            ProblemKind::Unavailable,
            "too many streams are open on this node (admin.max_streams): close one, or poll /audit/export",
        )
    })?;
    // At once, so that whoever listens knows that they do.
    let opening = Some(Bytes::from_static(b": the audit trail\n\n"));
    let body = stream::unfold((records, opening), next);
    let kind = HeaderValue::from_static("text/event-stream");
    Ok(([(CONTENT_TYPE, kind)], Body::from_stream(body)).into_response())
}

type Listening = (Records, Option<Bytes>);

async fn next((mut records, opening): Listening) -> Option<(Result<Bytes, Infallible>, Listening)> {
    if let Some(opening) = opening {
        return Some((Ok(opening), (records, None)));
    }
    let text = match tokio::time::timeout(BEAT, records.next()).await {
        Ok(None) => return None,
        Ok(Some(record)) => Bytes::from(format!("id: {}\ndata: {}\n\n", record.seq, record_line(&record))),
        Err(_) => Bytes::from_static(b": nothing new\n\n"),
    };
    Some((Ok(text), (records, None)))
}
