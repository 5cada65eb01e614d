use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::activate::KeyWhen;
use super::port::KeyOrder;
use super::view::KeyPlan;
use crate::api::Api;
use crate::extract::{Body, Caller, Path, Why};
use crate::problem::Problem;

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
    request_body = KeyWhen,
    responses((status = 200, description = "What was done, or would be", body = KeyPlan)),
)]
pub(crate) async fn retire_key(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
    Body(retire): Body<KeyWhen>,
) -> Result<Json<KeyPlan>, Problem> {
    let order = KeyOrder::Retire {
        kid: super::kid(&text)?,
        dangerous_now: retire.dangerous_now,
    };
    api.change_keys(&caller, &order, retire.dry_run).await
}
