//! `client secret`: the secrets of a client one by one. [`super::RotateSecret`] is the usual way from one to the next.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;
use symbolon_admin_api::{ClientWithSecret, NewSecret, Page, SecretEnd};
use symbolon_core::view::{ClientView, SecretView};

use super::super::api::{Call, Login};
use super::super::args::{SureArgs, WhyArgs};
use super::super::context::{ApiContext, Console};
use super::super::error::{CliError, ErrorKind};
use super::super::output::{Output, Remark, fields, table};
use super::options::seconds;
use super::own::{OwnArgs, own_login};
use super::{ClientRef, named, secret, view};

/// `client secret`.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Add a secret beside the one that there is; two are live at most.
    ///
    /// Nothing ends by it. `symbolon client rotate-secret` gives the old one an end in the same step.
    Add(SecretAdd),
    /// Delete a secret: it is refused from now on.
    ///
    /// Sessions and tokens that it got stay good: where it has leaked, revoke what the client began, too.
    Delete(SecretDelete),
    /// Let a secret end, at once or later.
    Expire(SecretExpire),
    /// List the secrets of a client by their ids; the secrets themselves are kept nowhere.
    List(ClientRef),
}

/// `client secret add`.
#[derive(Args, Debug)]
pub struct SecretAdd {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `client secret delete`.
#[derive(Args, Debug)]
pub struct SecretDelete {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// The secret, by its id in `symbolon client secret list`.
    #[arg(value_name = "SECRET_ID", value_parser = secret_id)]
    pub secret: String,
    /// Whether it may end the login of this command.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Whether to ask, and why.
    #[command(flatten)]
    pub sure: SureArgs,
}

/// `client secret expire`.
#[derive(Args, Debug)]
pub struct SecretExpire {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// The secret, by its id in `symbolon client secret list`.
    #[arg(value_name = "SECRET_ID", value_parser = secret_id)]
    pub secret: String,
    /// After how long it ends, at most 400 days; 0s ends it at once.
    #[arg(long = "in", value_name = "DURATION", value_parser = seconds)]
    pub after: u32,
    /// Whether it may end the login of this command.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// Reads a secret's id. What is none is not sent: it may be the secret, which must not stand in a path.
fn secret_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a secret's id has 12 hexadecimal digits: see `symbolon client secret list`".to_owned())
    }
}

/// Runs a command on the secrets of a client.
pub(super) async fn run(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: SecretCommand,
) -> Result<(), CliError> {
    match command {
        SecretCommand::Add(args) => add(context, out, &args).await,
        SecretCommand::Delete(args) => delete(context, console, out, &args).await,
        SecretCommand::Expire(args) => expire(context, out, &args).await,
        SecretCommand::List(args) => list(context, out, &args.client).await,
    }
}

async fn add(context: &ApiContext<'_>, out: &mut Output<'_>, args: &SecretAdd) -> Result<(), CliError> {
    let call = Call::new(Method::POST, &["clients", &args.client, "secrets"])
        .with_some("reason", args.why.reason.as_ref())
        .body(&NewSecret::default())?;
    let sent = context.api.send(call).await;
    let made: ClientWithSecret = sent.map_err(|error| named(error, &args.client))?.read()?;
    match &made.client_secret {
        Some(text) => secret::show(out, "secret_added", &made.client, text),
        None => view::done(out, "secret_added", &made.client),
    }
}

async fn delete(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &SecretDelete,
) -> Result<(), CliError> {
    let (client, id) = (args.client.as_str(), args.secret.as_str());
    let own = own_login(context, client).await?;
    if let Some(login) = own
        && !args.own.own
        && is_last(context, client, id).await?
    {
        args.own.refuse(login, "with its last secret")?;
    }
    let question = format!("Delete secret {id} of client {client}, so that it is refused from now on?");
    let gone = context
        .delete(
            console,
            &args.sure,
            &question,
            &["clients", client, "secrets", id],
        )
        .await;
    gone.map_err(missing)?;
    out.result(
        &json!({ "done": "secret_deleted", "client_id": client, "secret_id": id }),
        &format!("secret {id} of client {client} is deleted"),
    )?;
    warn_of_login(out, own, "has ended")
}

