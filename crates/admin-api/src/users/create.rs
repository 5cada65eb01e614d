use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use symbolon_core::profile::Profile;
use symbolon_core::user::User;
use utoipa::ToSchema;

use super::{Concealed, UserDetail, detail, password_hash_schema, role_names, role_names_schema, version};
use crate::api::Api;
use crate::change::created;
use crate::extract::{Body, Caller, Why};
use crate::problem::Problem;

/// A user to be made. One of `password` and `password_hash` must be there.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    /// The name to log in with.
    #[schema(min_length = 1, max_length = 320)]
    pub username: String,
    /// An e-mail address, with which the user can log in too.
    #[schema(max_length = 320)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The password: 8 to 1024 bytes.
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 1024, write_only)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Concealed>,
    /// Its hash, in place of it.
    #[schema(schema_with = password_hash_schema, required = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<Concealed>,
    /// Names of the roles to hold.
    #[schema(schema_with = role_names_schema, required = false)]
    #[serde(default)]
    pub roles: Vec<String>,
    /// Whether the user may log in.
    #[schema(default = true)]
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// Make a user.
///
/// The subject is a fresh one of this server. The roles may hold no admin scope that your token lacks.
#[utoipa::path(
    post,
    path = "/users",
    tag = "users",
    params(Why),
    request_body = UserCreate,
    responses((status = 201, description = "The user was made", body = UserDetail)),
)]
pub(crate) async fn create_user(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<UserCreate>,
) -> Result<Response, Problem> {
    let roles = role_names(&body.roles)?;
    let profile = Profile::new(body.username, body.email, roles)?;
    let password = Concealed::read(body.password, body.password_hash)?;
    let held = api.roles_to_hold(profile.roles()).await?;
    caller.principal.may_handle(&held.scope)?;
    let hash = api.hash(password).await?;
    let new = profile.into_new_user(body.active, hash, api.parts.clock.now(), &*api.parts.rng);
    let made = &new;
    api.create(&caller, caller.act(), |admin| async move {
        admin.add_user(made).await
    })
    .await?;
    let user = User {
        roles: held.names,
        scope: held.scope,
        ..new.user
    };
    let location = format!("/users/{}", user.subject);
    Ok(created(version(&user), &location, &detail(&user)))
}
