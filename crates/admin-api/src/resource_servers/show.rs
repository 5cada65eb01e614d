use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::view::Version;

use super::{ResourceServerView, audience};
use crate::api::Api;
use crate::change::tagged;
use crate::extract::Path;
use crate::problem::Problem;

/// Show a resource server.
#[utoipa::path(
    get,
    path = "/resource-servers/{audience}",
    tag = "resource servers",
    params(("audience" = String, Path, max_length = 512, description = "Its audience, percent-encoded")),
    responses((status = 200, description = "The resource server", body = ResourceServerView)),
)]
pub(crate) async fn show_resource_server(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let found = api.audience(&audience(&text)?).await?;
    let listed = found.ok_or_else(|| Problem::not_found("resource server"))?;
    let view = ResourceServerView::from(&listed);
    Ok(tagged(Version::of(&view), &view))
}
