//! `client`: applications that ask for tokens, and resource servers that introspect them.

pub(super) mod add;
mod change;
mod options;
mod secret;
mod view;

use clap::{Args, Subcommand};
use symbolon_core::client::Client;
use symbolon_core::{ClientId, ClientUid};
use uuid::Uuid;

use super::args::PageArgs;
use super::context::{Console, Context};
use super::error::CliError;
use super::output::{Output, quoted};
pub use add::ClientAdd;
pub use change::{ClientDelete, ClientUpdate};
pub use options::{Clearable, PolicyArgs, ServedArg};
pub use secret::RotateSecret;

/// `client`.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Make a client. A confidential one gets a secret, which is shown once.
    Add(Box<ClientAdd>),
    /// Delete a client for good; its sessions and tokens end.
    Delete(ClientDelete),
    /// End all sessions and tokens of a client and refuse it until it is enabled again.
    Disable(ClientRef),
    /// Accept a client again; what was before stays ended.
    Enable(ClientRef),
    /// List clients.
    List(PageArgs),
    /// Make a new secret, which is shown once, and let the old one end.
    RotateSecret(RotateSecret),
    /// Show one client.
    Show(ClientRef),
    /// Change what a client may do; what is not given stays.
    Update(Box<ClientUpdate>),
}

/// A client that exists.
#[derive(Args, Debug)]
pub struct ClientRef {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
}

/// Runs a command on clients.
///
/// # Errors
/// [`CliError`]; nothing changed, unless the output alone failed.
pub async fn run(
    context: &Context<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: ClientCommand,
) -> Result<(), CliError> {
    match command {
        ClientCommand::Add(args) => add::add(context, out, *args).await,
        ClientCommand::Delete(args) => change::delete(context, console, out, &args).await,
        ClientCommand::Disable(args) => change::set_active(context, out, &args, false).await,
        ClientCommand::Enable(args) => change::set_active(context, out, &args, true).await,
        ClientCommand::List(page) => view::list_clients(context, out, &page).await,
        ClientCommand::RotateSecret(args) => secret::rotate(context, out, &args).await,
        ClientCommand::Show(args) => {
            let client = find(context, &args.client).await?;
            view::show_client(out, &client, context.clock.now())
        }
        ClientCommand::Update(args) => change::update(context, out, *args).await,
    }
}

/// The client of that client id, or else of that uid.
pub(super) async fn find(context: &Context<'_>, text: &str) -> Result<Client, CliError> {
    if let Ok(id) = text.parse::<ClientId>()
        && let Some(client) = context.facts.client(&id).await?
    {
        return Ok(client);
    }
    let found = match Uuid::try_parse(text) {
        Ok(uid) => context.facts.client_by_uid(ClientUid(uid)).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| {
        CliError::not_found(
            format_args!("there is no client {}", quoted(text)),
            "see `symbolon client list`",
        )
    })
}
