use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use symbolon_core::view::{ScopeView, Version};

use super::name;
use crate::api::Api;
use crate::extract::{Caller, Path, Why};
use crate::problem::Problem;

/// Take a scope off the register. Whoever has it keeps it.
#[utoipa::path(
    delete,
    path = "/scopes/{name}",
    tag = "scopes",
    params(("name" = String, Path, max_length = 128, description = "The scope"), Why),
    responses((status = 204, description = "It is off the register")),
)]
pub(crate) async fn delete_scope(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let scope = api.registered_scope(&name(&text)?).await?;
    let name = &scope.name;
    let act = caller.act_on(Version::of(&ScopeView::from(&scope)))?;
    api.commit(
        &caller,
        act,
        |admin| async move { admin.delete_scope(name).await },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
