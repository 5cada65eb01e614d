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

/// Which key is generated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyGenerate {
    /// Its algorithm, one of `keys.algorithms`.
    #[schema(schema_with = super::alg_schema)]
    alg: String,
    /// Only say what would happen, and when.
    #[serde(default)]
    dry_run: bool,
}

/// Make a new pending key in place of the present one.
///
/// The present pending key, which never signed, is withdrawn. The new one is published at once and takes over on schedule.
#[utoipa::path(
    post,
    path = "/keys/generate",
    tag = "keys",
    params(Why),
    request_body = KeyGenerate,
    responses((status = 200, description = "What was done, or would be", body = KeyPlan)),
)]
pub(crate) async fn generate_key(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(generate): Body<KeyGenerate>,
) -> Result<Json<KeyPlan>, Problem> {
    let order = KeyOrder::Generate {
        alg: super::alg(&generate.alg)?,
    };
    api.change_keys(&caller, &order, generate.dry_run).await
}
