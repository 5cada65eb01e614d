use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::doing;
use super::view::KeysRewrapped;
use crate::api::Api;
use crate::extract::{Body, Caller, Why};
use crate::idempotency::changes_nothing;
use crate::problem::Problem;

/// Whether it is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysRewrap {
    /// Only open every record, and say what would be encrypted again.
    #[serde(default)]
    dry_run: bool,
}

/// Encrypt again, under `keys.encryption_key`, what is stored under `keys.previous_encryption_key`.
///
/// Signing keys and server secrets. Every record is opened before the first is touched; cut short, it can be done again.
/// Refused until every running node has the new key.
#[utoipa::path(
    post,
    path = "/keys/rewrap",
    tag = "keys",
    params(Why),
    request_body = KeysRewrap,
    responses((status = 200, description = "What it came to", body = KeysRewrapped)),
)]
pub(crate) async fn rewrap_keys(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(rewrap): Body<KeysRewrap>,
) -> Result<Json<KeysRewrapped>, Problem> {
    let act = doing(&caller)?;
    if rewrap.dry_run {
        changes_nothing();
    }
    Ok(Json(api.parts.keys.rewrap(rewrap.dry_run, &act).await?))
}
