use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::kid;
use super::view::KeyView;
use crate::api::Api;
use crate::extract::Path;
use crate::problem::Problem;

/// Show a signing key, in whichever state.
#[utoipa::path(
    get,
    path = "/keys/{kid}",
    tag = "keys",
    params(("kid" = String, Path, description = "Its id")),
    responses((status = 200, description = "The key", body = KeyView)),
)]
pub(crate) async fn show_key(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
) -> Result<Json<KeyView>, Problem> {
    let kid = kid(&text)?;
    let keys = api.parts.keys.keys(true).await?;
    let found = keys.into_iter().find(|key| key.kid == kid.as_str());
    found.map(Json).ok_or_else(|| Problem::not_found("signing key"))
}
