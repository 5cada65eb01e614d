//! `role`: names for sets of scopes that users hold.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;
use symbolon_admin_api::Page;
use symbolon_core::user::{ADMIN_SCOPES, RoleName};
use symbolon_core::view::{RoleView, UserView};
use symbolon_oauth_types::ScopeSet;

use super::api::{Answer, Call};
use super::args::{SureArgs, WhyArgs};
use super::context::{ApiContext, Console};
use super::error::{CliError, ErrorKind};
use super::output::{Output, Remark, fields, quoted, table};

/// The most users who are counted: as many as a page has.
const MAX_COUNTED: u32 = 500;

/// `role`.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Delete a role, also from those who hold it.
    Delete(RoleDelete),
    /// List all roles.
    List,
    /// Make a role, or replace its scopes.
    Put(RolePut),
    /// Show a role.
    Show(RoleRef),
}

/// A role that exists.
#[derive(Args, Debug)]
pub struct RoleRef {
    /// The name.
    pub name: RoleName,
}

/// `role put`.
#[derive(Args, Debug)]
pub struct RolePut {
    /// The name: a-z, 0-9, - and _.
    pub name: RoleName,
    /// A scope that holders may be granted; may be repeated. They replace all that the role had.
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
        RoleCommand::Show(args) => show(context, out, &args.name).await,
    }
}

async fn put(context: &ApiContext<'_>, out: &mut Output<'_>, args: RolePut) -> Result<(), CliError> {
    let scope = scope_set(&args.scopes)?;
    let call = Call::new(Method::PUT, &["roles", args.name.as_str()])
        .if_new(args.new)
        .with_some("reason", args.why.reason)
        .body(&json!({ "scope": scope }))?;
    let role: RoleView = context.api.send(call).await?.read()?;
    warn_of_unknown(out, &args.scopes)?;
    out.result(
        &json!({ "done": "put", "name": role.name, "scope": role.scope }),
        &fields(&[("role", role.name), ("scope", role.scope)]),
    )
}

async fn show(context: &ApiContext<'_>, out: &mut Output<'_>, name: &RoleName) -> Result<(), CliError> {
    let read = context.api.read(&["roles", name.as_str()]).await;
    let role: RoleView = read.map_err(named)?;
    let pairs = [("role", role.name.clone()), ("scope", role.scope.clone())];
    out.result(&role, &fields(&pairs))
}

/// The error, with where to look if there is no such role.
fn named(error: CliError) -> CliError {
    match error.kind {
        ErrorKind::NotFound => {
            CliError::not_found("there is no role of that name", "see `symbolon role list`")
        }
        _ => error,
    }
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
    let holders = if args.sure.yes || !console.is_terminal() {
        String::new()
    } else {
        holders(context, &args.name).await
    };
    let question = format!("Delete role {}, also from {holders}?", args.name);
    let path = ["roles", args.name.as_str()];
    let gone = context.delete(console, &args.sure, &question, &path).await;
    gone.map_err(named)?;
    out.result(
        &json!({ "done": "deleted", "name": args.name.as_str() }),
        &format!("role {} is deleted", args.name),
    )
}

/// Who holds a role, as far as one page and the caller's scope tell.
async fn holders(context: &ApiContext<'_>, name: &RoleName) -> String {
    let call = Call::new(Method::GET, &["users"])
        .with("role", name)
        .with("limit", MAX_COUNTED);
    let answer = context.api.send(call).await;
    let Ok(page) = answer.and_then(Answer::read::<Page<UserView>>) else {
        return "all who hold it".to_owned();
    };
    match (page.items.len(), page.next.is_some()) {
        (count, true) => format!("at least {count} users who hold it"),
        (1, false) => "1 user who holds it".to_owned(),
        (count, false) => format!("{count} users who hold it"),
    }
}

/// The scopes of several `--scope` flags, each one scope or a space-separated list.
///
/// # Errors
/// [`CliError`] where a value is malformed or there are too many. A comma may stand in a scope, but here it is taken for a
/// mistake.
pub(super) fn scope_set(scopes: &[String]) -> Result<ScopeSet, CliError> {
    if let Some(text) = scopes.iter().find(|text| text.contains(',')) {
        return Err(CliError::refused(
            format_args!("{} has a comma, which does not part scopes", quoted(text)),
            "give --scope once for each",
        ));
    }
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

/// What looks like several scopes that a comma parts, where it is one by the rules
/// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)): a warning of the first.
pub(super) fn joined_by_comma(scope: &str) -> Option<String> {
    let is_joined = |token: &&str| {
        let parts = token.split_once(',');
        parts.is_some_and(|(one, rest)| one.contains(':') && rest.contains(':'))
    };
    let token = scope.split(' ').find(is_joined)?;
    let token = quoted(token);
    Some(format!(
        "{token} is one scope, with a comma in it: put a space between scopes"
    ))
}

/// Warns of scopes that are called like those of the admin API, and are none.
///
/// # Errors
/// Standard error can't be written.
pub(super) fn warn_of_unknown(out: &mut Output<'_>, scopes: &[String]) -> Result<(), CliError> {
    let family = |scope: &str| Some(scope.split_once(':')?.0.to_owned());
    for scope in scopes.iter().flat_map(|text| text.split(' ')) {
        let of_admin = ADMIN_SCOPES.iter().filter(|known| family(known) == family(scope));
        let of_admin: Vec<_> = of_admin.copied().collect();
        if !of_admin.is_empty() && !of_admin.contains(&scope) {
            let known = of_admin.join(" and ");
            let text = format!("no admin scope is called {scope}: there is {known}");
            out.remark(Remark::Warning, &text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_that_a_comma_parts_are_seen() {
        for scope in [
            "orders:read,orders:write",
            "a orders:read,orders:write b",
            "a:b,c,d:e",
        ] {
            let said = joined_by_comma(scope).unwrap();
            assert!(said.contains("put a space between scopes"), "{said}");
        }
        for scope in [
            "",
            "a",
            "orders:read orders:write",
            "a,b",
            "orders:read,write",
            "a,b:c",
        ] {
            assert_eq!(joined_by_comma(scope), None, "{scope}");
        }
    }
}
