//! `bootstrap`: the first admin client, made on the database itself.

use clap::Args;
use secrecy::ExposeSecret as _;
use serde_json::json;
use symbolon_core::ClientId;
use symbolon_core::audit::{Act, Actor};
use symbolon_core::ports::{AdminStores as _, Change, FactStore as _};
use symbolon_core::rights::beyond;
use symbolon_core::{Clock, SystemRng};
use symbolon_oauth_types::ScopeSet;
use symbolon_store_sql::SqlStore;

use super::client::add::chosen_id;
use super::context::operator_name;
use super::error::CliError;
use super::output::Output;
use crate::bootstrap::{make, policy};
use crate::secrets::ServerKeys;

/// `bootstrap`.
#[derive(Args, Clone, Debug)]
pub struct BootstrapArgs {
    /// The client id.
    #[arg(long, value_name = "ID", default_value = "admin", value_parser = chosen_id)]
    pub client_id: ClientId,
    /// Also where there is a client already that may administer.
    #[arg(long)]
    pub again: bool,
}

/// Clients that are looked at at a time.
const PAGE: u32 = 500;

/// Makes a client that has every admin scope, and shows its secret once.
///
/// # Errors
/// [`CliError`]; nothing changed.
pub(super) async fn run(
    store: &SqlStore,
    keys: &ServerKeys,
    clock: &dyn Clock,
    out: &mut Output<'_>,
    args: BootstrapArgs,
) -> Result<(), CliError> {
    if !args.again
        && let Some(client_id) = administrator(store).await?
    {
        return Err(CliError::taken(
            format_args!("client {client_id} may administer already"),
            "use that one; or give --again to make another, for whoever has lost its secret",
        ));
    }
    if store.client(&args.client_id).await?.is_some() {
        return Err(CliError::taken(
            "the client id is taken",
            "choose another one with --client-id",
        ));
    }
    let policy = policy("Administrator")
        .map_err(|error| CliError::failed(format_args!("{error:#}"), "report this as a fault"))?;
    let act = Act::new(Actor::operator(&operator_name()), "bootstrap");
    let admin = store.acting(act);
    let made = make(
        &*admin,
        &keys.client_secrets,
        clock,
        &SystemRng,
        &args.client_id,
        policy,
    );
    let (change, secret) = made.await?;
    if change != Change::Done {
        return Err(CliError::taken(
            "the client id is taken",
            "choose another one with --client-id",
        ));
    }
    let secret = secret.ok_or_else(|| {
        CliError::failed(
            "the server has no key for client secrets",
            "run `symbolon migrate`, then try again",
        )
    })?;
    let (client_id, secret) = (&args.client_id, secret.expose_secret());
    out.result(
        &json!({ "done": "created", "client_id": client_id, "client_secret": secret }),
        &format!(
            "client {client_id} has every admin scope; its secret is shown this once:\n{secret}\n\nlog in with: symbolon \
             login --server URL --client-id {client_id}"
        ),
    )
}

/// A client that has admin scope, enabled or not.
async fn administrator(store: &SqlStore) -> Result<Option<ClientId>, CliError> {
    let (nothing, mut after) = (ScopeSet::default(), None);
    let admin = store.acting(Act::server("bootstrap"));
    loop {
        let page = admin.clients(&Default::default(), after.as_deref(), PAGE).await?;
        let found = page
            .items
            .into_iter()
            .find(|client| !beyond(&nothing, &client.policy.scope).is_empty());
        if let Some(client) = found {
            return Ok(Some(client.client_id));
        }
        after = page.next;
        if after.is_none() {
            return Ok(None);
        }
    }
}
