use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use symbolon_core::view::ScopeView;

use crate::api::Api;
use crate::page::Page;
use crate::problem::Problem;

/// List the registered scopes; there are at most 1,000.
#[utoipa::path(
    get,
    path = "/scopes",
    tag = "scopes",
    responses((status = 200, description = "The scopes", body = Page<ScopeView>)),
)]
pub(crate) async fn list_scopes(State(api): State<Arc<Api>>) -> Result<Json<Page<ScopeView>>, Problem> {
    let scopes = api.reading().scopes().await?;
    Ok(Json(Page::whole(scopes.iter().map(ScopeView::from))))
}
