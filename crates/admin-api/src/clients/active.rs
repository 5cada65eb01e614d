use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::client::Client;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::view::{ClientView, Version};

use super::version;
use crate::api::Api;
use crate::change::tagged;
use crate::extract::{Caller, Path, Why};
use crate::problem::Problem;

/// Disable a client.
///
/// All its sessions and tokens end, and it is refused until it is enabled again.
#[utoipa::path(
    post,
    path = "/clients/{client_id}/disable",
    tag = "clients",
    params(
        ("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid"),
        Why,
    ),
    responses((status = 200, description = "The client, disabled", body = ClientView)),
)]
pub(crate) async fn disable_client(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    api.set_client_active(&caller, &text, false).await
}

/// Enable a client again.
///
/// What was before stays ended.
#[utoipa::path(
    post,
    path = "/clients/{client_id}/enable",
    tag = "clients",
    params(
        ("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid"),
        Why,
    ),
    responses((status = 200, description = "The client, enabled", body = ClientView)),
)]
pub(crate) async fn enable_client(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    api.set_client_active(&caller, &text, true).await
}

impl Api {
    async fn set_client_active(
        &self,
        caller: &Caller,
        text: &str,
        active: bool,
    ) -> Result<Response, Problem> {
        let client = self.client_for(caller, text).await?;
        let entry = if active {
            NewRevocation::client_lifted(&client.client_id, self.cutoff())
        } else {
            NewRevocation::client_blocked(&client.client_id)
        };
        let act = caller.act_on(version(&client))?;
        let entry = &entry;
        self.commit(caller, act, |admin| async move {
            admin.set_client_active(client.uid, active, entry).await
        })
        .await?;
        let view = self.as_kept(Client { active, ..client }).await;
        Ok(tagged(Version::of(&view), &view))
    }
}
