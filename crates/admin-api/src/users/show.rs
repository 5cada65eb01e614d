use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use symbolon_core::user::LoginName;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{UserDetail, shown};
use crate::api::Api;
use crate::extract::{Path, Query};
use crate::problem::Problem;

/// Show a user.
#[utoipa::path(
    get,
    path = "/users/{subject}",
    tag = "users",
    params(("subject" = Uuid, Path, description = "The unchanging identity")),
    responses((status = 200, description = "The user", body = UserDetail)),
)]
pub(crate) async fn show_user(
    State(api): State<Arc<Api>>,
    Path(subject): Path<Uuid>,
) -> Result<Response, Problem> {
    Ok(shown(&api.user(subject).await?))
}

/// Who is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Named {
    /// The user name or the e-mail address, in any case.
    #[param(min_length = 1, max_length = 320)]
    name: String,
}

/// Show the user who logs in with a name.
#[utoipa::path(
    get,
    path = "/users/by-name",
    tag = "users",
    params(Named),
    responses(
        (status = 200, description = "The user", body = UserDetail),
        (status = 404, description = "Nobody logs in with that name", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show_user_by_name(
    State(api): State<Arc<Api>>,
    Query(named): Query<Named>,
) -> Result<Response, Problem> {
    let nobody = || Problem::not_found("user");
    // What can't be a login name is nobody's.
    let name: LoginName = named.name.parse().map_err(|_| nobody())?;
    let subject = api.parts.facts.subject(&name).await?.ok_or_else(nobody)?;
    Ok(shown(&api.user(subject.0).await?))
}
