//! `user`: who logs in.

mod change;
mod view;

use clap::{Args, Subcommand};
use symbolon_core::Subject;
use symbolon_core::ports::NewUser;
use symbolon_core::user::{LoginName, RoleName, User};
use uuid::Uuid;

use super::args::PageArgs;
use super::context::{Console, Context};
use super::error::CliError;
use super::new_password::{PasswordArgs, new_password};
use super::output::{Output, quoted};

/// Most roles that one user may hold.
const MAX_ROLES: usize = 64;

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
    let names = names(&args.username, args.email.as_deref())?;
    let roles = distinct_roles(args.roles)?;
    let password = new_password(context, console, args.password)?;
    let now = context.clock.now();
    let new = NewUser {
        user: User {
            subject: Subject::new(now, context.rng),
            username: args.username,
            email: args.email,
            active: true,
            roles,
            scope: Default::default(),
            created: now,
        },
        names,
        password,
    };
    context.commit(context.admin.add_user(&new)).await?;
    view::done(out, "added", &new.user)
}

/// All names that lead to the user, in their one form.
fn names(username: &str, email: Option<&str>) -> Result<Vec<LoginName>, CliError> {
    if Uuid::try_parse(username).is_ok() {
        return Err(CliError::refused(
            "a user name that is a UUID could be taken for the subject of another user",
            "choose another one",
        ));
    }
    let name = |text: &str| {
        text.parse::<LoginName>().map_err(|error| {
            CliError::refused(format_args!("{}: {error}", quoted(text)), "choose another one")
        })
    };
    let mut names = vec![name(username)?];
    if let Some(email) = email {
        let has_parts = |(local, domain): (&str, &str)| !local.is_empty() && !domain.is_empty();
        if !email.rsplit_once('@').is_some_and(has_parts) {
            return Err(CliError::refused(
                format_args!("{} is not an e-mail address", quoted(email)),
                "give one of the form name@example.org",
            ));
        }
        let email = name(email)?;
        if !names.contains(&email) {
            names.push(email);
        }
    }
    Ok(names)
}

/// The roles without repeats, in the order given.
fn distinct_roles(roles: Vec<RoleName>) -> Result<Vec<RoleName>, CliError> {
    let mut distinct: Vec<RoleName> = Vec::new();
    for role in roles {
        if !distinct.contains(&role) {
            distinct.push(role);
        }
    }
    if distinct.len() > MAX_ROLES {
        return Err(CliError::refused(
            format_args!("a user holds at most {MAX_ROLES} roles"),
            "put the scopes of several into one",
        ));
    }
    Ok(distinct)
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
