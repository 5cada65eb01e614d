use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use symbolon_core::revocation::NewRevocation;

use super::version;
use crate::api::Api;
use crate::extract::{Caller, Path, Why};
use crate::problem::Problem;

/// Delete a client for good.
///
/// Its sessions and tokens end, and the resource servers that it is go with it: clients that may ask tokens for them get
/// none any more.
#[utoipa::path(
    delete,
    path = "/clients/{client_id}",
    tag = "clients",
    params(
        ("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid"),
        Why,
    ),
    responses((status = 204, description = "It is deleted")),
)]
pub(crate) async fn delete_client(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let client = api.client_for(&caller, &text).await?;
    let entry = &NewRevocation::client_deleted(&client.client_id, api.cutoff());
    let act = caller.act_on(version(&client))?;
    api.commit(&caller, act, |admin| async move {
        admin.delete_client(client.uid, entry).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
