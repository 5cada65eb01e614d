use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::view::SecretView;

use crate::api::Api;
use crate::change::tagged;
use crate::extract::Path;
use crate::page::Page;
use crate::problem::Problem;

/// List the secrets of a client, told apart by their ids; there are at most 8.
///
/// The ETag is that of the client. Secrets that have expired are listed until the next one is added.
#[utoipa::path(
    get,
    path = "/clients/{client_id}/secrets",
    tag = "clients",
    params(("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid")),
    responses((status = 200, description = "Its secrets", body = Page<SecretView>)),
)]
pub(crate) async fn list_client_secrets(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let client = api.client(&text).await?;
    let page = Page::whole(client.secrets.iter().map(SecretView::from));
    Ok(tagged(super::version(&client), &page))
}
