use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use symbolon_core::profile::Profile;
use symbolon_core::user::User;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{UserDetail, role_names, role_names_schema, shown, version};
use crate::api::Api;
use crate::extract::{Caller, MergePatch, Path, Why};
use crate::problem::Problem;

/// What can be changed about a user by a patch. What is left out stays as it is.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserUpdate {
    /// The name to log in with.
    #[schema(required = false, min_length = 1, max_length = 320)]
    pub username: String,
    /// The e-mail address, with which the user can log in too; null for none.
    #[schema(max_length = 320)]
    pub email: Option<String>,
    /// Names of the roles to hold, in place of those held.
    #[schema(schema_with = role_names_schema, required = false)]
    pub roles: Vec<String>,
}

impl From<&User> for UserUpdate {
    fn from(user: &User) -> Self {
        Self {
            username: user.username.clone(),
            email: user.email.clone(),
            roles: user.roles.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Change the names or the roles of a user, by a JSON merge patch.
///
/// Neither the user nor the roles may hold admin scope that your token lacks. Sessions go on, with what the new roles allow.
#[utoipa::path(
    patch,
    path = "/users/{subject}",
    tag = "users",
    params(("subject" = Uuid, Path, description = "The unchanging identity"), Why),
    request_body(content = UserUpdate, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The user as it is now", body = UserDetail)),
)]
pub(crate) async fn update_user(
    State(api): State<Arc<Api>>,
    Path(subject): Path<Uuid>,
    caller: Caller,
    patch: MergePatch,
) -> Result<Response, Problem> {
    let user = api.user(subject).await?;
    caller.principal.may_handle(&user.scope)?;
    let wanted = patch.apply(&UserUpdate::from(&user))?;
    let profile = &Profile::new(wanted.username, wanted.email, role_names(&wanted.roles)?)?;
    let held = api.roles_to_hold(profile.roles()).await?;
    caller.principal.may_handle(&held.scope)?;
    let act = caller.act_on(version(&user))?;
    api.commit(&caller, act, |admin| async move {
        admin.update_user(user.subject, profile).await
    })
    .await?;
    Ok(shown(&User {
        username: profile.username().to_owned(),
        email: profile.email().map(str::to_owned),
        roles: held.names,
        scope: held.scope,
        ..user
    }))
}
