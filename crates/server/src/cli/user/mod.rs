//! `user`: who logs in.

mod change;
mod export;
mod import;
mod view;

use clap::{Args, Subcommand};
use http::Method;
use symbolon_admin_api::UserDetail;
use symbolon_core::Subject;
use symbolon_core::profile::{Profile, ProfileError};
use symbolon_core::user::{LoginName, RoleName, User};
use uuid::Uuid;

use super::api::Call;
use super::args::PageArgs;
use super::context::{ApiContext, Console, Context};
use super::error::{CliError, ErrorKind};
use super::new_password::{PasswordArgs, new_password};
use super::output::{Output, quoted};

pub use import::UserImport;

/// `user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user.
    Add(UserAdd),
    /// Delete a user for good and end all sessions.
    Delete(UserDelete),
    /// End all sessions and refuse logins until the user is enabled again.
    Disable(UserRef),
    /// Allow logins again; what was before stays ended.
    Enable(UserRef),
    /// Write all users as JSON lines, without passwords and their hashes.
    Export,
    /// Make users of JSON lines, also with password hashes of other systems.
    Import(UserImport),
    /// List users.
    List(PageArgs),
    /// Set a new password and end all sessions.
    SetPassword(UserSetPassword),
    /// Replace the roles of a user.
    SetRoles(UserSetRoles),
    /// Show one user.
    Show(UserRef),
}

/// A user who exists.
#[derive(Args, Debug)]
pub struct UserRef {
    /// User name, e-mail address or subject.
    pub user: String,
}

/// `user add`.
#[derive(Args, Debug)]
pub struct UserAdd {
    /// The name to log in with.
    pub username: String,
    /// An e-mail address, with which the user can log in too.
    #[arg(long)]
    pub email: Option<String>,
    /// A role that the user holds; may be repeated.
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<RoleName>,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
}

/// `user delete`.
#[derive(Args, Debug)]
pub struct UserDelete {
    /// User name, e-mail address or subject.
    pub user: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `user set-password`.
#[derive(Args, Debug)]
pub struct UserSetPassword {
    /// User name, e-mail address or subject.
    pub user: String,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
}

/// `user set-roles`.
#[derive(Args, Debug)]
pub struct UserSetRoles {
    /// User name, e-mail address or subject.
    pub user: String,
    /// The roles to hold from now on.
    #[arg(required_unless_present = "none")]
    pub roles: Vec<RoleName>,
    /// Take all roles away.
    #[arg(long, conflicts_with = "roles")]
    pub none: bool,
}

/// Runs a command on users.
///
/// # Errors
/// [`CliError`]; nothing changed, unless the output alone failed.
pub async fn run(
    context: &Context<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: UserCommand,
) -> Result<(), CliError> {
    match command {
        UserCommand::Add(args) => add(context, console, out, args).await,
        UserCommand::Delete(args) => change::delete(context, console, out, &args).await,
        UserCommand::Disable(args) => change::set_active(context, out, &args, false).await,
        UserCommand::Enable(args) => change::set_active(context, out, &args, true).await,
        UserCommand::Export => export::export(context, out).await,
        UserCommand::Import(args) => import::import(context, console, out, &args).await,
        UserCommand::List(page) => view::list_users(context, out, &page).await,
        UserCommand::SetPassword(args) => change::set_password(context, console, out, &args).await,
        UserCommand::SetRoles(args) => change::set_roles(context, out, &args).await,
        UserCommand::Show(args) => {
            let user = find(context, &args.user).await?;
            view::show_user(out, &user)
        }
    }
}

async fn add(
    context: &Context<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: UserAdd,
) -> Result<(), CliError> {
    let profile = profile(args.username, args.email, args.roles)?;
    let password = new_password(context, console, args.password)?;
    let new = profile.into_new_user(true, password, context.clock.now(), context.rng);
    context.commit(context.admin.add_user(&new)).await?;
    view::done(out, "added", &new.user)
}

/// What is known of a user who is to be made.
fn profile(username: String, email: Option<String>, roles: Vec<RoleName>) -> Result<Profile, CliError> {
    let (name, address) = (
        quoted(&username),
        email.as_deref().map(quoted).unwrap_or_default(),
    );
    Profile::new(username, email, roles).map_err(|error| match error {
        ProfileError::Email(why) => CliError::refused(format_args!("{address}: {why}"), "choose another one"),
        ProfileError::EmailForm => CliError::refused(
            format_args!("{address} is not an e-mail address"),
            "give one of the form name@example.org",
        ),
        ProfileError::TooManyRoles => too_many_roles(error),
        ProfileError::Username(why) => CliError::refused(format_args!("{name}: {why}"), "choose another one"),
        ProfileError::UsernameIsSubject => CliError::refused(error, "choose another one"),
    })
}

fn too_many_roles(error: ProfileError) -> CliError {
    CliError::refused(error, "put the scopes of several into one")
}

/// The user of that subject, or else of that name.
pub(super) async fn find(context: &Context<'_>, text: &str) -> Result<User, CliError> {
    if let Ok(subject) = Uuid::try_parse(text)
        && let Some(user) = context.facts.user(Subject(subject)).await?
    {
        return Ok(user);
    }
    let found = match text.parse::<LoginName>() {
        Ok(name) => context.facts.credential(&name).await?,
        Err(_) => None,
    };
    found.map(|credential| credential.user).ok_or_else(|| {
        CliError::not_found(
            format_args!("there is no user {}", quoted(text)),
            "see `symbolon user list`",
        )
    })
}

/// The subject of whoever is called so, by the admin API: a user name, an e-mail address or a subject.
pub(super) async fn subject_of(context: &ApiContext<'_>, text: &str) -> Result<Uuid, CliError> {
    if let Ok(subject) = Uuid::try_parse(text) {
        return Ok(subject);
    }
    let call = Call::new(Method::GET, &["users", "by-name"]).with("name", text);
    let user: UserDetail = context
        .api
        .send(call)
        .await
        .map_err(|error| match error.kind {
            ErrorKind::NotFound => CliError::not_found(
                format_args!("there is no user {}", quoted(text)),
                "see `symbolon user list`",
            ),
            _ => error,
        })?
        .read()?;
    Ok(user.user.subject)
}
