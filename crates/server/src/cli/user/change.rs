//! Changes of users who exist, each with the entry on the revocation log that goes with it.

use symbolon_core::profile::distinct_roles;
use symbolon_core::revocation::NewRevocation;

use super::super::context::{Console, Context, confirm};
use super::super::error::CliError;
use super::super::new_password::new_password;
use super::super::output::Output;
use super::{UserDelete, UserRef, UserSetPassword, UserSetRoles, find, too_many_roles, view};

/// `user enable` and `user disable`.
pub(super) async fn set_active(
    context: &Context<'_>,
    out: &mut Output<'_>,
    args: &UserRef,
    active: bool,
) -> Result<(), CliError> {
    let mut user = find(context, &args.user).await?;
    let (entry, done) = if active {
        (
            NewRevocation::subject_lifted(user.subject, context.cutoff()),
            "enabled",
        )
    } else {
        (NewRevocation::subject_blocked(user.subject), "disabled")
    };
    let entry = context.because(entry, done);
    context
        .commit(context.admin.set_user_active(user.subject, active, &entry))
        .await?;
    user.active = active;
    view::done(out, done, &user)
}

/// `user delete`.
pub(super) async fn delete(
    context: &Context<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &UserDelete,
) -> Result<(), CliError> {
    let user = find(context, &args.user).await?;
    let question = format!("Delete user {} ({}) for good?", user.username, user.subject);
    confirm(console, args.yes, &question)?;
    let entry = NewRevocation::subject_deleted(user.subject, context.cutoff());
    let entry = context.because(entry, "deleted");
    context
        .commit(context.admin.delete_user(user.subject, &entry))
        .await?;
    view::done(out, "deleted", &user)
}

/// `user set-password`: whoever knew the old password loses the sessions that it began.
pub(super) async fn set_password(
    context: &Context<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &UserSetPassword,
) -> Result<(), CliError> {
    let user = find(context, &args.user).await?;
    let hash = new_password(context, console, args.password)?;
    let entry = NewRevocation::subject(user.subject, context.cutoff());
    let entry = context.because(entry, "password set");
    context
        .commit(context.admin.set_password(user.subject, &hash, &entry))
        .await?;
    view::done(out, "password_set", &user)
}

/// `user set-roles`.
pub(super) async fn set_roles(
    context: &Context<'_>,
    out: &mut Output<'_>,
    args: &UserSetRoles,
) -> Result<(), CliError> {
    let mut user = find(context, &args.user).await?;
    let roles = distinct_roles(args.roles.clone()).map_err(too_many_roles)?;
    context
        .commit(context.admin.set_user_roles(user.subject, &roles))
        .await?;
    user.roles = roles;
    view::done(out, "roles_set", &user)
}
