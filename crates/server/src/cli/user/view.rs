//! Users as they are shown.

use serde::Serialize;
use serde_json::json;
use symbolon_core::Subject;
use symbolon_core::user::User;

use super::super::args::PageArgs;
use super::super::context::Context;
use super::super::error::CliError;
use super::super::output::{Output, fields, list, rfc3339, table};

/// The name that cursors of this list are made for.
const LIST: &str = "users";

/// A user without secrets.
#[derive(Serialize)]
pub(super) struct View<'a> {
    subject: Subject,
    username: &'a str,
    email: Option<&'a str>,
    active: bool,
    roles: Vec<&'a str>,
    created: String,
    created_ms: u64,
}

impl<'a> From<&'a User> for View<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            subject: user.subject,
            username: &user.username,
            email: user.email.as_deref(),
            active: user.active,
            roles: user.roles.iter().map(|role| role.as_str()).collect(),
            created: rfc3339(user.created),
            created_ms: user.created.0,
        }
    }
}

/// The outcome of a change.
#[derive(Serialize)]
struct Done<'a> {
    done: &'static str,
    #[serde(flatten)]
    user: View<'a>,
}

/// Writes what was done and the user as it stands now.
pub(super) fn done(out: &mut Output<'_>, done: &'static str, user: &User) -> Result<(), CliError> {
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
    let object = Done {
        done,
        user: user.into(),
    };
    out.result(&object, &text)
}

/// `user show`.
pub(super) fn show_user(out: &mut Output<'_>, user: &User) -> Result<(), CliError> {
    let mut object = json!(View::from(user));
    object["scope"] = json!(user.scope);
    let text = fields(&[
        ("subject", user.subject.to_string()),
        ("username", user.username.clone()),
        ("email", user.email.clone().unwrap_or_else(|| "-".to_owned())),
        ("state", state(user).to_owned()),
        ("roles", list(&user.roles)),
        ("scope", list(user.scope.iter())),
        ("created", rfc3339(user.created)),
    ]);
    out.result(&object, &text)
}

/// `user list`.
pub(super) async fn list_users(
    context: &Context<'_>,
    out: &mut Output<'_>,
    page: &PageArgs,
) -> Result<(), CliError> {
    let after = page.position(context.cursors, LIST)?;
    let found = context
        .admin
        .users(&Default::default(), after.as_deref(), page.limit)
        .await?;
    let next = found.next.map(|position| context.cursors.seal(LIST, &position));
    let views: Vec<_> = found.items.iter().map(View::from).collect();
    let row = |user: &User| {
        [
            user.subject.to_string(),
            user.username.clone(),
            user.email.clone().unwrap_or_else(|| "-".to_owned()),
            state(user).to_owned(),
            list(&user.roles),
            rfc3339(user.created),
        ]
    };
    let rows: Vec<_> = found.items.iter().map(row).collect();
    let mut text = table(
        ["SUBJECT", "USERNAME", "EMAIL", "STATE", "ROLES", "CREATED"],
        &rows,
    );
    if let Some(cursor) = &next {
        text.push_str(&format!("\nthere are more: --after {cursor}"));
    }
    out.result(&json!({ "users": views, "next": next }), &text)
}

fn state(user: &User) -> &'static str {
    if user.active { "active" } else { "disabled" }
}
