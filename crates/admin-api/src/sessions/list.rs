use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use symbolon_core::ClientId;
use utoipa::IntoParams;
use uuid::Uuid;

use super::SessionView;
use crate::api::Api;
use crate::extract::{Query, check_text};
use crate::page::{Page, PageQuery};
use crate::problem::Problem;

/// The name that cursors of this list are made for.
const LIST: &str = "sessions";

/// Whose sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Whose {
    /// Of this subject.
    subject: Option<Uuid>,
    /// Of this client.
    #[param(max_length = 128)]
    client_id: Option<String>,
}

/// List sessions that have not reached their absolute end, the latest first.
///
/// Those that were ended are among them, and say so.
#[utoipa::path(
    get,
    path = "/sessions",
    tag = "sessions",
    params(Whose, PageQuery),
    responses(
        (status = 200, description = "The sessions", body = Page<SessionView>),
        (status = 404, description = "There is no such client", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Subject and client were given, or a parameter breaks a rule", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_sessions(
    State(api): State<Arc<Api>>,
    Query(whose): Query<Whose>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<SessionView>>, Problem> {
    check_text("client_id", whose.client_id.as_deref(), ClientId::MAX_BYTES)?;
    let of = api.sessions_of(whose.subject, whose.client_id.as_deref()).await?;
    // A cursor continues the list that it was made for, not another's.
    let list = format!("{LIST} of {of:?}");
    let after = page.position(&api.parts.cursors, &list)?;
    let now = api.parts.clock.now();
    let found = api
        .parts
        .sessions
        .sessions(&of, now, after.as_deref(), page.limit)
        .await?;
    let items = found.items.into_iter().map(SessionView::from).collect();
    let next = found
        .next
        .map(|position| api.parts.cursors.seal(&list, &position));
    Ok(Json(Page { items, next }))
}
