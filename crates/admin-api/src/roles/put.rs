use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use symbolon_core::user::Role;
use symbolon_core::view::{RoleView, Version};
use symbolon_oauth_types::ScopeSet;
use utoipa::ToSchema;

use super::name;
use crate::api::Api;
use crate::change::put;
use crate::clients::location;
use crate::extract::{Body, Caller, Path, Why};
use crate::problem::Problem;

/// What a role is to allow.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolePut {
    /// Scopes, separated by spaces; at least one.
    #[schema(min_length = 1, max_length = 4096)]
    scope: String,
}

/// Make a role, or replace its scopes.
///
/// Neither the scopes that it has nor those that it gets may hold admin scope that your token lacks.
#[utoipa::path(
    put,
    path = "/roles/{name}",
    tag = "roles",
    params(("name" = String, Path, description = "Its name: 1 to 64 of a-z, 0-9, - and _"), Why),
    request_body = RolePut,
    responses(
        (status = 200, description = "It was replaced", body = RoleView),
        (status = 201, description = "It was made", body = RoleView),
    ),
)]
pub(crate) async fn put_role(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
    Body(wanted): Body<RolePut>,
) -> Result<Response, Problem> {
    let name = name(&text)?;
    let scope: ScopeSet = wanted
        .scope
        .parse()
        .map_err(|error| Problem::invalid("scope", error))?;
    if scope.is_empty() {
        return Err(Problem::invalid("scope", "give at least one scope"));
    }
    let role = &Role { name, scope };
    caller.principal.may_handle(&role.scope)?;
    let present = api.role(&role.name).await?;
    if let Some(present) = &present {
        caller.principal.may_handle(&present.scope)?;
    }
    let before = present.map(|present| Version::of(&RoleView::from(&present)));
    let act = caller.act_on(before)?;
    api.commit(&caller, act, |admin| async move { admin.put_role(role).await })
        .await?;
    let view = RoleView::from(role);
    Ok(put(before, &location("roles", &view.name), &view))
}
