use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::user::User;
use uuid::Uuid;

use super::{UserDetail, shown, version};
use crate::api::Api;
use crate::extract::{Caller, Path, Why};
use crate::problem::Problem;

/// Disable a user: end all sessions, and refuse logins until the user is enabled.
///
/// The user may hold no admin scope that your token lacks.
#[utoipa::path(
    post,
    path = "/users/{subject}/disable",
    tag = "users",
    params(("subject" = Uuid, Path, description = "The unchanging identity"), Why),
    responses((status = 200, description = "The user is disabled", body = UserDetail)),
)]
pub(crate) async fn disable_user(
    State(api): State<Arc<Api>>,
    Path(subject): Path<Uuid>,
    caller: Caller,
) -> Result<Response, Problem> {
    set_active(&api, subject, &caller, false).await
}

/// Enable a user: allow logins again. What was before stays ended.
///
/// The user may hold no admin scope that your token lacks.
#[utoipa::path(
    post,
    path = "/users/{subject}/enable",
    tag = "users",
    params(("subject" = Uuid, Path, description = "The unchanging identity"), Why),
    responses((status = 200, description = "The user is enabled", body = UserDetail)),
)]
pub(crate) async fn enable_user(
    State(api): State<Arc<Api>>,
    Path(subject): Path<Uuid>,
    caller: Caller,
) -> Result<Response, Problem> {
    set_active(&api, subject, &caller, true).await
}

async fn set_active(api: &Api, subject: Uuid, caller: &Caller, active: bool) -> Result<Response, Problem> {
    let user = api.user(subject).await?;
    caller.principal.may_handle(&user.scope)?;
    let entry = &if active {
        NewRevocation::subject_lifted(user.subject, api.cutoff())
    } else {
        NewRevocation::subject_blocked(user.subject)
    };
    let act = caller.act_on(version(&user))?;
    api.commit(caller, act, |admin| async move {
        admin.set_user_active(user.subject, active, entry).await
    })
    .await?;
    Ok(shown(&User { active, ..user }))
}
