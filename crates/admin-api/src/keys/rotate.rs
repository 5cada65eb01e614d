use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::port::KeyOrder;
use super::view::KeyPlan;
use crate::api::Api;
use crate::extract::{Body, Caller, Why};
use crate::problem::Problem;

/// Which keys rotate, and when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysRotate {
    /// Only the keys of this algorithm, one of `keys.algorithms`.
    #[schema(schema_with = super::alg_schema)]
    alg: Option<String>,
    /// Do not wait until every verifier can know the keys that sign next: they may refuse valid tokens.
    #[serde(default)]
    dangerous_now: bool,
    /// Only say what would happen, and when.
    #[serde(default)]
    dry_run: bool,
}

/// Let the pending keys sign now rather than on schedule.
///
/// Of every algorithm, or of one. Each active key retires: it signs no more, and stays published until nothing that it
/// signed can be alive. New pending keys are made. Refused as a whole until each pending key has been published by every
/// node for `keys.publish_before_signing`: `detail` says how long to wait.
#[utoipa::path(
    post,
    path = "/keys/rotate",
    tag = "keys",
    params(Why),
    request_body = KeysRotate,
    responses((status = 200, description = "What was done, or would be", body = KeyPlan)),
)]
pub(crate) async fn rotate_keys(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(rotate): Body<KeysRotate>,
) -> Result<Json<KeyPlan>, Problem> {
    let order = KeyOrder::Rotate {
        alg: rotate.alg.as_deref().map(super::alg).transpose()?,
        dangerous_now: rotate.dangerous_now,
    };
    api.change_keys(&caller, &order, rotate.dry_run).await
}
