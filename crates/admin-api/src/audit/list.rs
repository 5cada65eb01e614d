use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use symbolon_core::audit::Order;

use super::RecordView;
use super::filter::AuditQuery;
use crate::api::Api;
use crate::extract::Query;
use crate::page::{Page, PageQuery};
use crate::problem::Problem;

/// The name that cursors of this list are made for.
const LIST: &str = "audit";

/// Search the audit trail, the latest first.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "audit",
    params(AuditQuery, PageQuery),
    responses(
        (status = 200, description = "The records", body = Page<RecordView>),
        (status = 422, description = "A parameter breaks a rule", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_audit(
    State(api): State<Arc<Api>>,
    Query(query): Query<AuditQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<RecordView>>, Problem> {
    let parts = &api.parts;
    let filter = query.filter()?;
    let list = format!("{LIST} {filter:?}");
    let before = page.position(&parts.cursors, &list)?;
    let before = before.and_then(|position| position.parse().ok());
    let mut found = parts
        .audit
        .audit_records(&filter, Order::Latest, before, page.limit + 1)
        .await?;
    let limit = page.limit as usize;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    Ok(Json(Page {
        items: found.iter().map(RecordView::from).collect(),
        next: last.map(|last| parts.cursors.seal(&list, &last.seq.to_string())),
    }))
}
