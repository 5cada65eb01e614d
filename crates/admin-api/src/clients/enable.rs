use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::view::ClientView;

use crate::api::Api;
use crate::extract::{Caller, Path, Why};
use crate::problem::Problem;

/// Enable a client again.
///
/// What was before stays ended.
#[utoipa::path(
    post,
    path = "/clients/{client_id}/enable",
    tag = "clients",
    params(
        ("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid"),
        Why,
    ),
    responses((status = 200, description = "The client, enabled", body = ClientView)),
)]
pub(crate) async fn enable_client(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    api.set_client_active(&caller, &text, true).await
}
