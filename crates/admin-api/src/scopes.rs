//! `/scopes`: the register of scopes, which the metadata document lists. A scope needs no place on it to be used.

mod delete;
mod list;
mod put;
mod show;

pub use put::{MAX_SCOPES, ScopePut};
use symbolon_core::ports::RegisteredScope;
use symbolon_oauth_types::ScopeToken;
use utoipa_axum::routes;

use crate::api::Api;
use crate::operation::{Operation, needs};
use crate::problem::Problem;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("clients:read", routes!(list::list_scopes)),
        needs("clients:read", routes!(show::show_scope)),
        needs("clients:write", routes!(put::put_scope)).can_be_tried(),
        needs("clients:write", routes!(delete::delete_scope)).can_be_tried(),
    ]
}

/// A name in a path: what can't be one is no scope.
fn name(text: &str) -> Result<ScopeToken, Problem> {
    text.parse().map_err(|_| Problem::not_found("scope"))
}

impl Api {
    /// The scope of that name, as it is registered.
    async fn registered_scope(&self, name: &ScopeToken) -> Result<RegisteredScope, Problem> {
        let scopes = self.reading().scopes().await?;
        let found = scopes.into_iter().find(|scope| scope.name == *name);
        found.ok_or_else(|| Problem::not_found("scope"))
    }
}
