//! `client`: applications that ask for tokens, and resource servers that introspect them.

pub(super) mod add;
mod change;
mod export;
mod import;
mod options;
mod own;
mod secret;
mod secrets;
mod view;

use clap::{Args, Subcommand};
use symbolon_core::view::ClientView;

use super::api::Call;
use super::args::{PageArgs, WhyArgs};
use super::context::{ApiContext, Console};
use super::error::{CliError, ErrorKind};
use super::output::{Output, quoted};

pub use add::ClientAdd;
pub use change::{ClientDelete, ClientDisable, ClientUpdate};
pub use import::ClientImport;
pub use options::{Clearable, PolicyArgs, ServedArg};
pub use own::OwnArgs;
pub use secret::RotateSecret;
pub use secrets::{SecretAdd, SecretCommand, SecretDelete, SecretExpire};

pub(super) use options::seconds;
pub(super) use view::state;

/// `client`.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Make a client. A confidential one gets a secret, which is shown once.
    Add(Box<ClientAdd>),
    /// Delete a client for good; its sessions and tokens end.
    Delete(ClientDelete),
    /// End all sessions and tokens of a client and refuse it until it is enabled again.
    Disable(ClientDisable),
    /// Accept a client again; what was before stays ended.
    Enable(ClientEnable),
    /// Write clients as JSON lines, without their secrets.
    Export(ClientFilter),
    /// Make clients of JSON lines, and show the secrets that are made for them once.
    ///
    /// A line has the form of `client export`; `client_secret` is a secret from elsewhere. A client whose id is there is left
    /// as it is. At most 500 lines go together, in which those that serve an audience come first by themselves.
    Import(ClientImport),
    /// List clients.
    List(ClientList),
    /// Make a new secret, which is shown once, and let the old one end.
    RotateSecret(RotateSecret),
    /// List, add and end the secrets of a client one by one.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Show one client.
    Show(ClientRef),
    /// Change what a client may do; what is not given stays.
    ///
    /// A flag that may be repeated replaces the whole list: give all that is to hold.
    Update(Box<ClientUpdate>),
}

/// A client that exists.
#[derive(Args, Debug)]
pub struct ClientRef {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
}

/// `client enable`.
#[derive(Args, Debug)]
pub struct ClientEnable {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// Which clients.
#[derive(Args, Clone, Debug, Default)]
pub struct ClientFilter {
    /// Only those whose client id begins so; they come by client id, else the oldest first.
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<String>,
    /// Only enabled clients, or with `--active false` only disabled ones.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub active: Option<bool>,
}

impl ClientFilter {
    /// Asks for those alone.
    fn on(&self, call: Call) -> Call {
        call.with_some("prefix", self.prefix.as_ref())
            .with_some("active", self.active)
    }
}

/// `client list`.
#[derive(Args, Clone, Debug)]
pub struct ClientList {
    /// Which clients.
    #[command(flatten)]
    pub filter: ClientFilter,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// Runs a command on clients.
///
/// # Errors
/// [`CliError`]; nothing changed, unless the text says so or the output alone failed.
pub async fn run(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: ClientCommand,
) -> Result<(), CliError> {
    match command {
        ClientCommand::Add(args) => add::add(context, out, *args).await,
        ClientCommand::Delete(args) => change::delete(context, console, out, &args).await,
        ClientCommand::Disable(args) => change::disable(context, out, &args).await,
        ClientCommand::Enable(args) => change::enable(context, out, &args).await,
        ClientCommand::Export(filter) => export::export(context, out, &filter).await,
        ClientCommand::Import(args) => import::import(context, console, out, &args).await,
        ClientCommand::List(args) => view::list_clients(context, out, &args).await,
        ClientCommand::RotateSecret(args) => secret::rotate(context, console, out, &args).await,
        ClientCommand::Secret(command) => secrets::run(context, console, out, command).await,
        ClientCommand::Show(args) => {
            let client = find(context, &args.client).await?;
            view::show_client(out, client, context.clock.now())
        }
        ClientCommand::Update(args) => change::update(context, out, *args).await,
    }
}

/// The client of that client id, or else of that uid.
async fn find(context: &ApiContext<'_>, text: &str) -> Result<ClientView, CliError> {
    context
        .api
        .read(&["clients", text])
        .await
        .map_err(|error| named(error, text))
}

/// The error, naming the client where there is none.
fn named(error: CliError, text: &str) -> CliError {
    match error.kind {
        ErrorKind::NotFound => CliError::not_found(
            format_args!("there is no client {}", quoted(text)),
            "see `symbolon client list`",
        ),
        _ => error,
    }
}
