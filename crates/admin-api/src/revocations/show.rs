use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::view::{AppliedBy, RevocationView, ShownRevocation};
use crate::api::Api;
use crate::extract::Path;
use crate::problem::Problem;

/// Show an entry of the revocation log, and which verifiers say that they have applied it.
#[utoipa::path(
    get,
    path = "/revocations/{seq}",
    tag = "revocations",
    params(("seq" = u64, Path, description = "Its position")),
    responses((status = 200, description = "The entry", body = ShownRevocation)),
)]
pub(crate) async fn show_revocation(
    State(api): State<Arc<Api>>,
    Path(seq): Path<u64>,
) -> Result<Json<ShownRevocation>, Problem> {
    let parts = &api.parts;
    let entry = parts.records.revocation(seq).await?;
    let entry = entry
        .ok_or_else(|| Problem::not_found("entry on the revocation log, or it has expired and was swept"))?;
    let log = parts.log.head().await?.log;
    let now = parts.clock.now();
    let verifiers = parts.reports.verifiers().await?;
    let made = (log, seq, entry.logged.at);
    Ok(Json(ShownRevocation {
        revocation: RevocationView::from(&entry),
        log,
        verifiers: verifiers
            .iter()
            .map(|one| AppliedBy::of(one, made, now))
            .collect(),
    }))
}
