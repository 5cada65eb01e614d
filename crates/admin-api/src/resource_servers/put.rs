use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use symbolon_core::client::{Client, ClientError, ClientPolicy, ServedAudience};
use symbolon_core::ports::ListedAudience;
use symbolon_core::view::Version;
use symbolon_jose::SigningAlg;
use utoipa::ToSchema;

use super::{ResourceServerView, act_on, audience};
use crate::api::Api;
use crate::change::put;
use crate::clients::{has_key, location};
use crate::extract::{Body, Caller, Path, Why};
use crate::problem::{Problem, ProblemKind};

/// What a resource server is to be.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceServerPut {
    /// The client that it is, a confidential one: its client id, or its uid.
    #[schema(min_length = 1, max_length = 128)]
    pub client_id: String,
    /// The algorithm that it wants its tokens signed with; null leaves the choice to the client that asks.
    #[serde(default)]
    #[schema(max_length = 16)]
    pub signing_alg: Option<String>,
    /// How long its tokens may live at most, in seconds; null leaves it to the client that asks.
    #[serde(default)]
    #[schema(minimum = 10, maximum = 3600)]
    pub access_token_lifetime: Option<u32>,
}

/// Make a resource server, or replace what it is.
///
/// It changes the `serves` list of the client. One that another client serves is not moved: delete it there first. The
/// client may have no admin scope that your token lacks.
#[utoipa::path(
    put,
    path = "/resource-servers/{audience}",
    tag = "resource servers",
    params(
        (
            "audience" = String, Path, max_length = 512,
            description = "Its audience, an absolute URI without fragment, percent-encoded",
        ),
        Why,
    ),
    request_body = ResourceServerPut,
    responses(
        (status = 200, description = "It was replaced", body = ResourceServerView),
        (status = 201, description = "It was made", body = ResourceServerView),
    ),
)]
pub(crate) async fn put_resource_server(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
    Body(wanted): Body<ResourceServerPut>,
) -> Result<Response, Problem> {
    let indicator = audience(&text)?;
    let signing_alg = wanted
        .signing_alg
        .as_deref()
        .map(str::parse::<SigningAlg>)
        .transpose();
    let served = ServedAudience {
        indicator,
        signing_alg: signing_alg.map_err(|error| Problem::invalid("signing_alg", error))?,
        access_token_lifetime: wanted.access_token_lifetime,
    };
    let client = api.client(&wanted.client_id).await.map_err(|problem| {
        if problem.status == ProblemKind::NotFound.status() {
            Problem::invalid("client_id", "there is no such client")
        } else {
            problem
        }
    })?;
    caller.principal.may_handle(&client.policy.scope)?;
    let present = api.audience(&served.indicator).await?;
    let seen = present
        .as_ref()
        .map(|listed| Version::of(&ResourceServerView::from(listed)));
    let act = act_on(&caller, seen, &client)?;
    refuse_move(present.as_ref(), &client)?;
    has_key(served.signing_alg, "signing_alg", &api.parts.algorithms)?;
    let view = ResourceServerView::new(&served, &client);
    let policy = serving(&client.policy, served);
    policy.validate().map_err(refused)?;
    let changed = &Client { policy, ..client };
    api.commit(&caller, act, |admin| async move {
        admin.set_client_policy(changed).await
    })
    .await?;
    Ok(put(seen, &location("resource-servers", &view.audience), &view))
}

fn refuse_move(present: Option<&ListedAudience>, client: &Client) -> Result<(), Problem> {
    match present.filter(|listed| listed.client != client.uid) {
        None => Ok(()),
        Some(listed) => {
            let rule = format!(
                "the client {} serves it: delete the resource server first, then make it with this client",
                listed.client_id
            );
            Err(Problem::new(ProblemKind::Conflict, &rule).at("client_id", rule))
        }
    }
}

/// The policy of a client with that resource server, in its place where the client serves it already.
fn serving(policy: &ClientPolicy, served: ServedAudience) -> ClientPolicy {
    let mut policy = policy.clone();
    let is_it = |other: &&mut ServedAudience| other.indicator == served.indicator;
    match policy.serves.iter_mut().find(is_it) {
        Some(present) => *present = served,
        None => policy.serves.push(served),
    }
    policy
}

/// A rule of clients, at the field that breaks it here.
fn refused(error: ClientError) -> Problem {
    let field = match error {
        ClientError::AdminAudience => "audience",
        ClientError::ServedLifetime => "access_token_lifetime",
        _ => "client_id",
    };
    Problem::invalid(field, error)
}
