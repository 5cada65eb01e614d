//! `verifiers`: who follows the revocation log, and how far they are.

use clap::Subcommand;
use serde_json::json;
use symbolon_admin_api::{VerifierList, VerifierView};
use symbolon_core::UnixMillis;

use super::context::ApiContext;
use super::error::CliError;
use super::output::{Output, list, millis, table};

/// `verifiers`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum VerifiersCommand {
    /// List the verifiers that have reported within a day, the last seen first.
    ///
    /// A verifier is live if it reported within the last 30 seconds: `symbolon revoke` waits for those. BEHIND is how many
    /// entries of the log it has not applied, AGE how old what it goes by was when it was last seen, and UNKNOWN KEYS are
    /// those of the issuer's published keys that it has not read yet. It is what verifiers say of themselves.
    List,
}

/// Runs a command on verifiers.
///
/// # Errors
/// [`CliError`].
pub async fn run(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    command: VerifiersCommand,
) -> Result<(), CliError> {
    let VerifiersCommand::List = command;
    let found: VerifierList = context.api.read(&["verifiers"]).await?;
    let now = context.clock.now();
    let row = |one: &VerifierView| {
        [
            one.client_id.clone(),
            one.name.clone(),
            state(one.live).to_owned(),
            format!("{} ago", millis(now.since(UnixMillis(one.last_seen_ms)))),
            one.seq.to_string(),
            one.behind
                .map_or_else(|| "another log".to_owned(), |behind| behind.to_string()),
            millis(one.age_ms),
            list(&one.unknown_keys),
        ]
    };
    let rows: Vec<_> = found.items.iter().map(row).collect();
    let headers = [
        "CLIENT",
        "NAME",
        "STATE",
        "SEEN",
        "SEQ",
        "BEHIND",
        "AGE",
        "UNKNOWN KEYS",
    ];
    let object = json!({ "verifiers": found.items, "log": found.log, "seq": found.seq });
    out.result(&object, &table(headers, &rows))
}

pub(super) fn state(live: bool) -> &'static str {
    if live { "live" } else { "silent" }
}
