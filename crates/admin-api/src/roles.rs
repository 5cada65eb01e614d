//! `/roles`: names for sets of scopes that users hold.

mod delete;
mod list;
mod put;
mod show;

use symbolon_core::user::{Role, RoleName};
use utoipa_axum::routes;

use crate::api::Api;
use crate::operation::{Operation, needs};
use crate::problem::Problem;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("roles:read", routes!(list::list_roles)),
        needs("roles:read", routes!(show::show_role)),
        needs("roles:write", routes!(put::put_role)),
        needs("roles:write", routes!(delete::delete_role)),
    ]
}

impl Api {
    /// The role of that name.
    async fn role(&self, name: &RoleName) -> Result<Option<Role>, Problem> {
        let roles = self.reading().roles().await?;
        Ok(roles.into_iter().find(|role| role.name == *name))
    }
}

/// A name in a path: what can't be one names no role.
fn name(text: &str) -> Result<RoleName, Problem> {
    text.parse().map_err(|_| Problem::not_found("role"))
}
