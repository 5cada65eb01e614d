//! `server`: what runs, how it is configured, and how it and what it depends on do.

use clap::Subcommand;
use serde_json::json;
use symbolon_admin_api::{DependencyView, HealthView, Page, ServerView, SettingView};

use super::context::ApiContext;
use super::error::{CliError, ErrorKind};
use super::output::{Output, fields, table};

/// `server`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ServerCommand {
    /// Show every setting of the server and where it was read; of secrets only that there is one.
    ///
    /// `symbolon config explain` tells the same of this machine's configuration.
    Configuration,
    /// Show whether the server is ready, and how what it depends on does: exit code 7 where it is not ready.
    Health,
    /// Show which server answers: its version, issuer and node, and since when it runs.
    Show,
}

/// Runs a command on the server itself.
///
/// # Errors
/// [`CliError`], also where the server is not ready.
pub async fn run(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    command: ServerCommand,
) -> Result<(), CliError> {
    match command {
        ServerCommand::Configuration => configuration(context, out).await,
        ServerCommand::Health => health(context, out).await,
        ServerCommand::Show => show(context, out).await,
    }
}

async fn show(context: &ApiContext<'_>, out: &mut Output<'_>) -> Result<(), CliError> {
    let server: ServerView = context.api.read(&["server"]).await?;
    let pairs = [
        ("version", server.version.clone()),
        ("issuer", server.issuer.clone()),
        ("node", server.node.clone()),
        ("started", server.started.clone()),
    ];
    out.result(&server, &fields(&pairs))
}

async fn configuration(context: &ApiContext<'_>, out: &mut Output<'_>) -> Result<(), CliError> {
    let settings: Page<SettingView> = context.api.read(&["server", "configuration"]).await?;
    let row = |one: &SettingView| [one.key.clone(), one.value.clone(), one.source.clone()];
    let rows: Vec<_> = settings.items.iter().map(row).collect();
    out.result(
        &json!({ "settings": settings.items }),
        &table(["SETTING", "VALUE", "SOURCE"], &rows),
    )
}

async fn health(context: &ApiContext<'_>, out: &mut Output<'_>) -> Result<(), CliError> {
    let health: HealthView = context.api.read(&["server", "health"]).await?;
    let row = |one: &DependencyView| {
        let state = if one.up { "up" } else { "down" };
        [one.name.clone(), state.to_owned(), one.detail.clone()]
    };
    let rows: Vec<_> = health.dependencies.iter().map(row).collect();
    out.result(&health, &table(["DEPENDENCY", "STATE", "DETAIL"], &rows))?;
    if health.ready {
        return Ok(());
    }
    let why = health.reason.as_deref().unwrap_or("it does not say why");
    Err(CliError::new(
        ErrorKind::Unhealthy,
        format_args!("the server is not ready: {why}"),
        "see its log, or run `symbolon doctor` on its machine",
    ))
}
