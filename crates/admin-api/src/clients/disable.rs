use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::view::ClientView;

use crate::api::Api;
use crate::extract::{Caller, Path, Why};
use crate::problem::Problem;

/// Disable a client.
///
/// All its sessions and tokens end, and it is refused until it is enabled again.
#[utoipa::path(
    post,
    path = "/clients/{client_id}/disable",
    tag = "clients",
    params(
        ("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid"),
        Why,
    ),
    responses((status = 200, description = "The client, disabled", body = ClientView)),
)]
pub(crate) async fn disable_client(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    api.set_client_active(&caller, &text, false).await
}
