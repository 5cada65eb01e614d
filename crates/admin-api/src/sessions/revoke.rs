use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Api;
use crate::extract::{Body, Caller, Path};
use crate::problem::Problem;
use crate::revocations::{Filter, RevocationRequest, RevocationsMade};

/// Why a session is ended.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRevocation {
    /// Why, for the record.
    #[schema(min_length = 1, max_length = 200)]
    pub reason: String,
}

/// End a session: its refresh token and all of its access tokens.
///
/// The same as a revocation with the filter `session`.
#[utoipa::path(
    post,
    path = "/sessions/{sid}/revoke",
    tag = "sessions",
    params(("sid" = Uuid, Path, description = "`sid` in its tokens")),
    request_body = SessionRevocation,
    responses(
        (status = 200, description = "It has ended everywhere", body = RevocationsMade),
        (status = 202, description = "It is on record; a node that can't read the log may not know of it yet", body = RevocationsMade),
    ),
)]
pub(crate) async fn revoke_session(
    State(api): State<Arc<Api>>,
    Path(sid): Path<Uuid>,
    caller: Caller,
    Body(body): Body<SessionRevocation>,
) -> Result<Response, Problem> {
    let request = RevocationRequest::of(Filter::Session(sid), body.reason);
    api.revoke(caller, request).await
}
