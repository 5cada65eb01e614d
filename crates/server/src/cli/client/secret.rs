//! Client secrets: made by the server, shown once, kept as keyed hashes.

use clap::Args;
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::json;
use symbolon_admin_api::{ClientWithSecret, NewSecret, ShownSecret};
use symbolon_core::view::ClientView;

use super::super::api::Call;
use super::super::args::WhyArgs;
use super::super::context::ApiContext;
use super::super::error::CliError;
use super::super::output::{Output, Remark, fields};
use super::options::overlap;
use super::{named, view};

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
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `client rotate-secret`.
pub(super) async fn rotate(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &RotateSecret,
) -> Result<(), CliError> {
    let others = NewSecret {
        expire_others_in: Some(args.overlap),
    };
    let call = Call::new(Method::POST, &["clients", &args.client, "secrets"])
        .with_some("reason", args.why.reason.as_ref())
        .body(&others)?;
    let sent = context.api.send(call).await;
    let made: ClientWithSecret = sent.map_err(|error| named(error, &args.client))?.read()?;
    match &made.client_secret {
        Some(text) => show(out, "secret_rotated", &made.client, text),
        None => view::done(out, "secret_rotated", &made.client),
    }
}

/// Writes the secret, this once, to standard output alone.
pub(super) fn show(
    out: &mut Output<'_>,
    done: &'static str,
    client: &ClientView,
    secret: &ShownSecret,
) -> Result<(), CliError> {
    let secret = secret.0.expose_secret();
    let old = client.secrets.iter().find(|secret| secret.expires.is_some());
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
