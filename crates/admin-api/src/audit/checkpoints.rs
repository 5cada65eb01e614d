use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_core::time::rfc3339;
use utoipa::{IntoParams, ToSchema};

use crate::api::Api;
use crate::extract::Query;
use crate::page::{MAX_LIMIT, Page};
use crate::problem::{Problem, ProblemKind};

/// A signed statement of how far the trail had come: keep it where whoever can write to the database can't.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditCheckpoint)]
pub struct CheckpointView {
    /// The position that it covers.
    pub seq: u64,
    /// When it was made.
    pub at: String,
    /// The same in milliseconds since the epoch.
    pub at_ms: u64,
    /// Compact JWS over the position and its hash.
    pub signed: String,
}

/// A JWK set (RFC 7517).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = CheckpointKeys)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Value>,
}

/// Which checkpoints.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Behind {
    /// Behind this position; `last` is told by `last=true`.
    #[serde(default)]
    #[param(default = 0)]
    after: u64,
    /// The last one alone.
    #[serde(default)]
    last: bool,
    /// Most checkpoints to return.
    #[param(minimum = 1, maximum = 500, default = 500)]
    limit: Option<u32>,
}

/// List checkpoints, the earliest first; the next page is behind the last `seq`.
#[utoipa::path(
    get,
    path = "/audit/checkpoints",
    tag = "audit",
    params(Behind),
    responses((status = 200, description = "The checkpoints", body = Page<CheckpointView>)),
)]
pub(crate) async fn list_checkpoints(
    State(api): State<Arc<Api>>,
    Query(behind): Query<Behind>,
) -> Result<Json<Page<CheckpointView>>, Problem> {
    let limit = behind.limit.unwrap_or(MAX_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::new(
            ProblemKind::Malformed,
            format_args!("limit: give 1 to {MAX_LIMIT}"),
        ));
    }
    let audit = &api.parts.audit;
    let found = if behind.last {
        audit.last_checkpoint().await?.into_iter().collect()
    } else {
        audit.checkpoints(behind.after, limit).await?
    };
    let view = |checkpoint: &symbolon_core::audit::Checkpoint| CheckpointView {
        seq: checkpoint.seq,
        at: rfc3339(checkpoint.at),
        at_ms: checkpoint.at.0,
        signed: checkpoint.signed.clone(),
    };
    Ok(Json(Page {
        items: found.iter().map(view).collect(),
        next: None,
    }))
}

/// Show the public keys that checkpoints are signed with.
#[utoipa::path(
    get,
    path = "/audit/keys",
    tag = "audit",
    responses((status = 200, description = "The keys, as a JWK set", body = Jwks)),
)]
pub(crate) async fn show_checkpoint_keys(State(api): State<Arc<Api>>) -> Result<Json<Value>, Problem> {
    let keys = api.parts.checkpoint_keys.as_ref().ok_or_else(sealed)?;
    let jwks = serde_json::to_value(keys.jwks());
    let jwks = jwks.map_err(|_| Problem::new(ProblemKind::Internal, "the keys have no form in JSON"))?;
    Ok(Json(jwks))
}

/// The server secrets of the audit trail can't be opened here.
pub(super) fn sealed() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "the keys of the checkpoints can't be opened: give this process the key-encryption key",
    )
}
