//! The command line, as clap reads it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::api::Call;
use super::apply::ApplyArgs;
use super::audit::AuditCommand;
use super::bootstrap::BootstrapArgs;
use super::calibrate::PasswordsCommand;
use super::client::{ClientCommand, SecretCommand};
use super::completions::CompletionsArgs;
use super::configuration::ConfigCommand;
use super::doctor::DoctorArgs;
use super::error::EXIT_CODES;
use super::healthcheck::HealthcheckArgs;
use super::keys::KeysCommand;
use super::keys::args::reason;
use super::login::{LoginArgs, server_url};
use super::resource_server::ResourceServerCommand;
use super::revocations::RevocationsCommand;
use super::revoke::RevokeCommand;
use super::role::RoleCommand;
use super::scope::ScopeCommand;
use super::server::ServerCommand;
use super::session::SessionCommand;
use super::user::UserCommand;
use super::verifiers::VerifiersCommand;

/// An OAuth 2.0 authorization server with revocable tokens.
#[derive(Debug, Parser)]
#[command(name = "symbolon", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Args, Clone, Debug, Default)]
pub struct GlobalArgs {
    /// Read settings from this TOML file; SYMBOLON_* variables beat it. Refused by commands that go through the admin API, which
    /// read none: there --server names the server.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Work on the data folder of `serve --dev`, which has its own database and encryption key.
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Work on the database itself, by this machine's configuration, rather than through the admin API of a running server;
    /// on record like everything else.
    #[arg(long, global = true)]
    pub offline: bool,
    /// URL of the server's admin API; one of those that `symbolon login` has stored. Without it, the last.
    #[arg(long, global = true, value_name = "URL", value_parser = server_url, conflicts_with = "offline")]
    pub server: Option<String>,
    /// The file of stored logins.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "offline")]
    pub login: Option<PathBuf>,
    /// Accept key timings that make verifiers refuse valid tokens.
    #[arg(long, global = true)]
    pub dangerous_key_timings: bool,
    /// Write results and errors as JSON objects.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make clients, scopes and resource servers what files say.
    ///
    /// A file in TOML holds tables `[[client]]`, with the members of the admin API, and `[[scope]]`, with `name` and `description`;
    /// in YAML it holds lists of the same names. What a table does not say is as the server would have it. Changes are shown
    /// first.
    Apply(ApplyArgs),
    /// Search, export and verify the audit trail.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Make the first admin client, on the database itself.
    Bootstrap(BootstrapArgs),
    /// Make, change and list clients: applications and resource servers.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Write a script that completes command lines in a shell.
    Completions(CompletionsArgs),
    /// Explain and check the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check configuration, clocks, keys, database, Redis, reachability and proxies, and say how to mend each.
    Doctor(DoctorArgs),
    /// Ask the running server whether it is ready, for container engines: exit code 0 where it is, 7 where not.
    Healthcheck(HealthcheckArgs),
    /// Show, rotate, import and withdraw signing keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Store a login for the commands that go through a server's admin API.
    Login(LoginArgs),
    /// Forget a stored login.
    Logout,
    /// Bring the database schema up to date.
    Migrate(MigrateArgs),
    /// Tune password hashing.
    #[command(subcommand)]
    Passwords(PasswordsCommand),
    /// Make, change and list resource servers: the audiences of tokens.
    #[command(subcommand)]
    ResourceServer(ResourceServerCommand),
    /// Show what was revoked, and by when verifiers had applied it.
    #[command(subcommand)]
    Revocations(RevocationsCommand),
    /// Revoke a token, a session, or all of a user, a client, a key or the issuer.
    #[command(subcommand)]
    Revoke(RevokeCommand),
    /// Make and list roles: names for sets of scopes that users hold.
    #[command(subcommand)]
    Role(RoleCommand),
    /// Keep the register of scopes, which the metadata document lists.
    #[command(subcommand)]
    Scope(ScopeCommand),
    /// Run the server.
    Serve(ServeArgs),
    /// Show what server answers, how it is configured and how it does.
    #[command(subcommand)]
    Server(ServerCommand),
    /// List and end sessions.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Make, change and list users.
    #[command(subcommand)]
    User(UserCommand),
    /// List the verifiers that report what they have applied.
    #[command(subcommand)]
    Verifiers(VerifiersCommand),
}

impl Command {
    /// Whether it changes nothing, whatever its arguments.
    pub(super) fn only_reads(&self) -> bool {
        match self {
            Self::Audit(_)
            | Self::Completions(_)
            | Self::Config(_)
            | Self::Doctor(_)
            | Self::Healthcheck(_)
            | Self::Passwords(_)
            | Self::Revocations(_)
            | Self::Server(_)
            | Self::Verifiers(_) => true,
            Self::Apply(_)
            | Self::Bootstrap(_)
            | Self::Login(_)
            | Self::Logout
            | Self::Revoke(_)
            | Self::Serve(_) => false,
            Self::Client(command) => matches!(
                command,
                ClientCommand::Export(_)
                    | ClientCommand::List(_)
                    | ClientCommand::Secret(SecretCommand::List(_))
                    | ClientCommand::Show(_)
            ),
            Self::Keys(command) => matches!(
                command,
                KeysCommand::ExportPublic(_) | KeysCommand::List(_) | KeysCommand::Show(_)
            ),
            Self::Migrate(args) => args.status,
            Self::ResourceServer(command) => matches!(
                command,
                ResourceServerCommand::List(_) | ResourceServerCommand::Show(_)
            ),
            Self::Role(command) => matches!(command, RoleCommand::List | RoleCommand::Show(_)),
            Self::Scope(command) => matches!(command, ScopeCommand::List | ScopeCommand::Show(_)),
            Self::Session(command) => {
                matches!(command, SessionCommand::List(_) | SessionCommand::Show(_))
            }
            Self::User(command) => matches!(
                command,
                UserCommand::Export | UserCommand::List(_) | UserCommand::Show(_)
            ),
        }
    }
}

/// `serve`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ServeArgs {
    /// Try it out without any configuration, on loopback; not for production.
    #[arg(long)]
    pub dev: bool,
    /// Listen here rather than at `server.listen`; port 0 is any free port.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Start although the database belongs to another issuer: every access token out there is refused
    /// from then on; refresh tokens go on.
    #[arg(long, conflicts_with = "dev")]
    pub dangerous_change_issuer: bool,
}

/// `migrate`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct MigrateArgs {
    /// Only show which steps are missing.
    #[arg(long)]
    pub status: bool,
    /// The database was restored from a backup: give the revocation log a new identity, so that every server reads all
    /// of it anew, and Redis is told.
    #[arg(long, conflicts_with = "status")]
    pub restored: bool,
}

/// Why something is changed.
#[derive(Args, Clone, Debug, Default)]
pub struct WhyArgs {
    /// Why, for the audit trail: at most 200 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
}

/// Whether whoever runs the command is sure, and why they do it.
#[derive(Args, Clone, Debug, Default)]
pub struct SureArgs {
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// Which page of a list.
#[derive(Args, Clone, Debug)]
pub struct PageArgs {
    /// Most items to show.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// Continue behind this cursor, which the page before ended with.
    // A cursor is base64url, which may begin with a hyphen.
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    pub after: Option<String>,
}

impl PageArgs {
    /// Asks for the page.
    pub(super) fn on(&self, call: Call) -> Call {
        call.with("limit", self.limit)
            .with_some("after", self.after.as_ref())
    }
}
