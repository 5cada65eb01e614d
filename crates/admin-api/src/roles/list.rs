use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use symbolon_core::view::RoleView;

use crate::api::Api;
use crate::page::Page;
use crate::problem::Problem;

/// List all roles; there are at most 1,000.
#[utoipa::path(
    get,
    path = "/roles",
    tag = "roles",
    responses((status = 200, description = "The roles", body = Page<RoleView>)),
)]
pub(crate) async fn list_roles(State(api): State<Arc<Api>>) -> Result<Json<Page<RoleView>>, Problem> {
    let roles = api.reading().roles().await?;
    Ok(Json(Page::whole(roles.iter().map(RoleView::from))))
}
