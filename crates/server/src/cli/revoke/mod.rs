//! `revoke`: ends tokens, sessions, or all of a user, a client, a key or the issuer, and waits until verifiers know.

mod key;
mod view;
mod wait;
mod wanted;

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use http::Method;
use symbolon_admin_api::{Everything, Filter, RevocationRequest, RevocationsMade, TokenFilter};
use symbolon_core::UnixMillis;
use symbolon_jose::Kid;
use uuid::Uuid;

use super::api::Call;
use super::audit::moment;
use super::context::{ApiContext, Console, confirm};
use super::error::CliError;
use super::keys::args::reason;
use super::output::Output;
use super::session::session_id;
use wanted::Wanted;

/// `revoke`.
#[derive(Debug, Subcommand)]
pub enum RevokeCommand {
    /// End every session and refuse every access token that was issued until now.
    ///
    /// Everybody has to log in again, and every client to ask for new tokens.
    All(RevokeAll),
    /// End all sessions of a client and refuse its access tokens, those of its own included.
    ///
    /// What begins afterwards is good. To refuse the client until further notice use `symbolon client disable`.
    Client(RevokeClient),
    /// Refuse whatever a key signed, for good.
    ///
    /// A key that is on record is withdrawn, and replaced where it is published, as by `symbolon keys compromise`. One that
    /// is not, since the database lost it, goes on the revocation log alone, with `--unknown`. Sessions go on: their next
    /// refresh gets a token by another key. It can't be undone.
    Key(RevokeKey),
    /// End one session: its refresh token and all of its access tokens.
    Session(RevokeSession),
    /// End all sessions of a user and refuse their access tokens.
    ///
    /// What begins afterwards is good: whoever has the password logs in again. To keep them out use `symbolon user
    /// disable` or `symbolon user set-password`.
    Subject(RevokeSubject),
    /// Refuse one access token; its session goes on.
    ///
    /// Give the token itself on standard input where you have it: then it is refused for as long as it lives and counts
    /// for its session, which ends as a whole when 64 of its tokens are revoked. By its jti alone nothing is known of it
    /// but when it was made: it is refused for as long as the longest access token lives, and no more than 64 such entries
    /// may be in force at a time.
    Token(RevokeToken),
}

/// `revoke all`.
#[derive(Args, Debug)]
pub struct RevokeAll {
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// How.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// `revoke client`.
#[derive(Args, Debug)]
pub struct RevokeClient {
    /// The client id.
    #[arg(value_name = "CLIENT_ID")]
    pub client: String,
    /// How.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// `revoke key`.
#[derive(Args, Debug)]
pub struct RevokeKey {
    /// The key.
    // A key id is base64url, which may begin with a hyphen.
    #[arg(value_parser = Kid::parse, allow_hyphen_values = true)]
    pub kid: Kid,
    /// Revoke it although it is not on record.
    #[arg(long)]
    pub unknown: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// How.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// `revoke session`.
#[derive(Args, Debug)]
pub struct RevokeSession {
    /// The session: `sid` in its tokens.
    #[arg(value_name = "SID", value_parser = session_id)]
    pub session: Uuid,
    /// How.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// `revoke subject`.
#[derive(Args, Debug)]
pub struct RevokeSubject {
    /// User name, e-mail address or subject.
    pub subject: String,
    /// How.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// `revoke token`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").required(true).args(["jti", "token_stdin"])))]
pub struct RevokeToken {
    /// The token: `jti` in it.
    #[arg(value_parser = token_id)]
    pub jti: Option<Uuid>,
    /// Read the access token from standard input.
    #[arg(long)]
    pub token_stdin: bool,
    /// How.
    #[command(flatten)]
    pub order: OrderArgs,
}

/// How something is revoked.
#[derive(Args, Clone, Debug)]
pub struct OrderArgs {
    /// Why, for the record: at most 200 characters. The record does not say whom it is about: say so here.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Only show how many sessions it would end.
    #[arg(long)]
    pub dry_run: bool,
    /// Only what began at or before this moment, which has passed, such as 2026-01-31T12:00:00Z; of everything, a client or
    /// a subject. Without it, until now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub issued_before: Option<u64>,
    /// Wait for at most so long, up to 10m, until every live verifier has reported that it applied it.
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        default_value = "10s",
        default_missing_value = "10s",
        value_parser = patience,
        conflicts_with = "no_wait"
    )]
    pub wait: Duration,
    /// Do not wait for verifiers.
    #[arg(long)]
    pub no_wait: bool,
}

impl OrderArgs {
    /// How long to wait for verifiers.
    fn patience(&self) -> Option<Duration> {
        (!self.no_wait).then_some(self.wait)
    }
}

/// Longest wait for verifiers.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// What is said where fences in Redis could not be raised.
pub(super) const UNPROMISED: &str = "it is on the log for good, but Redis could not be told: a server that is cut off from the \
    database may go on accepting it until it is back; repeat the command once Redis answers, to be sure";

/// Reads `--wait`.
fn patience(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("{error}: give a time such as 30s, or --wait as the last flag"))?;
    if (Duration::from_millis(1)..=MAX_WAIT).contains(&time) {
        Ok(time)
    } else {
        Err("give 1ms to 10m, or --no-wait".to_owned())
    }
}

/// Reads a `jti`.
fn token_id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text)
        .map_err(|_| "a jti is a UUID: take it from the token, or give the token by --token-stdin".to_owned())
}

