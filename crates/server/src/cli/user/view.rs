//! Users as they are shown.

use http::Method;
use serde::Serialize;
use serde_json::json;
use symbolon_admin_api::{Page, UserDetail};
use symbolon_core::view::UserView;

use super::super::api::Call;
use super::super::context::ApiContext;
use super::super::error::CliError;
use super::super::output::{Output, fields, list, more, table};
use super::UserList;

/// The outcome of a change.
#[derive(Serialize)]
struct Done<'a> {
    done: &'static str,
    #[serde(flatten)]
    user: &'a UserView,
}

/// Writes what was done and the user as it stands now.
pub(super) fn done(out: &mut Output<'_>, done: &'static str, user: &UserView) -> Result<(), CliError> {
    let text = match done {
        "password_set" => format!(
            "user {} ({}): the password is set, all sessions have ended",
            user.username, user.subject
        ),
        "roles_set" => format!(
            "user {} ({}) holds: {}",
            user.username,
            user.subject,
            list(&user.roles)
        ),
        done => format!("user {} ({}) is {done}", user.username, user.subject),
    };
    out.result(&Done { done, user }, &text)
}

/// `user show`.
pub(super) fn show_user(out: &mut Output<'_>, shown: &UserDetail) -> Result<(), CliError> {
    let user = &shown.user;
    let text = fields(&[
        ("subject", user.subject.to_string()),
        ("username", user.username.clone()),
        ("email", email(user)),
        ("state", state(user).to_owned()),
        ("roles", list(&user.roles)),
        ("scope", list(shown.scope.split_whitespace())),
        ("created", user.created.clone()),
    ]);
    out.result(shown, &text)
}

/// `user list`.
pub(super) async fn list_users(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &UserList,
) -> Result<(), CliError> {
    let call = args
        .page
        .on(Call::new(Method::GET, &["users"]))
        .with_some("prefix", args.prefix.as_ref())
        .with_some("role", args.role.as_ref())
        .with_some("active", args.active);
    let page: Page<UserView> = context.api.send(call).await?.read()?;
    let row = |user: &UserView| {
        [
            user.subject.to_string(),
            user.username.clone(),
            email(user),
            state(user).to_owned(),
            list(&user.roles),
            user.created.clone(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let mut text = table(
        ["SUBJECT", "USERNAME", "EMAIL", "STATE", "ROLES", "CREATED"],
        &rows,
    );
    text.push_str(&more(page.next.as_deref()));
    out.result(&json!({ "users": page.items, "next": page.next }), &text)
}

fn email(user: &UserView) -> String {
    user.email.clone().unwrap_or_else(|| "-".to_owned())
}

fn state(user: &UserView) -> &'static str {
    if user.active { "active" } else { "disabled" }
}
