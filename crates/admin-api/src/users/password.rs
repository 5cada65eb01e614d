use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use symbolon_core::revocation::NewRevocation;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Concealed, UserDetail, password_hash_schema, shown, version};
use crate::api::Api;
use crate::extract::{Body, Caller, Path, Why};
use crate::problem::Problem;

/// A new password. One of the two must be there.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordSet {
    /// The password: 8 to 1024 bytes.
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 1024, write_only)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Concealed>,
    /// Its hash, in place of it.
    #[schema(schema_with = password_hash_schema, required = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<Concealed>,
}

/// Set the password of a user, and end all sessions.
///
/// Whoever knew the old one loses the sessions that it began. The user may hold no admin scope that your token lacks.
#[utoipa::path(
    post,
    path = "/users/{subject}/password",
    tag = "users",
    params(("subject" = Uuid, Path, description = "The unchanging identity"), Why),
    request_body = PasswordSet,
    responses((status = 200, description = "The password is set", body = UserDetail)),
)]
pub(crate) async fn set_user_password(
    State(api): State<Arc<Api>>,
    Path(subject): Path<Uuid>,
    caller: Caller,
    Body(body): Body<PasswordSet>,
) -> Result<Response, Problem> {
    let user = api.user(subject).await?;
    caller.principal.may_handle(&user.scope)?;
    let hash = api
        .hash(Concealed::read(body.password, body.password_hash)?)
        .await?;
    let (hash, entry) = (&hash, &NewRevocation::subject(user.subject, api.cutoff()));
    let act = caller.act_on(version(&user))?;
    api.commit(&caller, act, |admin| async move {
        admin.set_password(user.subject, hash, entry).await
    })
    .await?;
    Ok(shown(&user))
}
