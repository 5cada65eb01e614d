//! `client add`.

use clap::Args;
use symbolon_core::client::{Client, ClientPolicy, ClientType};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::{ClientId, ClientUid};
use uuid::Uuid;

use super::super::context::Context;
use super::super::error::CliError;
use super::super::output::Output;
use super::options::{PolicyArgs, check};
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
    /// What it may do.
    #[command(flatten)]
    pub policy: PolicyArgs,
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
    context: &Context<'_>,
    out: &mut Output<'_>,
    args: ClientAdd,
) -> Result<(), CliError> {
    let policy = policy(&args.name, args.public, args.policy)?;
    check(context, out, &policy)?;
    let now = context.clock.now();
    let uid = ClientUid::new(now, context.rng);
    let secret = match policy.client_type {
        ClientType::Confidential => Some(secret::make(context, uid)?),
        ClientType::Public => None,
    };
    let client = Client {
        uid,
        client_id: args.client_id.unwrap_or_else(|| uid.into()),
        active: true,
        created: now,
        policy,
        audiences: Vec::new(),
        secrets: secret.iter().map(|made| made.hash.clone()).collect(),
    };
    let lift = NewRevocation::client_lifted(&client.client_id, context.cutoff());
    let lift = context.because(lift, "added");
    context.commit(context.admin.add_client(&client, &lift)).await?;
    match secret {
        Some(made) => secret::show(out, "added", &client, &made.text),
        None => view::done(out, "added", &client),
    }
}

/// The policy that the flags describe. Nothing is allowed that was not named.
fn policy(name: &str, public: bool, args: PolicyArgs) -> Result<ClientPolicy, CliError> {
    let client_type = if public {
        ClientType::Public
    } else {
        ClientType::Confidential
    };
    let mut policy = ClientPolicy::new(name, client_type);
    args.apply(&mut policy)?;
    Ok(policy)
}
