use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::KeyView;
use crate::api::Api;
use crate::extract::Query;
use crate::page::Page;
use crate::problem::Problem;

/// Which keys are listed.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Also those that are retired or compromised.
    #[serde(default)]
    #[param(default = false)]
    all: bool,
}

/// List the signing keys, by algorithm, those that sign first.
///
/// What they are, what is next for each, and when. At most 1,000, the latest of them.
#[utoipa::path(
    get,
    path = "/keys",
    tag = "keys",
    params(Which),
    responses((status = 200, description = "The keys", body = Page<KeyView>)),
)]
pub(crate) async fn list_keys(
    State(api): State<Arc<Api>>,
    Query(which): Query<Which>,
) -> Result<Json<Page<KeyView>>, Problem> {
    Ok(Json(Page::whole(api.parts.keys.keys(which.all).await?)))
}
