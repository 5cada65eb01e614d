//! `keys`: the signing keys.

use clap::Subcommand;
use serde_json::{Value, json};
use symbolon_jwks_publisher::{KeyInfo, list_keys};

use super::context::Context;
use super::error::CliError;
use super::output::{Output, rfc3339, table};

/// `keys`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum KeysCommand {
    /// List all signing keys that are not retired.
    List,
}

/// Runs a command on signing keys.
///
/// # Errors
/// [`CliError`] where the store fails.
pub async fn run(context: &Context<'_>, out: &mut Output<'_>, command: KeysCommand) -> Result<(), CliError> {
    let KeysCommand::List = command;
    let keys = list_keys(context.keys).await?;
    let row = |key: &KeyInfo| {
        [
            key.kid.to_string(),
            key.alg.to_string(),
            key.state.to_owned(),
            rfc3339(key.since),
            key.encryption_key.clone().unwrap_or_else(|| "unknown".to_owned()),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    let views: Vec<_> = keys.iter().map(view).collect();
    let headers = ["KID", "ALGORITHM", "STATE", "SINCE", "ENCRYPTED UNDER"];
    out.result(&json!({ "keys": views }), &table(headers, &rows))
}

fn view(key: &KeyInfo) -> Value {
    json!({
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state,
        "since": rfc3339(key.since),
        "since_ms": key.since.0,
        "created": rfc3339(key.created),
        "created_ms": key.created.0,
        "encryption_key": key.encryption_key,
    })
}
