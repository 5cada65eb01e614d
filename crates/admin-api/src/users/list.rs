use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use symbolon_core::ports::UserQuery;
use symbolon_core::user::{LoginName, RoleName};
use symbolon_core::view::UserView;
use utoipa::IntoParams;

use crate::api::Api;
use crate::extract::{Query, check_text};
use crate::page::{Page, PageQuery};
use crate::problem::Problem;

/// Which users are listed.
#[derive(Debug, Deserialize, IntoParams, Serialize)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserFilter {
    /// The user name or the e-mail address begins so, in any case.
    #[param(max_length = 320)]
    prefix: Option<String>,
    /// Only enabled users, or only disabled ones.
    active: Option<bool>,
    /// Only users who hold this role.
    #[param(max_length = 64)]
    role: Option<String>,
}

impl UserFilter {
    /// What cursors are made for: this list by just this filter, since positions of others mean something else.
    fn list(&self) -> String {
        let filter = serde_json::json!(self);
        format!("users {filter}")
    }

    fn query(self) -> Result<UserQuery, Problem> {
        check_text("prefix", self.prefix.as_deref(), LoginName::MAX_BYTES)?;
        check_text("role", self.role.as_deref(), 64)?;
        let role = |name: String| {
            name.parse::<RoleName>()
                .map_err(|error| Problem::invalid("role", error))
        };
        Ok(UserQuery {
            prefix: self.prefix,
            active: self.active,
            role: self.role.map(role).transpose()?,
        })
    }
}

/// List or search users.
///
/// In the order of their subjects, and so of their making; where `prefix` is given, in that of the names that begin so. Whoever
/// is made meanwhile may or may not be there. Page by page this is everything about users but their secrets.
#[utoipa::path(
    get,
    path = "/users",
    tag = "users",
    params(UserFilter, PageQuery),
    responses(
        (status = 200, description = "A page of users", body = Page<UserView>),
        (status = 422, description = "A parameter breaks a rule", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_users(
    State(api): State<Arc<Api>>,
    Query(filter): Query<UserFilter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<UserView>>, Problem> {
    let (cursors, list) = (&api.parts.cursors, filter.list());
    let after = page.position(cursors, &list)?;
    let query = filter.query()?;
    let found = api.reading().users(&query, after.as_deref(), page.limit).await?;
    Ok(Json(Page::of(found, cursors, &list, |user| UserView::from(user))))
}
