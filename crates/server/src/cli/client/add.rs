//! `client add`.

use clap::Args;
use http::Method;
use serde_json::json;
use symbolon_admin_api::ClientWithSecret;
use symbolon_core::ClientId;
use uuid::Uuid;

use super::super::api::Call;
use super::super::args::WhyArgs;
use super::super::context::ApiContext;
use super::super::error::CliError;
use super::super::output::Output;
use super::super::role::warn_of_unknown;
use super::options::{PolicyArgs, warn};
use super::{secret, view};

/// `client add`.
#[derive(Args, Debug)]
pub struct ClientAdd {
    /// Name for people.
    #[arg(long)]
    pub name: String,
    /// The client id; one is made where it is left out.
    #[arg(long, value_name = "ID", value_parser = chosen_id)]
    pub client_id: Option<ClientId>,
    /// A client that can't keep a secret, such as an app on the user's device.
    #[arg(long)]
    pub public: bool,
    /// What it may do. Nothing is allowed that is not named.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// A client id that somebody chose. One that is a UUID could be taken for the subject of a user, or for the
/// identity of another client.
pub(in crate::cli) fn chosen_id(text: &str) -> Result<ClientId, String> {
    if Uuid::try_parse(text).is_ok() {
        return Err("a UUID could be taken for a user: choose another id, or leave it out".to_owned());
    }
    text.parse()
        .map_err(|error: symbolon_core::ids::ClientIdError| error.to_string())
}

/// Makes the client, and a secret where it can keep one.
pub(super) async fn add(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: ClientAdd,
) -> Result<(), CliError> {
    let scopes = args.policy.scopes.clone();
    let mut form = args.policy.members()?;
    form.insert("name".to_owned(), json!(args.name));
    form.insert("client_id".to_owned(), json!(args.client_id));
    if args.public {
        form.insert("type".to_owned(), json!("public"));
    }
    let call = Call::new(Method::POST, &["clients"])
        .with_some("reason", args.why.reason)
        .naming("client_id", "--client-id")
        .body(&form)?;
    let made: ClientWithSecret = context.api.send(call).await?.read()?;
    warn(out, &made.client)?;
    warn_of_unknown(out, &scopes)?;
    match &made.client_secret {
        Some(text) => secret::show(out, "added", &made.client, text),
        None => view::done(out, "added", &made.client),
    }
}
