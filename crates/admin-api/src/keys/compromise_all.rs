use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::compromise::KeyCompromise;
use super::view::KeysCompromised;
use crate::api::Api;
use crate::extract::{Body, Caller};
use crate::problem::Problem;

/// Withdraw every key that is published, pending ones too: somebody has read the database and the key-encryption key.
///
/// New keys are made, and sign at once. It can't be undone. `notes` in the answer say what is left to do.
#[utoipa::path(
    post,
    path = "/keys/compromise",
    tag = "keys",
    request_body = KeyCompromise,
    responses(
        (status = 200, description = "What was done, or would be: no node accepts what the keys signed", body = KeysCompromised),
        (status = 202, description = "It is done, but a node that can't read the database may not know of it yet", body = KeysCompromised),
    ),
)]
pub(crate) async fn compromise_all_keys(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(compromise): Body<KeyCompromise>,
) -> Result<Response, Problem> {
    api.compromise_keys(caller, None, &compromise).await
}
