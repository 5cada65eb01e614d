use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use super::place_of;
use crate::api::Api;
use crate::extract::{Caller, Path, Why};
use crate::problem::Problem;

/// Delete a secret of a client: it is refused from now on.
///
/// Sessions and tokens that it got stay good: where the secret has leaked, revoke what the client began.
#[utoipa::path(
    delete,
    path = "/clients/{client_id}/secrets/{secret_id}",
    tag = "clients",
    params(
        ("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid"),
        ("secret_id" = String, Path, max_length = 12, description = "The id of the secret, as it is listed"),
        Why,
    ),
    responses((status = 204, description = "It is deleted")),
)]
pub(crate) async fn delete_client_secret(
    State(api): State<Arc<Api>>,
    Path((text, id)): Path<(String, String)>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let client = api.client_for(&caller, &text).await?;
    let mut secrets = client.secrets.clone();
    secrets.remove(place_of(&client, &id)?);
    api.keep_secrets(&caller, &client, &secrets).await?;
    Ok(StatusCode::NO_CONTENT)
}