/// Runs a command that revokes.
///
/// # Errors
/// [`CliError`]; nothing was revoked, unless it is [`super::ErrorKind::Unconfirmed`] or says otherwise.
pub async fn run(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: RevokeCommand,
) -> Result<(), CliError> {
    let (wanted, order) = match command {
        RevokeCommand::All(RevokeAll { yes, order }) => {
            if !order.dry_run {
                confirm(
                    console,
                    yes,
                    "End every session and refuse every access token issued until now?",
                )?;
            }
            (Wanted::of(Filter::All(Everything {})), order)
        }
        RevokeCommand::Client(args) => (wanted::client(context, &args.client).await?, args.order),
        RevokeCommand::Key(args) => {
            if key::can_be_withdrawn(context, &args.kid).await? {
                return key::withdraw(context, console, out, args).await;
            }
            (key::wanted(context, console, &args).await?, args.order)
        }
        RevokeCommand::Session(args) => (Wanted::of(Filter::Session(args.session)), args.order),
        RevokeCommand::Subject(args) => (wanted::subject(context, &args.subject).await?, args.order),
        RevokeCommand::Token(args) => {
            let filter = match args.jti {
                Some(jti) => TokenFilter::Jti(jti),
                None => wanted::token_on(console)?,
            };
            (Wanted::of(Filter::Token(filter)), args.order)
        }
    };
    let made = ask(context, &wanted, &order).await?;
    if order.dry_run {
        return view::dry_run(out, &wanted, &made);
    }
    let done = Done::of(&made)?;
    finish(context, out, (&wanted, &made), &done, &order).await
}

/// Asks the server for it.
async fn ask(
    context: &ApiContext<'_>,
    wanted: &Wanted,
    order: &OrderArgs,
) -> Result<RevocationsMade, CliError> {
    let request = RevocationRequest {
        filter: wanted.filter.clone(),
        issued_before_ms: order.issued_before,
        reason: order.reason.clone(),
        dry_run: order.dry_run,
    };
    let call = Call::new(Method::POST, &["revocations"]).body(&request)?;
    let sent = context
        .api
        .send(call)
        .await
        .map_err(|error| wanted.named(error))?;
    sent.read()
}

/// An entry that is on the log.
#[derive(Clone, Copy, Debug)]
struct Done {
    log: Uuid,
    seq: u64,
    at: UnixMillis,
    is_promised: bool,
}

impl Done {
    /// The one entry that a request has made.
    fn of(made: &RevocationsMade) -> Result<Self, CliError> {
        let entry = made
            .targets
            .first()
            .and_then(|target| Some((target.seq?, target.at_ms?)));
        let (seq, at) = entry.ok_or_else(lost)?;
        Ok(Self {
            log: made.log,
            seq,
            at: UnixMillis(at),
            is_promised: made.reach.as_deref() == Some("everywhere"),
        })
    }
}

/// It is done, but where it stands was not told.
fn lost() -> CliError {
    CliError::failed(
        "it is revoked, but its entry was not found on the revocation log",
        "see `symbolon revocations list`",
    )
}

/// Waits for verifiers, tells what came of it, and fails where some of them have not confirmed it.
async fn finish(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    (wanted, made): (&Wanted, &RevocationsMade),
    done: &Done,
    order: &OrderArgs,
) -> Result<(), CliError> {
    let waited = match order.patience() {
        Some(patience) => Some(wait::for_verifiers(context, done, patience).await?),
        None => None,
    };
    view::done(out, (wanted, made), done, (None, waited.as_ref()))?;
    match waited {
        Some(waited) => waited.outcome(done),
        None => Ok(()),
    }
}
