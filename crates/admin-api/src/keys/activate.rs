use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::port::KeyOrder;
use super::view::KeyPlan;
use crate::api::Api;
use crate::extract::{Body, Caller, Path, Why};
use crate::problem::Problem;

/// When a key signs, or stops.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyWhen {
    /// Do not wait until every verifier can know the key that signs from now on, or until nothing that this one signed can
    /// be alive: verifiers may refuse valid tokens.
    #[serde(default)]
    pub(super) dangerous_now: bool,
    /// Only say what would happen, and when.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// Let a pending key sign now rather than on schedule.
///
/// The active key of its algorithm retires: it signs no more, and stays published until nothing that it signed can be
/// alive. A new pending key is made. Refused until the key has been published by every node for
/// `keys.publish_before_signing`: `detail` says how long to wait.
#[utoipa::path(
    post,
    path = "/keys/{kid}/activate",
    tag = "keys",
    params(("kid" = String, Path, description = "Its id"), Why),
    request_body = KeyWhen,
    responses((status = 200, description = "What was done, or would be", body = KeyPlan)),
)]
pub(crate) async fn activate_key(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
    Body(activate): Body<KeyWhen>,
) -> Result<Json<KeyPlan>, Problem> {
    let order = KeyOrder::Activate {
        kid: super::kid(&text)?,
        dangerous_now: activate.dangerous_now,
    };
    api.change_keys(&caller, &order, activate.dry_run).await
}
