//! `revocations`: the log as people read it.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;
use symbolon_admin_api::{AppliedBy, Page, RevocationView, ShownRevocation};

use super::api::Call;
use super::args::PageArgs;
use super::context::ApiContext;
use super::error::{CliError, ErrorKind};
use super::output::{Output, fields, millis, more, table};
use super::verifiers::state;

/// `revocations`.
#[derive(Debug, Subcommand)]
pub enum RevocationsCommand {
    /// List the entries of the revocation log, the latest first, until they expire.
    List(PageArgs),
    /// Show one entry: when it was made, by whom and why, and by when each verifier had applied it.
    ///
    /// The log holds digests: whom an entry is about stands in its reason, if anywhere.
    Show(RevocationsShow),
}

/// `revocations show`.
#[derive(Args, Debug)]
pub struct RevocationsShow {
    /// The position of the entry on the log, as `symbolon revoke` told it.
    pub seq: u64,
}

/// Runs a command on the entries of the log.
///
/// # Errors
/// [`CliError`].
pub async fn run(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    command: RevocationsCommand,
) -> Result<(), CliError> {
    match command {
        RevocationsCommand::List(page) => list(context, out, &page).await,
        RevocationsCommand::Show(args) => show(context, out, args.seq).await,
    }
}

async fn list(context: &ApiContext<'_>, out: &mut Output<'_>, page: &PageArgs) -> Result<(), CliError> {
    let call = page.on(Call::new(Method::GET, &["revocations"]));
    let found: Page<RevocationView> = context.api.send(call).await?.read()?;
    let row = |entry: &RevocationView| {
        [
            entry.seq.to_string(),
            entry.at.clone(),
            entry.kind.clone(),
            effect(entry),
            expires(entry),
            entry.actor.clone(),
            entry.reason.clone(),
        ]
    };
    let rows: Vec<_> = found.items.iter().map(row).collect();
    let mut text = table(["SEQ", "AT", "KIND", "EFFECT", "EXPIRES", "BY", "REASON"], &rows);
    text.push_str(&more(found.next.as_deref()));
    out.result(&json!({ "revocations": found.items, "next": found.next }), &text)
}

async fn show(context: &ApiContext<'_>, out: &mut Output<'_>, seq: u64) -> Result<(), CliError> {
    let shown: Result<ShownRevocation, _> = context.api.read(&["revocations", &seq.to_string()]).await;
    let shown = shown.map_err(|error| match error.kind {
        ErrorKind::NotFound => CliError::not_found(
            format_args!("there is no entry {seq} on the revocation log, or it has expired and was deleted"),
            "see `symbolon revocations list`",
        ),
        _ => error,
    })?;
    let entry = &shown.revocation;
    let about = fields(&[
        ("entry", format!("{seq} of log {}", shown.log)),
        ("made", entry.at.clone()),
        ("by", entry.actor.clone()),
        ("reason", entry.reason.clone()),
        ("kind", entry.kind.clone()),
        ("digest", entry.digest.clone()),
        ("effect", effect(entry)),
        ("expires", expires(entry)),
    ]);
    let rows: Vec<_> = shown.verifiers.iter().map(applied_row).collect();
    let verifiers = if rows.is_empty() {
        "no verifier has reported within a day".to_owned()
    } else {
        table(["CLIENT", "NAME", "STATE", "APPLIED", "AFTER"], &rows)
    };
    out.result(&shown, &format!("{about}\n\n{verifiers}"))
}

/// Whether a verifier has applied an entry, for people.
pub(super) fn applied_row(one: &AppliedBy) -> [String; 5] {
    let after = || one.took_ms.map(millis).unwrap_or_default();
    let at = || one.at.clone().unwrap_or_default();
    let (applied, took) = match one.applied.as_str() {
        "before" => (format!("before {}", at()), format!("at most {}", after())),
        "by" => (at(), after()),
        _ => ("not yet".to_owned(), "-".to_owned()),
    };
    [
        one.client_id.clone(),
        one.name.clone(),
        state(one.live).to_owned(),
        applied,
        took,
    ]
}

fn effect(entry: &RevocationView) -> String {
    let until = entry.until.as_deref().unwrap_or_default();
    match entry.effect.as_str() {
        "cutoff" => format!("revokes what began until {until}"),
        "lift" => format!("allows what began after {until}"),
        _ => "all of it is revoked".to_owned(),
    }
}

fn expires(entry: &RevocationView) -> String {
    entry.expires.clone().unwrap_or_else(|| "never".to_owned())
}
