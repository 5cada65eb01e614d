use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use symbolon_core::revocation::NewRevocation;
use uuid::Uuid;

use super::version;
use crate::api::Api;
use crate::extract::{Caller, Path, Why};
use crate::problem::Problem;

/// Delete a user for good, and end all sessions.
///
/// The user may hold no admin scope that your token lacks. The names are free again; the subject is never given out again.
#[utoipa::path(
    delete,
    path = "/users/{subject}",
    tag = "users",
    params(("subject" = Uuid, Path, description = "The unchanging identity"), Why),
    responses((status = 204, description = "The user is deleted")),
)]
pub(crate) async fn delete_user(
    State(api): State<Arc<Api>>,
    Path(subject): Path<Uuid>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let user = api.user(subject).await?;
    caller.principal.may_handle(&user.scope)?;
    let entry = &NewRevocation::subject_deleted(user.subject, api.cutoff());
    let act = caller.act_on(version(&user))?;
    api.commit(&caller, act, |admin| async move {
        admin.delete_user(user.subject, entry).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
