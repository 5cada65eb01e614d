use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::view::{ClientView, Version};

use crate::api::Api;
use crate::change::tagged;
use crate::extract::Path;
use crate::problem::Problem;

/// Show a client.
#[utoipa::path(
    get,
    path = "/clients/{client_id}",
    tag = "clients",
    params(("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid")),
    responses((status = 200, description = "The client", body = ClientView)),
)]
pub(crate) async fn show_client(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let view = ClientView::from(&api.client(&text).await?);
    Ok(tagged(Version::of(&view), &view))
}
