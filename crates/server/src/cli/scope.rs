//! `scope`: the register of scopes, which the metadata document lists. A scope needs no place on it to be used.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;
use symbolon_admin_api::{Page, ScopePut};
use symbolon_core::view::ScopeView;
use symbolon_oauth_types::ScopeToken;

use super::api::Call;
use super::args::{SureArgs, WhyArgs};
use super::context::{ApiContext, Console};
use super::error::CliError;
use super::output::{Output, fields, table};

/// `scope`.
#[derive(Debug, Subcommand)]
pub enum ScopeCommand {
    /// Take a scope off the register; whoever has it keeps it.
    Delete(ScopeDelete),
    /// List the registered scopes.
    List,
    /// Put a scope on the register, or replace what it says.
    Put(ScopeDescription),
    /// Show what the register says of a scope.
    Show(ScopeRef),
}

/// A scope on the register.
#[derive(Args, Debug)]
pub struct ScopeRef {
    /// The scope.
    #[arg(value_name = "SCOPE")]
    pub name: ScopeToken,
}

/// `scope put`.
#[derive(Args, Debug)]
pub struct ScopeDescription {
    /// The scope.
    #[arg(value_name = "SCOPE")]
    pub name: ScopeToken,
    /// What it allows, in words for people: at most 200 characters.
    #[arg(long, value_name = "TEXT")]
    pub description: String,
    /// Refuse where there is one already, rather than replace it.
    #[arg(long)]
    pub new: bool,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `scope delete`.
#[derive(Args, Debug)]
pub struct ScopeDelete {
    /// The scope.
    #[arg(value_name = "SCOPE")]
    pub name: ScopeToken,
    /// Whether to ask, and why.
    #[command(flatten)]
    pub sure: SureArgs,
}

/// Runs a command on the register of scopes.
///
/// # Errors
/// [`CliError`]; nothing changed.
pub async fn run(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: ScopeCommand,
) -> Result<(), CliError> {
    match command {
        ScopeCommand::Delete(args) => delete(context, console, out, &args).await,
        ScopeCommand::List => show_all(context, out).await,
        ScopeCommand::Put(args) => put(context, out, args).await,
        ScopeCommand::Show(args) => show(context, out, &args.name).await,
    }
}

async fn put(context: &ApiContext<'_>, out: &mut Output<'_>, args: ScopeDescription) -> Result<(), CliError> {
    let call = Call::new(Method::PUT, &["scopes", args.name.as_str()])
        .if_new(args.new)
        .with_some("reason", args.why.reason)
        .naming("description", "--description")
        .body(&ScopePut {
            description: args.description,
        })?;
    let scope: ScopeView = context.api.send(call).await?.read()?;
    out.result(
        &json!({ "done": "put", "name": scope.name, "description": scope.description }),
        &fields(&[("scope", scope.name), ("description", scope.description)]),
    )
}

async fn show(context: &ApiContext<'_>, out: &mut Output<'_>, name: &ScopeToken) -> Result<(), CliError> {
    let scope: ScopeView = context.api.read(&["scopes", name.as_str()]).await?;
    let pairs = [
        ("scope", scope.name.clone()),
        ("description", scope.description.clone()),
    ];
    out.result(&scope, &fields(&pairs))
}

async fn show_all(context: &ApiContext<'_>, out: &mut Output<'_>) -> Result<(), CliError> {
    let scopes: Page<ScopeView> = context.api.read(&["scopes"]).await?;
    let row = |scope: &ScopeView| [scope.name.clone(), scope.description.clone()];
    let rows: Vec<_> = scopes.items.iter().map(row).collect();
    out.result(
        &json!({ "scopes": scopes.items }),
        &table(["SCOPE", "DESCRIPTION"], &rows),
    )
}

async fn delete(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &ScopeDelete,
) -> Result<(), CliError> {
    let name = args.name.as_str();
    let question = format!("Take scope {name} off the register?");
    context
        .delete(console, &args.sure, &question, &["scopes", name])
        .await?;
    out.result(
        &json!({ "done": "deleted", "name": name }),
        &format!("scope {name} is off the register"),
    )
}
