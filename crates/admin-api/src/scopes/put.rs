use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use symbolon_core::ports::RegisteredScope;
use symbolon_core::view::{ScopeView, Version};
use utoipa::ToSchema;

use super::name;
use crate::api::Api;
use crate::change::put;
use crate::clients::location;
use crate::extract::{Body, Caller, Path, Why};
use crate::problem::{Problem, ProblemKind};

/// Most scopes on the register.
pub const MAX_SCOPES: usize = 1000;

/// What the register is to say of a scope.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopePut {
    /// What it allows, in words for people, without control characters.
    #[schema(max_length = 200)]
    pub description: String,
}

/// Put a scope on the register, or replace what it says.
#[utoipa::path(
    put,
    path = "/scopes/{name}",
    tag = "scopes",
    params(
        ("name" = String, Path, max_length = 128, description = "The scope: visible ASCII without double quote and backslash"),
        Why,
    ),
    request_body = ScopePut,
    responses(
        (status = 200, description = "It was replaced", body = ScopeView),
        (status = 201, description = "It was put on the register", body = ScopeView),
    ),
)]
pub(crate) async fn put_scope(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
    Body(wanted): Body<ScopePut>,
) -> Result<Response, Problem> {
    let scope = &RegisteredScope::new(name(&text)?, &wanted.description)
        .map_err(|error| Problem::invalid("description", error))?;
    let scopes = api.reading().scopes().await?;
    let present = scopes.iter().find(|present| present.name == scope.name);
    let before = present.map(|present| Version::of(&ScopeView::from(present)));
    let act = caller.act_on(before)?;
    if before.is_none() && scopes.len() >= MAX_SCOPES {
        return Err(Problem::new(
            ProblemKind::Conflict,
            format_args!("there are {MAX_SCOPES} scopes on the register: delete one first"),
        ));
    }
    api.commit(&caller, act, |admin| async move { admin.put_scope(scope).await })
        .await?;
    let view = ScopeView::from(scope);
    Ok(put(before, &location("scopes", &view.name), &view))
}
