//! Client secrets: made by the server, shown once, kept as keyed hashes.

use clap::Args;
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::json;
use symbolon_admin_api::{ClientWithSecret, NewSecret, ShownSecret};
use symbolon_core::view::{ClientView, SecretView};

use super::super::api::{Call, Login};
use super::super::args::WhyArgs;
use super::super::context::{ApiContext, Console, confirm};
use super::super::error::{CliError, ErrorKind};
use super::super::output::{Output, Remark, fields};
use super::options::overlap;
use super::own::{OwnArgs, own_login};
use super::{find, named, view};

/// What is said beside secrets.
pub(super) const SHOWN_ONCE: &str =
    "the client secret is shown this once and kept only as a hash: store it now";

/// `client rotate-secret`.
#[derive(Args, Debug)]
pub struct RotateSecret {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// How long the newest old secret stays good, at most 30d; 0s ends it at once.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = overlap)]
    pub overlap: u32,
    /// Do not ask where a secret that is still good for a while would end at once.
    #[arg(long)]
    pub yes: bool,
    /// Whether it may end the login of this command.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `client rotate-secret`: two secrets are good at a time, so that an older one ends before the end that it was given.
pub(super) async fn rotate(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &RotateSecret,
) -> Result<(), CliError> {
    let own = own_login(context, &args.client).await?;
    if let Some(login) = own.filter(|_| args.overlap == 0) {
        args.own.refuse(login, "with its secret")?;
    }
    let cut_short = cut_short(context, args).await?;
    if let Some((id, end)) = &cut_short {
        confirm_end(console, args, id, end)?;
    }
    let others = NewSecret {
        expire_others_in: Some(args.overlap),
    };
    let call = Call::new(Method::POST, &["clients", &args.client, "secrets"])
        .with_some("reason", args.why.reason.as_ref())
        .body(&others)?;
    let sent = context.api.send(call).await;
    let made: ClientWithSecret = sent.map_err(|error| named(error, &args.client))?.read()?;
    if let Some((id, end)) = cut_short {
        let text = format!("secret {id}, which was good until {end}, has ended at once");
        out.remark(Remark::Warning, &text)?;
    }
    match &made.client_secret {
        Some(text) => show(out, "secret_rotated", &made.client, text)?,
        None => view::done(out, "secret_rotated", &made.client)?,
    }
    match own {
        Some(login) => warn_of_login(out, login, &made.client, args.overlap),
        None => Ok(()),
    }
}

/// Warns that the stored login is not changed with the secret: only `symbolon login` writes one.
fn warn_of_login(
    out: &mut Output<'_>,
    login: &Login,
    client: &ClientView,
    overlap: u32,
) -> Result<(), CliError> {
    let end = match old_secret(client).and_then(|old| old.expires.as_deref()) {
        Some(end) if overlap > 0 => format!("is good until {end} at most"),
        _ => "has ended".to_owned(),
    };
    let text = format!(
        "this command acts as client {} itself, and its stored login holds an old secret, which {end}: run `symbolon login` \
         again and give it the new one",
        login.client_id
    );
    out.remark(Remark::Warning, &text)
}

/// The secret, and its end, that ends before that: an overlap is for the newest alone, and without one all end at once. Nothing
/// where the client may not be read.
async fn cut_short(
    context: &ApiContext<'_>,
    args: &RotateSecret,
) -> Result<Option<(String, String)>, CliError> {
    let client = match find(context, &args.client).await {
        Ok(client) => client,
        Err(error) if error.kind == ErrorKind::Denied => return Ok(None),
        Err(error) => return Err(error),
    };
    let now = context.clock.now();
    let mut live = client.secrets;
    live.retain(|secret| secret.is_live(now));
    live.sort_by_key(|secret| secret.expires_ms.unwrap_or(u64::MAX));
    if args.overlap > 0 {
        live.pop();
    }
    Ok(live
        .into_iter()
        .find_map(|secret| Some((secret.id, secret.expires?))))
}

fn confirm_end(console: &mut dyn Console, args: &RotateSecret, id: &str, end: &str) -> Result<(), CliError> {
    if !args.yes && !console.is_terminal() {
        return Err(CliError::refused(
            format_args!("secret {id}, which is good until {end}, would end at once"),
            "wait until then, or give --yes",
        ));
    }
    let question = format!("Make a new secret? Secret {id}, which is good until {end}, ends at once.");
    confirm(console, args.yes, &question)
}

/// The secret that was there before and has an end.
fn old_secret(client: &ClientView) -> Option<&SecretView> {
    client.secrets.iter().find(|secret| secret.expires.is_some())
}

/// Writes the secret, this once, to standard output alone.
pub(super) fn show(
    out: &mut Output<'_>,
    done: &'static str,
    client: &ClientView,
    secret: &ShownSecret,
) -> Result<(), CliError> {
    let secret = secret.0.expose_secret();
    let old = old_secret(client);
    let until = old.and_then(|old| old.expires.as_deref());
    let mut pairs = vec![
        ("client_id", client.client_id.clone()),
        ("client_secret", secret.to_owned()),
    ];
    pairs.extend(until.map(|end| ("old secret until", end.to_owned())));
    out.remark(Remark::Note, SHOWN_ONCE)?;
    out.result(
        &json!({
            "done": done,
            "client_id": client.client_id,
            "uid": client.uid,
            "client_secret": secret,
            "old_secret_until": until,
            "old_secret_until_ms": old.and_then(|old| old.expires_ms),
        }),
        &fields(&pairs),
    )
}
