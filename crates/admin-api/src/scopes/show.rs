use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::view::{ScopeView, Version};

use super::name;
use crate::api::Api;
use crate::change::tagged;
use crate::extract::Path;
use crate::problem::Problem;

/// Show a registered scope.
#[utoipa::path(
    get,
    path = "/scopes/{name}",
    tag = "scopes",
    params(("name" = String, Path, max_length = 128, description = "The scope")),
    responses((status = 200, description = "The scope", body = ScopeView)),
)]
pub(crate) async fn show_scope(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let view = ScopeView::from(&api.registered_scope(&name(&text)?).await?);
    Ok(tagged(Version::of(&view), &view))
}
