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

/// When the key stops.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRetire {
    /// Do not wait until every verifier can know its successor, or until nothing that it signed can be alive: they may
    /// refuse valid tokens.
    #[serde(default)]
    dangerous_now: bool,
    /// Only say what would happen, and when.
    #[serde(default)]
    dry_run: bool,
}

/// Stop using a key.
///
/// An active key hands over to the pending one, which must have been published by every node for
/// `keys.publish_before_signing`; it stays published until nothing that it signed can be alive. A pending key is withdrawn
/// and a new one made. A retiring key leaves the key set; that is refused until `keys.publish_after_signing` has passed,
/// when it would leave by itself. A key that leaked is compromised instead.
#[utoipa::path(
    post,
    path = "/keys/{kid}/retire",
    tag = "keys",
    params(("kid" = String, Path, description = "Its id"), Why),
    request_body = KeyRetire,
    responses((status = 200, description = "What was done, or would be", body = KeyPlan)),
)]
pub(crate) async fn retire_key(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
    Body(retire): Body<KeyRetire>,
) -> Result<Json<KeyPlan>, Problem> {
    let order = KeyOrder::Retire {
        kid: super::kid(&text)?,
        dangerous_now: retire.dangerous_now,
    };
    api.change_keys(&caller, &order, retire.dry_run).await
}
