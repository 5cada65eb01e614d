//! `role`: names for sets of scopes that users hold.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;
use symbolon_admin_api::Page;
use symbolon_core::user::RoleName;
use symbolon_core::view::RoleView;
use symbolon_oauth_types::ScopeSet;

use super::api::Call;
use super::args::{SureArgs, WhyArgs};
use super::context::{ApiContext, Console};
use super::error::{CliError, ErrorKind};
use super::output::{Output, fields, table};

/// `role`.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Delete a role, also from those who hold it.
    Delete(RoleDelete),
    /// List all roles.
    List,
    /// Make a role, or replace its scopes.
    Put(RolePut),
}

/// `role put`.
#[derive(Args, Debug)]
pub struct RolePut {
    /// The name: a-z, 0-9, - and _.
    pub name: RoleName,
    /// A scope that holders may be granted; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    pub scopes: Vec<String>,
    /// Refuse where there is one already, rather than replace it.
    #[arg(long)]
    pub new: bool,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `role delete`.
#[derive(Args, Debug)]
pub struct RoleDelete {
    /// The name.
    pub name: RoleName,
    /// Whether to ask, and why.
    #[command(flatten)]
    pub sure: SureArgs,
}

/// Runs a command on roles.
///
/// # Errors
/// [`CliError`]; nothing changed.
pub async fn run(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: RoleCommand,
) -> Result<(), CliError> {
    match command {
        RoleCommand::Delete(args) => delete(context, console, out, &args).await,
        RoleCommand::List => show_all(context, out).await,
        RoleCommand::Put(args) => put(context, out, args).await,
    }
}

async fn put(context: &ApiContext<'_>, out: &mut Output<'_>, args: RolePut) -> Result<(), CliError> {
    let scope = scope_set(&args.scopes)?;
    let call = Call::new(Method::PUT, &["roles", args.name.as_str()])
        .if_new(args.new)
        .with_some("reason", args.why.reason)
        .body(&json!({ "scope": scope }))?;
    let role: RoleView = context.api.send(call).await?.read()?;
    out.result(
        &json!({ "done": "put", "name": role.name, "scope": role.scope }),
        &fields(&[("role", role.name), ("scope", role.scope)]),
    )
}

async fn show_all(context: &ApiContext<'_>, out: &mut Output<'_>) -> Result<(), CliError> {
    let roles: Page<RoleView> = context.api.read(&["roles"]).await?;
    let row = |role: &RoleView| [role.name.clone(), role.scope.clone()];
    let rows: Vec<_> = roles.items.iter().map(row).collect();
    out.result(&json!({ "roles": roles.items }), &table(["ROLE", "SCOPE"], &rows))
}

async fn delete(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &RoleDelete,
) -> Result<(), CliError> {
    let question = format!("Delete role {}, also from all who hold it?", args.name);
    let path = ["roles", args.name.as_str()];
    let gone = context.delete(console, &args.sure, &question, &path).await;
    gone.map_err(|error| match error.kind {
        ErrorKind::NotFound => {
            CliError::not_found("there is no role of that name", "see `symbolon role list`")
        }
        _ => error,
    })?;
    out.result(
        &json!({ "done": "deleted", "name": args.name.as_str() }),
        &format!("role {} is deleted", args.name),
    )
}

/// The scopes of several `--scope` flags, each one scope or a space-separated list.
///
/// # Errors
/// [`CliError`] where a value is malformed or there are too many.
pub(super) fn scope_set(scopes: &[String]) -> Result<ScopeSet, CliError> {
    let refused = |error| CliError::refused(error, "correct --scope");
    if let Some(Err(error)) = scopes
        .iter()
        .map(|text| text.parse::<ScopeSet>())
        .find(Result::is_err)
    {
        return Err(refused(error));
    }
    scopes.join(" ").parse().map_err(refused)
}
