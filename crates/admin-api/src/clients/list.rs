use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use symbolon_core::ClientId;
use symbolon_core::ports::ClientQuery;
use symbolon_core::view::ClientView;
use utoipa::IntoParams;

use crate::api::Api;
use crate::extract::{Query, check_text};
use crate::page::{Page, PageQuery};
use crate::problem::Problem;

/// The name that cursors of this list are made for.
const LIST: &str = "clients";

/// Which clients.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClientFilter {
    /// Their client id begins so.
    #[param(max_length = 128)]
    prefix: Option<String>,
    /// Only enabled ones, or only disabled ones.
    active: Option<bool>,
}

/// List clients.
///
/// Items are in the form that `POST /clients/import` takes. Where a prefix is given they come by client id, else the oldest
/// first.
#[utoipa::path(
    get,
    path = "/clients",
    tag = "clients",
    params(ClientFilter, PageQuery),
    responses(
        (status = 200, description = "A page of clients", body = Page<ClientView>),
        (status = 422, description = "A parameter breaks a rule", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_clients(
    State(api): State<Arc<Api>>,
    Query(filter): Query<ClientFilter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ClientView>>, Problem> {
    check_text("prefix", filter.prefix.as_deref(), ClientId::MAX_BYTES)?;
    let cursors = &api.parts.cursors;
    // By just this filter: positions of others mean something else.
    let list = format!("{LIST} {:?} {:?}", filter.prefix, filter.active);
    let after = page.position(cursors, &list)?;
    let query = ClientQuery {
        prefix: filter.prefix,
        active: filter.active,
    };
    let found = api
        .reading()
        .clients(&query, after.as_deref(), page.limit)
        .await?;
    Ok(Json(Page::of(found, cursors, &list, |client| {
        ClientView::from(client)
    })))
}
