use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use symbolon_core::client::{Client, ClientError};
use symbolon_core::view::Version;

use super::{ResourceServerView, act_on, audience};
use crate::api::Api;
use crate::extract::{Caller, Path, Why};
use crate::problem::{Problem, ProblemKind};

/// Delete a resource server: nobody gets tokens for it any more.
///
/// Its client stays, and must be of use for something else: else delete the client. Clients that may ask tokens for it keep
/// it on their lists, where it is inactive. Tokens that were issued live on until they expire.
#[utoipa::path(
    delete,
    path = "/resource-servers/{audience}",
    tag = "resource servers",
    params(
        ("audience" = String, Path, max_length = 512, description = "Its audience, percent-encoded"),
        Why,
    ),
    responses((status = 204, description = "It is deleted")),
)]
pub(crate) async fn delete_resource_server(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let indicator = audience(&text)?;
    let unknown = || Problem::not_found("resource server");
    let listed = api.audience(&indicator).await?.ok_or_else(unknown)?;
    let found = api.parts.facts.client_by_uid(listed.client).await?;
    let client = found.ok_or_else(unknown)?;
    caller.principal.may_handle(&client.policy.scope)?;
    let seen = Version::of(&ResourceServerView::from(&listed));
    let act = act_on(&caller, seen, &client)?;
    let mut policy = client.policy.clone();
    policy.serves.retain(|served| served.indicator != indicator);
    policy.validate().map_err(|error| refused(error, &client))?;
    let changed = &Client { policy, ..client };
    api.commit(&caller, act, |admin| async move {
        admin.set_client_policy(changed).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(error: ClientError, client: &Client) -> Problem {
    let detail = match error {
        ClientError::NoGrant => format!(
            "the client {} is nothing but this resource server: delete the client, or allow it a grant first",
            client.client_id
        ),
        other => format!("the client {} would break a rule: {other}", client.client_id),
    };
    Problem::new(ProblemKind::Conflict, detail)
}
