use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use symbolon_core::audit::{AuditFilter, Order};

use super::RecordView;
use crate::api::Api;
use crate::extract::Path;
use crate::problem::Problem;

/// Show a record of the audit trail.
#[utoipa::path(
    get,
    path = "/audit/{seq}",
    tag = "audit",
    params(("seq" = u64, Path, description = "Its position")),
    responses((status = 200, description = "The record", body = RecordView)),
)]
pub(crate) async fn show_audit(
    State(api): State<Arc<Api>>,
    Path(seq): Path<u64>,
) -> Result<Json<RecordView>, Problem> {
    let unknown = || Problem::not_found("record on the audit trail, or it was swept");
    let behind = seq.checked_sub(1).ok_or_else(unknown)?;
    let found = api
        .parts
        .audit
        .audit_records(&AuditFilter::default(), Order::Earliest, Some(behind), 1)
        .await?;
    let record = found
        .first()
        .filter(|record| record.seq == seq)
        .ok_or_else(unknown)?;
    Ok(Json(record.into()))
}
