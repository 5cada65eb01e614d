use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::ResourceServerView;
use crate::api::Api;
use crate::extract::Query;
use crate::page::{Page, PageQuery};
use crate::problem::Problem;

/// The name that cursors of this list are made for.
const LIST: &str = "resource-servers";

/// List the resource servers by their audience.
#[utoipa::path(
    get,
    path = "/resource-servers",
    tag = "resource servers",
    params(PageQuery),
    responses((status = 200, description = "A page of resource servers", body = Page<ResourceServerView>)),
)]
pub(crate) async fn list_resource_servers(
    State(api): State<Arc<Api>>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ResourceServerView>>, Problem> {
    let cursors = &api.parts.cursors;
    let after = page.position(cursors, LIST)?;
    let found = api.reading().audiences(after.as_deref(), page.limit).await?;
    Ok(Json(Page::of(found, cursors, LIST, |listed| {
        ResourceServerView::from(listed)
    })))
}
