//! `user`: who logs in.

mod args;
mod change;
mod export;
mod import;
mod view;

use http::Method;
use symbolon_admin_api::{PasswordSet, UserCreate, UserDetail};
use uuid::Uuid;

use super::api::Call;
use super::context::{ApiContext, Console};
use super::error::{CliError, ErrorKind};
use super::new_password::new_password;
use super::output::{Output, quoted};

pub use args::{
    UserAdd, UserCommand, UserDelete, UserImport, UserList, UserRef, UserSetPassword, UserSetRoles,
    UserSwitch, UserUpdate,
};

/// Runs a command on users.
///
/// # Errors
/// [`CliError`]; nothing changed, unless the output alone failed, or an import says what it did.
pub async fn run(
    context: &ApiContext<'_>,
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
        UserCommand::List(args) => view::list_users(context, out, &args).await,
        UserCommand::SetPassword(args) => change::set_password(context, console, out, &args).await,
        UserCommand::SetRoles(args) => change::set_roles(context, out, &args).await,
        UserCommand::Show(args) => view::show_user(out, &find(context, &args.user).await?),
        UserCommand::Update(args) => change::update(context, out, &args).await,
    }
}

async fn add(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: UserAdd,
) -> Result<(), CliError> {
    let PasswordSet {
        password,
        password_hash,
    } = new_password(console, args.password)?;
    let wanted = UserCreate {
        username: args.username,
        email: args.email,
        password,
        password_hash,
        roles: args.roles.iter().map(ToString::to_string).collect(),
        active: true,
    };
    let call = Call::new(Method::POST, &["users"])
        .with_some("reason", args.why.reason)
        .body(&wanted)?;
    let added: UserDetail = context.api.send(call).await?.read()?;
    view::done(out, "added", &added.user)
}

/// The user of that subject, or else of that name.
async fn find(context: &ApiContext<'_>, text: &str) -> Result<UserDetail, CliError> {
    let call = match Uuid::try_parse(text) {
        Ok(subject) => Call::new(Method::GET, &["users", &subject.to_string()]),
        Err(_) => Call::new(Method::GET, &["users", "by-name"]).with("name", text),
    };
    on_user(context, text, call).await
}

/// Sends a call about a user who is called so, which is answered with that user.
async fn on_user(context: &ApiContext<'_>, text: &str, call: Call) -> Result<UserDetail, CliError> {
    let answer = context.api.send(call).await;
    answer.map_err(|error| named(text, error))?.read()
}

/// The same error, naming the user where it is that there is none.
fn named(text: &str, error: CliError) -> CliError {
    match error.kind {
        ErrorKind::NotFound => CliError::not_found(
            format_args!("there is no user {}", quoted(text)),
            "see `symbolon user list`",
        ),
        _ => error,
    }
}

/// The subject of whoever is called so: by user name, e-mail address or subject. A subject is not looked up.
pub(super) async fn subject_of(context: &ApiContext<'_>, text: &str) -> Result<Uuid, CliError> {
    match Uuid::try_parse(text) {
        Ok(subject) => Ok(subject),
        Err(_) => Ok(find(context, text).await?.user.subject),
    }
}
