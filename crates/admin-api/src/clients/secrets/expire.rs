use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use symbolon_core::client::Client;
use symbolon_core::view::{ClientView, Version};
use utoipa::ToSchema;

use super::{is_live, place_of};
use crate::api::Api;
use crate::change::tagged;
use crate::extract::{Body, Caller, Path, Why};
use crate::problem::{Problem, ProblemKind};

/// Longest time after which a secret can be made to end: 400 days, in seconds.
const MAX_SECS: u32 = 400 * 86_400;

/// When a secret is to end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretEnd {
    /// In so many seconds; 0 ends it now.
    #[serde(rename = "in")]
    #[schema(minimum = 0, maximum = 34560000)]
    pub seconds: u32,
}

/// Let a secret of a client end later, or give its end another time.
#[utoipa::path(
    post,
    path = "/clients/{client_id}/secrets/{secret_id}/expire",
    tag = "clients",
    params(
        ("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid"),
        ("secret_id" = String, Path, max_length = 12, description = "The id of the secret, as it is listed"),
        Why,
    ),
    request_body = SecretEnd,
    responses((status = 200, description = "The client as it is now", body = ClientView)),
)]
pub(crate) async fn expire_client_secret(
    State(api): State<Arc<Api>>,
    Path((text, id)): Path<(String, String)>,
    caller: Caller,
    Body(end): Body<SecretEnd>,
) -> Result<Response, Problem> {
    let client = api.client_for(&caller, &text).await?;
    let place = place_of(&client, &id)?;
    if end.seconds > MAX_SECS {
        let rule = format!("it must be from 0 to {MAX_SECS} seconds, 400 days");
        return Err(Problem::invalid("in", rule));
    }
    let now = api.parts.clock.now();
    let mut secrets = client.secrets.clone();
    if let Some(secret) = secrets.get_mut(place) {
        if !is_live(secret, now) {
            return Err(Problem::new(
                ProblemKind::Conflict,
                "it has expired already, and none comes back: add another",
            ));
        }
        secret.expires = Some(now.plus(u64::from(end.seconds) * 1000));
    }
    api.keep_secrets(&caller, &client, &secrets).await?;
    let view: ClientView = api.as_kept(Client { secrets, ..client }).await;
    Ok(tagged(Version::of(&view), &view))
}
