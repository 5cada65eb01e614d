use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::view::RevocationView;
use crate::api::Api;
use crate::extract::Query;
use crate::page::{Page, PageQuery};
use crate::problem::Problem;

/// The name that cursors of this list are made for.
const LIST: &str = "revocations";

/// List the entries of the revocation log that have not been swept, the latest first.
#[utoipa::path(
    get,
    path = "/revocations",
    tag = "revocations",
    params(PageQuery),
    responses((status = 200, description = "The entries", body = Page<RevocationView>)),
)]
pub(crate) async fn list_revocations(
    State(api): State<Arc<Api>>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<RevocationView>>, Problem> {
    let parts = &api.parts;
    let before = page.position(&parts.cursors, LIST)?;
    let before = before.and_then(|position| position.parse().ok());
    let mut found = parts.records.revocations(before, page.limit + 1).await?;
    let limit = page.limit as usize;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    Ok(Json(Page {
        items: found.iter().map(RevocationView::from).collect(),
        next: last.map(|last| parts.cursors.seal(LIST, &last.logged.seq.to_string())),
    }))
}
