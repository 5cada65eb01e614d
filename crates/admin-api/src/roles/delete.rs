use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use symbolon_core::view::{RoleView, Version};

use super::name;
use crate::api::Api;
use crate::extract::{Caller, Path, Why};
use crate::problem::Problem;

/// Delete a role, also from those who hold it.
#[utoipa::path(
    delete,
    path = "/roles/{name}",
    tag = "roles",
    params(("name" = String, Path, description = "Its name"), Why),
    responses((status = 204, description = "It is deleted")),
)]
pub(crate) async fn delete_role(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let name = &name(&text)?;
    let role = api.role(name).await?.ok_or_else(|| Problem::not_found("role"))?;
    caller.principal.may_handle(&role.scope)?;
    let act = caller.act_on(Version::of(&RoleView::from(&role)))?;
    api.commit(&caller, act, |admin| async move { admin.delete_role(name).await })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
