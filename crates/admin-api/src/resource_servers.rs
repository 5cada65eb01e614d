//! `/resource-servers`: the audiences of tokens, each served by one client. They stand on the `serves` list of that client,
//! and are changed as a part of it.

mod delete;
mod list;
mod put;
mod show;

pub use put::ResourceServerPut;
use serde::{Deserialize, Serialize};
use symbolon_core::audit::{Act, Expected};
use symbolon_core::client::{Client, ServedAudience};
use symbolon_core::ports::{ListedAudience, StoreResult};
use symbolon_core::view::Version;
use symbolon_oauth_types::ResourceIndicator;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::Api;
use crate::clients;
use crate::extract::Caller;
use crate::operation::{Operation, needs};
use crate::problem::Problem;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("clients:read", routes!(list::list_resource_servers)),
        needs("clients:read", routes!(show::show_resource_server)),
        needs("clients:write", routes!(put::put_resource_server)).can_be_tried(),
        needs("clients:write", routes!(delete::delete_resource_server)).can_be_tried(),
    ]
}

/// A resource server.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = ResourceServer)]
pub struct ResourceServerView {
    /// Its identifier, `aud` in its tokens.
    pub audience: String,
    /// The client that it is, by which it authenticates.
    pub client_id: String,
    /// That client's unchanging identity.
    pub client_uid: Uuid,
    /// False while that client is disabled: nobody gets tokens for it.
    pub active: bool,
    /// The algorithm that it wants its tokens signed with; null leaves the choice to the client that asks.
    pub signing_alg: Option<String>,
    /// How long its tokens may live at most, in seconds; null leaves it to the client that asks.
    pub access_token_lifetime: Option<u32>,
}

impl ResourceServerView {
    fn new(served: &ServedAudience, client: &Client) -> Self {
        Self::from(&ListedAudience {
            served: served.clone(),
            client: client.uid,
            client_id: client.client_id.clone(),
            active: client.active,
        })
    }
}

impl From<&ListedAudience> for ResourceServerView {
    fn from(listed: &ListedAudience) -> Self {
        Self {
            audience: listed.served.indicator.to_string(),
            client_id: listed.client_id.to_string(),
            client_uid: listed.client.0,
            active: listed.active,
            signing_alg: listed.served.signing_alg.map(|alg| alg.to_string()),
            access_token_lifetime: listed.served.access_token_lifetime,
        }
    }
}

/// An audience in a path: what can't be one is served by nobody.
fn audience(text: &str) -> Result<ResourceIndicator, Problem> {
    text.parse().map_err(|_| Problem::not_found("resource server"))
}

impl Api {
    /// The resource server of that audience.
    pub(crate) async fn audience(&self, audience: &ResourceIndicator) -> StoreResult<Option<ListedAudience>> {
        let before = right_before(audience);
        let page = self.reading().audiences(before.as_deref(), 1).await?;
        Ok(page
            .items
            .into_iter()
            .find(|found| found.served.indicator == *audience))
    }
}

/// A position in the list of audiences such that no other stands between it and this one: audiences are visible ASCII, so
/// that none comes behind DEL at the end and before the next character in its place.
fn right_before(audience: &ResourceIndicator) -> Option<String> {
    let text = audience.as_str();
    let (rest, last) = text.split_at(text.len().checked_sub(1)?);
    let below = last.bytes().next()?.checked_sub(1)?;
    Some(format!("{rest}{}\u{7f}", char::from(below)))
}

/// For the record, on condition that client and resource server are still as they were read; `seen` is the version of the
/// resource server, where there is one.
fn act_on(caller: &Caller, seen: impl Into<Option<Version>>, client: &Client) -> Result<Act, Problem> {
    let now = Expected::At(clients::version(client));
    Ok(caller.act_on(seen)?.expecting(Some(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_right_before_an_audience() {
        for (audience, longer) in [("urn:b", "urn:a~~~"), ("urn:a!", "urn:a"), ("urn:~", "urn:}~")] {
            let before = right_before(&audience.parse().unwrap()).unwrap();
            assert!(
                longer < before.as_str() && before.as_str() < audience,
                "{before:?}"
            );
        }
    }
}