/// Whether that secret is live, and the client has no other that is. One who may not read them is told nothing: it is taken
/// for the last then.
async fn is_last(context: &ApiContext<'_>, client: &str, id: &str) -> Result<bool, CliError> {
    let secrets: Page<SecretView> = match context.api.read(&["clients", client, "secrets"]).await {
        Ok(secrets) => secrets,
        Err(error) if error.kind == ErrorKind::Denied => return Ok(true),
        Err(error) => return Err(named(error, client)),
    };
    let now = context.clock.now();
    let mut live = secrets.items.iter().filter(|secret| secret.is_live(now));
    Ok(live.next().is_some_and(|secret| secret.id == id) && live.next().is_none())
}

/// Warns that the stored login may hold that secret: which one it is the server does not tell.
fn warn_of_login(out: &mut Output<'_>, own: Option<&Login>, how: &str) -> Result<(), CliError> {
    let Some(login) = own else { return Ok(()) };
    let text = format!(
        "this command acts as client {} itself: where its stored login holds the secret that {how}, run `symbolon login` \
         again with another one",
        login.client_id
    );
    out.remark(Remark::Warning, &text)
}

async fn expire(context: &ApiContext<'_>, out: &mut Output<'_>, args: &SecretExpire) -> Result<(), CliError> {
    let own = own_login(context, &args.client).await?;
    if let Some(login) = own
        && args.after == 0
        && !args.own.own
        && is_last(context, &args.client, &args.secret).await?
    {
        args.own.refuse(login, "with its last secret")?;
    }
    let path = ["clients", &args.client, "secrets", &args.secret, "expire"];
    let call = Call::new(Method::POST, &path)
        .with_some("reason", args.why.reason.as_ref())
        .naming("in", "--in")
        .body(&SecretEnd { seconds: args.after })?;
    let client: ClientView = context.api.send(call).await.map_err(missing)?.read()?;
    let ended = client.secrets.iter().find(|secret| secret.id == args.secret);
    let end = ended.and_then(|secret| secret.expires.as_deref());
    out.result(
        &json!({
            "done": "secret_expires",
            "client_id": client.client_id,
            "uid": client.uid,
            "secret_id": args.secret,
            "expires": end,
            "expires_ms": ended.and_then(|secret| secret.expires_ms),
        }),
        &fields(&[
            ("client_id", client.client_id.clone()),
            ("secret", args.secret.clone()),
            ("until", end.unwrap_or("-").to_owned()),
        ]),
    )?;
    warn_of_login(out, own, if args.after == 0 { "has ended" } else { "ends then" })
}

async fn list(context: &ApiContext<'_>, out: &mut Output<'_>, client: &str) -> Result<(), CliError> {
    let read = context.api.read(&["clients", client, "secrets"]).await;
    let secrets: Page<SecretView> = read.map_err(|error| named(error, client))?;
    let now = context.clock.now();
    let row = |secret: &SecretView| {
        let end = secret.expires.clone().unwrap_or_else(|| "-".to_owned());
        let state = if secret.is_live(now) { "live" } else { "ended" };
        [secret.id.clone(), state.to_owned(), end]
    };
    let rows: Vec<_> = secrets.items.iter().map(row).collect();
    out.result(
        &json!({ "secrets": secrets.items }),
        &table(["SECRET ID", "STATE", "UNTIL"], &rows),
    )
}

/// The error, with where to look if there is no such client or secret.
fn missing(error: CliError) -> CliError {
    match error.kind {
        ErrorKind::NotFound => CliError::not_found(error, "see `symbolon client secret list`"),
        _ => error,
    }
}
