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
use super::super::role::warn_of_unknown;
use super::options::{Clearable, PolicyArgs, warn};
use super::own::{OwnArgs, own_login};
use super::{ClientEnable, find, named, view};

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
    /// Whether it may end the login of this command.
    #[command(flatten)]
    pub own: OwnArgs,
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
    /// Whether it may be the client that this command acts as.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Whether to ask, and why.
    #[command(flatten)]
    pub sure: SureArgs,
}

/// `client disable`.
#[derive(Args, Debug)]
pub struct ClientDisable {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// Whether it may be the client that this command acts as.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `client update`: what is not given is left as it is then, whoever changes it meanwhile.
pub(super) async fn update(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: ClientUpdate,
) -> Result<(), CliError> {
    let scopes = args.policy.scopes.clone();
    let mut patch: Map<String, Value> = args.clear.iter().map(|field| field.emptied()).collect();
    patch.extend(args.policy.members()?);
    patch.extend(args.name.map(|name| ("name".to_owned(), json!(name))));
    if patch.is_empty() {
        return Err(CliError::refused(
            "that changes nothing",
            "name what is to change, such as --scope",
        ));
    }
    let client = find(context, &args.client).await?;
    if let Some(login) = context.api.login()
        && login.client_id == client.client_id
    {
        args.own.refuse_losing(login, &patch)?;
    }
    let call = Call::new(Method::PATCH, &["clients", &client.uid.to_string()])
        .with_some("reason", args.why.reason)
        .body(&patch)?;
    let client: ClientView = context.api.send(call).await?.read()?;
    warn(out, &client)?;
    warn_of_unknown(out, &scopes)?;
    view::done(out, "updated", &client)
}

/// `client enable`.
pub(super) async fn enable(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &ClientEnable,
) -> Result<(), CliError> {
    let client = switch(context, &args.client, "enable", &args.why).await?;
    view::done(out, "enabled", &client)
}

/// `client disable`.
pub(super) async fn disable(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &ClientDisable,
) -> Result<(), CliError> {
    if let Some(login) = own_login(context, &args.client).await? {
        args.own.refuse(login, "with it")?;
    }
    let client = switch(context, &args.client, "disable", &args.why).await?;
    view::done(out, "disabled", &client)
}

async fn switch(
    context: &ApiContext<'_>,
    client: &str,
    verb: &'static str,
    why: &WhyArgs,
) -> Result<ClientView, CliError> {
    let call = Call::new(Method::POST, &["clients", client, verb]).with_some("reason", why.reason.as_ref());
    let sent = context.api.send(call).await;
    sent.map_err(|error| named(error, client))?.read()
}

/// `client delete`.
pub(super) async fn delete(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &ClientDelete,
) -> Result<(), CliError> {
    let client = find(context, &args.client).await?;
    if let Some(login) = context.api.login()
        && login.client_id == client.client_id
    {
        args.own.refuse(login, "with it")?;
    }
    let (id, name) = (&client.client_id, &client.name);
    let question = if client.serves.is_empty() {
        format!("Delete client {id} ({name}) for good?")
    } else {
        let served: Vec<_> = client
            .serves
            .iter()
            .map(|served| served.audience.as_str())
            .collect();
        let served = served.join(", ");
        format!("Delete client {id} ({name}) and what it serves, {served}, for good?")
    };
    // By its uid: another that has got the client id meanwhile was not asked about.
    let path = ["clients", &client.uid.to_string()];
    let gone = context.delete(console, &args.sure, &question, &path).await;
    gone.map_err(|error| named(error, &args.client))?;
    view::done(out, "deleted", &client)
}
