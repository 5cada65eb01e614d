//! The command line. Commands are functions over the ports of `symbolon_core`, a [`Console`] and an [`Output`], so
//! that they run without a process; [`run()`] ties them to this one.

mod api;
pub mod apply;
pub mod args;
pub mod audit;
pub mod bootstrap;
pub mod calibrate;
pub mod client;
pub mod completions;
pub mod configuration;
mod connect;
mod context;
pub mod doctor;
mod document;
mod error;
pub mod healthcheck;
mod import;
pub mod keys;
mod lines;
pub mod login;
pub mod migrate;
pub mod new_password;
mod output;
mod probe;
mod progress;
pub mod resource_server;
pub mod revocations;
pub mod revoke;
pub mod role;
mod run;
pub mod scope;
pub mod server;
pub mod session;
mod settling;
mod sources;
mod terminal;
pub mod user;
pub mod verifiers;

pub use api::{Connection, LOGIN_FILE, has_dev_login, store_dev_login};
pub use args::Cli;
pub use context::{ApiContext, Console, Wait};
pub use document::cli_markdown;
pub use error::{CliError, EXIT_CODES, ErrorKind};
pub use output::{Output, Remark, escape};
pub use run::run;
pub use sources::{DEV_DATABASE, DEV_ENCRYPTION_KEY, dev_overrides, serve_sources, sources};
pub use terminal::Terminal;

/// Runs a command that goes through the admin API.
///
/// # Errors
/// [`CliError`]; its kind decides the exit code.
pub async fn on_api(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: ApiCommand,
) -> Result<(), CliError> {
    match command {
        ApiCommand::Apply(args) => apply::run(context, console, out, &args).await,
        ApiCommand::Audit(command) => audit::run(context, console, out, command).await,
        ApiCommand::Client(command) => client::run(context, console, out, command).await,
        ApiCommand::Keys(command) => keys::run(context, console, out, command).await,
        ApiCommand::ResourceServer(command) => resource_server::run(context, console, out, command).await,
        ApiCommand::Revocations(command) => revocations::run(context, out, command).await,
        ApiCommand::Revoke(command) => revoke::run(context, console, out, command).await,
        ApiCommand::Role(command) => role::run(context, console, out, command).await,
        ApiCommand::Scope(command) => scope::run(context, console, out, command).await,
        ApiCommand::Server(command) => server::run(context, out, command).await,
        ApiCommand::Session(command) => session::run(context, out, command).await,
        ApiCommand::User(command) => user::run(context, console, out, command).await,
        ApiCommand::Verifiers(command) => verifiers::run(context, out, command).await,
    }
}

/// A command that goes through the admin API.
#[derive(Debug)]
pub enum ApiCommand {
    /// `apply`.
    Apply(apply::ApplyArgs),
    /// `audit`.
    Audit(audit::AuditCommand),
    /// `client`.
    Client(client::ClientCommand),
    /// `keys`.
    Keys(keys::KeysCommand),
    /// `resource-server`.
    ResourceServer(resource_server::ResourceServerCommand),
    /// `revocations`.
    Revocations(revocations::RevocationsCommand),
    /// `revoke`.
    Revoke(revoke::RevokeCommand),
    /// `role`.
    Role(role::RoleCommand),
    /// `scope`.
    Scope(scope::ScopeCommand),
    /// `server`.
    Server(server::ServerCommand),
    /// `session`.
    Session(session::SessionCommand),
    /// `user`.
    User(user::UserCommand),
    /// `verifiers`.
    Verifiers(verifiers::VerifiersCommand),
}

impl ApiCommand {
    /// What it does to a database that it works on itself, and what it needs there.
    fn beside(&self) -> connect::Beside {
        match self {
            Self::Keys(keys::KeysCommand::Compromise(_)) | Self::Revoke(_) | Self::Session(_) => {
                connect::Beside::Revoke
            }
            Self::Audit(_) | Self::Keys(_) | Self::Revocations(_) | Self::Server(_) | Self::Verifiers(_) => {
                connect::Beside::Other
            }
            Self::Apply(_)
            | Self::Client(_)
            | Self::ResourceServer(_)
            | Self::Role(_)
            | Self::Scope(_)
            | Self::User(_) => connect::Beside::Administer,
        }
    }
}

#[cfg(test)]
mod tests;
