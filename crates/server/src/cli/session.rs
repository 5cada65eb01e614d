//! `session`: what logins began, and ending it.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;
use symbolon_admin_api::{Page, RevocationsMade, SessionRevocation, SessionView};
use symbolon_core::UnixMillis;
use uuid::Uuid;

use super::api::Call;
use super::args::PageArgs;
use super::context::ApiContext;
use super::error::CliError;
use super::keys::args::reason;
use super::output::{Output, Remark, fields, millis, more, table};
use super::user::subject_of;

/// `session`.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List sessions that have not reached their absolute end, the latest first.
    ///
    /// Those that were ended by a revocation are among them, and say so.
    List(SessionList),
    /// End a session: its refresh token and all of its access tokens.
    ///
    /// `symbolon revoke session` does the same and waits until verifiers know.
    Revoke(SessionRevoke),
    /// Show a session.
    Show(SessionShow),
}

/// `session list`.
#[derive(Args, Debug)]
pub struct SessionList {
    /// Of this user: user name, e-mail address or subject.
    #[arg(long, value_name = "USER", conflicts_with = "client")]
    pub user: Option<String>,
    /// Of this client.
    #[arg(long, value_name = "CLIENT_ID")]
    pub client: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `session revoke`.
#[derive(Args, Debug)]
pub struct SessionRevoke {
    /// The session: `sid` in its tokens.
    #[arg(value_name = "SID", value_parser = session_id)]
    pub session: Uuid,
    /// Why, for the record: at most 200 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
}

/// `session show`.
#[derive(Args, Clone, Copy, Debug)]
pub struct SessionShow {
    /// The session: `sid` in its tokens.
    #[arg(value_name = "SID", value_parser = session_id)]
    pub session: Uuid,
}

/// Reads a `sid`.
pub(super) fn session_id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| "a session id is a UUID: see `symbolon session list`".to_owned())
}

/// Runs a command on sessions.
///
/// # Errors
/// [`CliError`]; nothing changed.
pub async fn run(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    command: SessionCommand,
) -> Result<(), CliError> {
    match command {
        SessionCommand::List(args) => list(context, out, &args).await,
        SessionCommand::Revoke(args) => revoke(context, out, args).await,
        SessionCommand::Show(args) => show(context, out, args.session).await,
    }
}

async fn list(context: &ApiContext<'_>, out: &mut Output<'_>, args: &SessionList) -> Result<(), CliError> {
    let subject = match &args.user {
        Some(user) => Some(subject_of(context, user).await?),
        None => None,
    };
    let call = args
        .page
        .on(Call::new(Method::GET, &["sessions"]))
        .with_some("subject", subject)
        .with_some("client_id", args.client.as_ref());
    let page: Page<SessionView> = context.api.send(call).await?.read()?;
    let now = context.clock.now();
    let row = |session: &SessionView| {
        [
            session.sid.to_string(),
            session
                .username
                .clone()
                .unwrap_or_else(|| session.subject.to_string()),
            session
                .client_id
                .clone()
                .unwrap_or_else(|| session.client_uid.to_string()),
            state(session).to_owned(),
            format!("{} ago", millis(now.since(UnixMillis(session.began_ms)))),
            session.address.clone().unwrap_or_else(|| "-".to_owned()),
            session.ends.clone(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let mut text = table(
        ["SID", "USER", "CLIENT", "STATE", "BEGAN", "ADDRESS", "ENDS"],
        &rows,
    );
    text.push_str(&more(page.next.as_deref()));
    out.result(&json!({ "sessions": page.items, "next": page.next }), &text)
}

async fn show(context: &ApiContext<'_>, out: &mut Output<'_>, sid: Uuid) -> Result<(), CliError> {
    let session: SessionView = context.api.read(&["sessions", &sid.to_string()]).await?;
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let text = fields(&[
        ("sid", session.sid.to_string()),
        ("subject", session.subject.to_string()),
        ("username", or_dash(&session.username)),
        ("client", or_dash(&session.client_id)),
        ("state", state(&session).to_owned()),
        ("scope", session.scope.clone()),
        ("began", session.began.clone()),
        ("ends", session.ends.clone()),
        ("address", or_dash(&session.address)),
        ("user agent", or_dash(&session.user_agent)),
    ]);
    out.result(&session, &text)
}

async fn revoke(context: &ApiContext<'_>, out: &mut Output<'_>, args: SessionRevoke) -> Result<(), CliError> {
    let sid = args.session.to_string();
    let body = SessionRevocation { reason: args.reason };
    let call = Call::new(Method::POST, &["sessions", &sid, "revoke"]).body(&body)?;
    let made: RevocationsMade = context.api.send(call).await?.read()?;
    if made.reach.as_deref() == Some("logged") {
        out.remark(Remark::Warning, super::revoke::UNPROMISED)?;
    }
    out.result(&made, &format!("session {sid} has ended"))
}

fn state(session: &SessionView) -> &'static str {
    if session.ended { "ended" } else { "live" }
}
