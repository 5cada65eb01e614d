use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::Api;
use crate::extract::Query;
use crate::page::MAX_LIMIT;
use crate::problem::Problem;
use crate::trail::{anchor_line, record_line};

/// Which part of the trail.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// Behind this position; 0, or nothing, from the earliest record that is still there.
    #[serde(default)]
    #[param(default = 0)]
    after: u64,
    /// Most records to return.
    #[param(minimum = 1, maximum = 500, default = 500)]
    limit: Option<u32>,
}

/// Export the audit trail as JSON lines, the earliest first, byte for byte as its hashes cover it.
///
/// Where records behind `after` were swept the part begins with a line that says what its first record follows from. The
/// next part is behind the last `seq`; no line, no more records. `symbolon audit verify` reads the lines.
#[utoipa::path(
    get,
    path = "/audit/export",
    tag = "audit",
    params(Part),
    responses((status = 200, description = "Records, one on each line", body = String, content_type = "application/jsonl")),
)]
pub(crate) async fn export_audit(
    State(api): State<Arc<Api>>,
    Query(part): Query<Part>,
) -> Result<Response, Problem> {
    let audit = &api.parts.audit;
    let limit = part.limit.unwrap_or(MAX_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::new(
            crate::ProblemKind::Malformed,
            format_args!("limit: give 1 to {MAX_LIMIT}"),
        ));
    }
    let (anchor, records) = audit.audit_part(part.after, limit).await?;
    let mut lines = String::new();
    if anchor.seq > part.after {
        lines.push_str(&anchor_line(&anchor));
        lines.push('\n');
    }
    for record in &records {
        lines.push_str(&record_line(record));
        lines.push('\n');
    }
    let kind = HeaderValue::from_static("application/jsonl");
    Ok(([(CONTENT_TYPE, kind)], lines).into_response())
}
