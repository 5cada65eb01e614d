//! `role`: names for sets of scopes.

use clap::{Args, Subcommand};
use serde_json::json;
use symbolon_core::user::{Role, RoleName};
use symbolon_oauth_types::ScopeSet;

use super::context::{Console, Context, confirm};
use super::error::CliError;
use super::output::{Output, fields, list, table};

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
}

/// `role delete`.
#[derive(Args, Debug)]
pub struct RoleDelete {
    /// The name.
    pub name: RoleName,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// Runs a command on roles.
///
/// # Errors
/// [`CliError`]; nothing changed.
pub async fn run(
    context: &Context<'_>,
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

async fn put(context: &Context<'_>, out: &mut Output<'_>, args: RolePut) -> Result<(), CliError> {
    let role = Role {
        name: args.name,
        scope: scope_set(&args.scopes)?,
    };
    context.commit(context.admin.put_role(&role)).await?;
    out.result(
        &json!({ "done": "put", "name": role.name.as_str(), "scope": role.scope }),
        &fields(&[
            ("role", role.name.to_string()),
            ("scope", list(role.scope.iter())),
        ]),
    )
}

async fn show_all(context: &Context<'_>, out: &mut Output<'_>) -> Result<(), CliError> {
    let roles = context.admin.roles().await?;
    let views: Vec<_> = roles
        .iter()
        .map(|role| json!({ "name": role.name.as_str(), "scope": role.scope }))
        .collect();
    let rows: Vec<_> = roles
        .iter()
        .map(|role| [role.name.to_string(), list(role.scope.iter())])
        .collect();
    out.result(&json!({ "roles": views }), &table(["ROLE", "SCOPE"], &rows))
}

async fn delete(
    context: &Context<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &RoleDelete,
) -> Result<(), CliError> {
    let question = format!("Delete role {}, also from all who hold it?", args.name);
    confirm(console, args.yes, &question)?;
    context.commit(context.admin.delete_role(&args.name)).await?;
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
