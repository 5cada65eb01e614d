//! Changes of users who exist.

use http::Method;
use serde_json::{Map, Value, json};

use super::super::api::Call;
use super::super::context::{ApiContext, Console};
use super::super::error::CliError;
use super::super::new_password::new_password;
use super::super::output::Output;
use super::{
    UserDelete, UserSetPassword, UserSetRoles, UserSwitch, UserUpdate, find, named, on_user, subject_of, view,
};

/// `user enable` and `user disable`.
pub(super) async fn set_active(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &UserSwitch,
    active: bool,
) -> Result<(), CliError> {
    let (order, done) = if active {
        ("enable", "enabled")
    } else {
        ("disable", "disabled")
    };
    let subject = subject_of(context, &args.user).await?.to_string();
    let call =
        Call::new(Method::POST, &["users", &subject, order]).with_some("reason", args.why.reason.as_ref());
    let now = on_user(context, &args.user, call).await?;
    view::done(out, done, &now.user)
}

/// `user delete`.
pub(super) async fn delete(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &UserDelete,
) -> Result<(), CliError> {
    let user = find(context, &args.user).await?.user;
    let question = format!("Delete user {} ({}) for good?", user.username, user.subject);
    let path = ["users", &user.subject.to_string()];
    let gone = context.delete(console, &args.sure, &question, &path).await;
    gone.map_err(|error| named(&args.user, error))?;
    view::done(out, "deleted", &user)
}

/// `user set-password`: whoever knew the old password loses the sessions that it began.
pub(super) async fn set_password(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &UserSetPassword,
) -> Result<(), CliError> {
    let subject = subject_of(context, &args.user).await?.to_string();
    let password = new_password(console, args.password)?;
    let call = Call::new(Method::POST, &["users", &subject, "password"])
        .with_some("reason", args.why.reason.as_ref())
        .body(&password)?;
    let now = on_user(context, &args.user, call).await?;
    view::done(out, "password_set", &now.user)
}

/// `user set-roles`.
pub(super) async fn set_roles(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &UserSetRoles,
) -> Result<(), CliError> {
    let roles: Vec<_> = args
        .roles
        .iter()
        .chain(&args.by_flag)
        .map(ToString::to_string)
        .collect();
    let subject = subject_of(context, &args.user).await?.to_string();
    let call = Call::new(Method::PATCH, &["users", &subject])
        .with_some("reason", args.why.reason.as_ref())
        .body(&json!({ "roles": roles }))?;
    let now = on_user(context, &args.user, call).await?;
    view::done(out, "roles_set", &now.user)
}

/// `user update`.
pub(super) async fn update(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &UserUpdate,
) -> Result<(), CliError> {
    let mut patch = Map::new();
    if let Some(username) = &args.username {
        patch.insert("username".to_owned(), json!(username));
    }
    if args.no_email {
        patch.insert("email".to_owned(), Value::Null);
    } else if let Some(email) = &args.email {
        patch.insert("email".to_owned(), json!(email));
    }
    let subject = subject_of(context, &args.user).await?.to_string();
    let call = Call::new(Method::PATCH, &["users", &subject])
        .with_some("reason", args.why.reason.as_ref())
        .body(&patch)?;
    let now = on_user(context, &args.user, call).await?;
    view::done(out, "updated", &now.user)
}
