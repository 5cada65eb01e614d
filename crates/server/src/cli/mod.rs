//! The command line. Commands are functions over the ports of `symbolon_core`, a [`Console`] and an [`Output`], so
//! that they run without a process; [`run`] ties them to this one.

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
pub mod keys;
mod lines;
pub mod login;
pub mod migrate;
pub mod new_password;
mod output;
mod progress;
pub mod revocations;
pub mod revoke;
pub mod role;
mod run;
pub mod session;
mod settling;
mod sources;
mod terminal;
pub mod user;
pub mod verifiers;

pub use api::{Connection, LOGIN_FILE, has_dev_login, store_dev_login};
pub use args::Cli;
pub use context::{ApiContext, Console, Context, Wait, actor};
pub use document::cli_markdown;
pub use error::{CliError, EXIT_CODES, ErrorKind};
pub use output::{Output, Remark, escape};
pub use run::run;
pub use sources::{DEV_DATABASE, DEV_ENCRYPTION_KEY, dev_overrides, serve_sources, sources};
pub use terminal::Terminal;

/// Runs a command on clients.
///
/// # Errors
/// [`CliError`]; its kind decides the exit code.
pub async fn administer(
    context: &Context<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: StoreCommand,
) -> Result<(), CliError> {
    match command {
        StoreCommand::Client(command) => client::run(context, console, out, command).await,
    }
}

/// A command on clients.
#[derive(Debug)]
pub enum StoreCommand {
    /// `client`.
    Client(client::ClientCommand),
}

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
        ApiCommand::Audit(command) => audit::run(context, out, command).await,
        ApiCommand::Keys(command) => keys::run(context, console, out, command).await,
        ApiCommand::Revocations(command) => revocations::run(context, out, command).await,
        ApiCommand::Revoke(command) => revoke::run(context, console, out, command).await,
        ApiCommand::Role(command) => role::run(context, console, out, command).await,
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
    /// `keys`.
    Keys(keys::KeysCommand),
    /// `revocations`.
    Revocations(revocations::RevocationsCommand),
    /// `revoke`.
    Revoke(revoke::RevokeCommand),
    /// `role`.
    Role(role::RoleCommand),
    /// `session`.
    Session(session::SessionCommand),
    /// `user`.
    User(user::UserCommand),
    /// `verifiers`.
    Verifiers(verifiers::VerifiersCommand),
}

impl ApiCommand {
    /// What it does to the log of a database that it works on itself.
    fn fences(&self) -> connect::Fences {
        match self {
            Self::Keys(keys::KeysCommand::Compromise(_)) | Self::Revoke(_) | Self::Session(_) => {
                connect::Fences::Raise
            }
            Self::Apply(_)
            | Self::Audit(_)
            | Self::Keys(_)
            | Self::Revocations(_)
            | Self::Role(_)
            | Self::User(_)
            | Self::Verifiers(_) => connect::Fences::Leave,
        }
    }
}

#[cfg(test)]
mod tests;
