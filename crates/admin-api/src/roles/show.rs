use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::view::{RoleView, Version};

use super::name;
use crate::api::Api;
use crate::change::tagged;
use crate::extract::Path;
use crate::problem::Problem;

/// Show a role.
#[utoipa::path(
    get,
    path = "/roles/{name}",
    tag = "roles",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The role", body = RoleView)),
)]
pub(crate) async fn show_role(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let role = api.role(&name(&text)?).await?;
    let view = RoleView::from(&role.ok_or_else(|| Problem::not_found("role"))?);
    Ok(tagged(Version::of(&view), &view))
}
