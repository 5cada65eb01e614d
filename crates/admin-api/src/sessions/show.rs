use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use super::SessionView;
use crate::api::Api;
use crate::extract::Path;
use crate::problem::Problem;

/// Show a session that has not reached its absolute end.
#[utoipa::path(
    get,
    path = "/sessions/{sid}",
    tag = "sessions",
    params(("sid" = Uuid, Path, description = "`sid` in its tokens")),
    responses((status = 200, description = "The session", body = SessionView)),
)]
pub(crate) async fn show_session(
    State(api): State<Arc<Api>>,
    Path(sid): Path<Uuid>,
) -> Result<Json<SessionView>, Problem> {
    Ok(Json(api.live_session(sid).await?.into()))
}
