//! Changes of clients that exist, each with the entry on the revocation log that goes with it.

use clap::Args;
use symbolon_core::revocation::NewRevocation;

use super::super::context::{Console, Context, confirm};
use super::super::error::CliError;
use super::super::output::Output;
use super::options::{Clearable, PolicyArgs, check};
use super::{ClientRef, find, view};

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
}

/// `client delete`.
#[derive(Args, Debug)]
pub struct ClientDelete {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `client update`.
pub(super) async fn update(
    context: &Context<'_>,
    out: &mut Output<'_>,
    args: ClientUpdate,
) -> Result<(), CliError> {
    let mut client = find(context, &args.client).await?;
    let before = client.policy.clone();
    for field in args.clear {
        field.clear(&mut client.policy);
    }
    if let Some(name) = args.name {
        client.policy.name = name;
    }
    args.policy.apply(&mut client.policy)?;
    if client.policy == before {
        return Err(CliError::refused(
            "that changes nothing",
            "name what is to change, such as --scope",
        ));
    }
    check(context, out, &client.policy)?;
    context.commit(context.admin.set_client_policy(&client)).await?;
    view::done(out, "updated", &client)
}

/// `client enable` and `client disable`.
pub(super) async fn set_active(
    context: &Context<'_>,
    out: &mut Output<'_>,
    args: &ClientRef,
    active: bool,
) -> Result<(), CliError> {
    let mut client = find(context, &args.client).await?;
    let (entry, done) = if active {
        let lifted = NewRevocation::client_lifted(&client.client_id, context.cutoff());
        (lifted, "enabled")
    } else {
        (NewRevocation::client_blocked(&client.client_id), "disabled")
    };
    let entry = context.because(entry, done);
    context
        .commit(context.admin.set_client_active(client.uid, active, &entry))
        .await?;
    client.active = active;
    view::done(out, done, &client)
}

/// `client delete`.
pub(super) async fn delete(
    context: &Context<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &ClientDelete,
) -> Result<(), CliError> {
    let client = find(context, &args.client).await?;
    let question = match client.policy.serves.len() {
        0 => format!(
            "Delete client {} ({}) for good?",
            client.client_id, client.policy.name
        ),
        count => format!(
            "Delete client {} ({}) and the {count} audiences that it serves for good?",
            client.client_id, client.policy.name
        ),
    };
    confirm(console, args.yes, &question)?;
    let entry = NewRevocation::client_deleted(&client.client_id, context.cutoff());
    let entry = context.because(entry, "deleted");
    context
        .commit(context.admin.delete_client(client.uid, &entry))
        .await?;
    view::done(out, "deleted", &client)
}
