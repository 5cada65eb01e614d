//! `/clients`: the applications that ask for tokens, and the resource servers that introspect them.

mod active;
mod create;
mod delete;
mod form;
mod import;
mod list;
mod secrets;
mod show;
mod update;

pub use create::ClientWithSecret;
pub(crate) use form::has_key;
pub use form::{ClientForm, ServedForm};
pub use import::{ClientOutcome, ClientsImport, ClientsImported, ImportedClient};
pub use secrets::{NewSecret, SecretEnd, ShownSecret};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use symbolon_core::client::{Client, ClientPolicy};
use symbolon_core::rights::is_admin_audience;
use symbolon_core::view::{ClientView, Version};
use symbolon_core::{ClientId, ClientUid};
use symbolon_oauth_types::ResourceIndicator;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::Api;
use crate::dry_run;
use crate::extract::Caller;
use crate::operation::{Operation, needs};
use crate::problem::Problem;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("clients:read", routes!(list::list_clients)),
        needs("clients:write", routes!(create::create_client))
            .shows_secret()
            .can_be_tried(),
        needs("clients:write", routes!(import::import_clients)).shows_secret(),
        needs("clients:read", routes!(show::show_client)),
        needs("clients:write", routes!(update::update_client)).can_be_tried(),
        needs("clients:write", routes!(delete::delete_client)).can_be_tried(),
        needs("clients:write", routes!(active::disable_client)),
        needs("clients:write", routes!(active::enable_client)),
        needs("clients:read", routes!(secrets::list::list_client_secrets)),
        needs("clients:write", routes!(secrets::add::add_client_secret)).shows_secret(),
        needs("clients:write", routes!(secrets::delete::delete_client_secret)),
        needs("clients:write", routes!(secrets::expire::expire_client_secret)),
    ]
}

impl Api {
    /// The client of that client id, or else of that uid: some client ids can't stand in a path.
    pub(crate) async fn client(&self, text: &str) -> Result<Client, Problem> {
        let facts = &self.parts.facts;
        if let Ok(id) = text.parse::<ClientId>()
            && let Some(client) = facts.client(&id).await?
        {
            return Ok(client);
        }
        let found = match Uuid::try_parse(text) {
            Ok(uid) => facts.client_by_uid(ClientUid(uid)).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| Problem::not_found("client"))
    }

    /// The same where the caller may handle it: they hold all admin scope that it has.
    async fn client_for(&self, caller: &Caller, text: &str) -> Result<Client, Problem> {
        let client = self.client(text).await?;
        caller.principal.may_handle(&client.policy.scope)?;
        Ok(client)
    }

    /// Refuses the first audience that nobody serves, by its name. A client keeps those that it had; what is gone in the
    /// meantime the store refuses; and where the change is only tried, another may see to it first.
    async fn refuse_unserved(&self, policy: &ClientPolicy, had: &[ResourceIndicator]) -> Result<(), Problem> {
        if dry_run::is_on() {
            return Ok(());
        }
        for audience in &policy.audiences {
            let is_own = policy.serves.iter().any(|served| served.indicator == *audience);
            if is_own || had.contains(audience) || is_admin_audience(audience) {
                continue;
            }
            if self.audience(audience).await?.is_none() {
                return Err(Problem::invalid(
                    "audiences",
                    format_args!(
                        "nobody serves {audience}: make its resource server first, or a client that serves it"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// A client as it is kept after a change; as it was written, where the store says nothing any more, or the change was only
    /// tried. Else it is made, and a secret that goes with the answer must not be lost.
    async fn as_kept(&self, written: Client) -> ClientView {
        if dry_run::is_on() {
            return ClientView::from(&written);
        }
        let kept = self.parts.facts.client_by_uid(written.uid).await.ok().flatten();
        ClientView::from(&kept.unwrap_or(written))
    }
}

/// Which state of the client it is.
pub(crate) fn version(client: &Client) -> Version {
    Version::of(&ClientView::from(client))
}

/// What stands for itself in a segment of a path ([RFC 3986 section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3)).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A path below the prefix of the API: a collection and what is in it.
pub(crate) fn location(collection: &str, id: &str) -> String {
    format!("/{collection}/{}", utf8_percent_encode(id, UNRESERVED))
}
