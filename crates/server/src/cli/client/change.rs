//! Changes of clients that exist.

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};
use symbolon_core::view::ClientView;

use super::super::api::Call;
use super::super::args::{SureArgs, WhyArgs};
use super::super::context::{ApiContext, Console};
use super::super::error::CliError;
use super::super::output::Output;
use super::options::{Clearable, PolicyArgs, warn};
use super::{ClientSwitch, find, named, view};

/// `client update`.
#[derive(Args, Debug)]
pub struct ClientUpdate {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// Name for people.
    #[arg(long)]
    pub name: Option<String>,
    /// Empty this, or set it back to the server's default; may be repeated.
    #[arg(long, value_name = "FIELD")]
    pub clear: Vec<Clearable>,
    /// What is given replaces what was there. Whether a client is public can't change: make another.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `client delete`.
#[derive(Args, Debug)]
pub struct ClientDelete {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// Whether to ask, and why.
    #[command(flatten)]
    pub sure: SureArgs,
}

/// `client update`: what is not given is left as it is then, whoever changes it meanwhile.
pub(super) async fn update(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: ClientUpdate,
) -> Result<(), CliError> {
    let mut patch: Map<String, Value> = args.clear.iter().map(|field| field.emptied()).collect();
    patch.extend(args.policy.members()?);
    patch.extend(args.name.map(|name| ("name".to_owned(), json!(name))));
    let client = find(context, &args.client).await?;
    if !changes(&patch, &client)? {
        return Err(CliError::refused(
            "that changes nothing",
            "name what is to change, such as --scope",
        ));
    }
    let call = Call::new(Method::PATCH, &["clients", &client.uid.to_string()])
        .with_some("reason", args.why.reason)
        .body(&patch)?;
    let client: ClientView = context.api.send(call).await?.read()?;
    warn(out, &client)?;
    view::done(out, "updated", &client)
}

/// Whether a member of the patch is another than the client's.
fn changes(patch: &Map<String, Value>, client: &ClientView) -> Result<bool, CliError> {
    let present = serde_json::to_value(client)
        .map_err(|error| CliError::failed(format_args!("the client is no JSON: {error}"), "report this"))?;
    Ok(patch.iter().any(|(name, value)| present.get(name) != Some(value)))
}

/// `client enable` and `client disable`.
pub(super) async fn set_active(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &ClientSwitch,
    active: bool,
) -> Result<(), CliError> {
    let (verb, done) = if active {
        ("enable", "enabled")
    } else {
        ("disable", "disabled")
    };
    let call = Call::new(Method::POST, &["clients", &args.client, verb])
        .with_some("reason", args.why.reason.as_ref());
    let sent = context.api.send(call).await;
    let client: ClientView = sent.map_err(|error| named(error, &args.client))?.read()?;
    view::done(out, done, &client)
}

/// `client delete`.
pub(super) async fn delete(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &ClientDelete,
) -> Result<(), CliError> {
    let client = find(context, &args.client).await?;
    let question = match client.serves.len() {
        0 => format!("Delete client {} ({}) for good?", client.client_id, client.name),
        count => format!(
            "Delete client {} ({}) and the {count} audiences that it serves for good?",
            client.client_id, client.name
        ),
    };
    // By its uid: another that has got the client id meanwhile was not asked about.
    let path = ["clients", &client.uid.to_string()];
    let gone = context.delete(console, &args.sure, &question, &path).await;
    gone.map_err(|error| named(error, &args.client))?;
    view::done(out, "deleted", &client)
}
