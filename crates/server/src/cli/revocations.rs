//! `revocations`: the log as people read it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use symbolon_core::UnixMillis;
use symbolon_core::evidence::{ByWhen, ListedVerifier};
use symbolon_core::lookup::RecordedRevocation;
use symbolon_oauth_types::revocation::Effect;

use super::args::PageArgs;
use super::context::LogContext;
use super::error::CliError;
use super::output::{Output, fields, millis, rfc3339, table};
use super::verifiers::state;

/// The name that cursors of this list are made for.
const LIST: &str = "revocations";

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
    context: &LogContext<'_>,
    out: &mut Output<'_>,
    command: RevocationsCommand,
) -> Result<(), CliError> {
    match command {
        RevocationsCommand::List(page) => list(context, out, &page).await,
        RevocationsCommand::Show(args) => show(context, out, args.seq).await,
    }
}

async fn list(context: &LogContext<'_>, out: &mut Output<'_>, page: &PageArgs) -> Result<(), CliError> {
    let cursors = context.store.cursors;
    let before = page.position(cursors, LIST)?;
    let before = before.and_then(|position| position.parse().ok());
    let mut found = context.records.revocations(before, page.limit + 1).await?;
    let limit = page.limit as usize;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| has_more)
        .map(|last| cursors.seal(LIST, &last.logged.seq.to_string()));
    let row = |entry: &RecordedRevocation| {
        [
            entry.logged.seq.to_string(),
            rfc3339(entry.logged.at),
            entry.logged.entry.kind.as_str().to_owned(),
            effect(entry),
            rfc3339(entry.logged.entry.expires),
            entry.actor.clone(),
            entry.reason.clone(),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    let views: Vec<_> = found.iter().map(view).collect();
    let mut text = table(["SEQ", "AT", "KIND", "EFFECT", "EXPIRES", "BY", "REASON"], &rows);
    if let Some(cursor) = &next {
        text.push_str(&format!("\nthere are more: --after {cursor}"));
    }
    out.result(&json!({ "revocations": views, "next": next }), &text)
}

async fn show(context: &LogContext<'_>, out: &mut Output<'_>, seq: u64) -> Result<(), CliError> {
    let entry = context.records.revocation(seq).await?.ok_or_else(|| {
        CliError::not_found(
            format_args!("there is no entry {seq} on the revocation log, or it has expired and was deleted"),
            "see `symbolon revocations list`",
        )
    })?;
    let log = context.log.head().await?.log;
    let now = context.store.clock.now();
    let applied: Vec<_> = context
        .reports
        .verifiers()
        .await?
        .into_iter()
        .map(|one| Applied {
            by: one.verifier.by_when(log, seq),
            live: one.verifier.is_live(now),
            one,
        })
        .collect();
    let made = entry.logged.at;
    let mut object = view(&entry);
    object["log"] = json!(log);
    object["verifiers"] = applied.iter().map(|applied| applied.view(made)).collect();
    let rows: Vec<_> = applied.iter().map(|applied| applied.row(made)).collect();
    let about = fields(&[
        ("entry", format!("{seq} of log {log}")),
        ("made", rfc3339(made)),
        ("by", entry.actor.clone()),
        ("reason", entry.reason.clone()),
        ("kind", entry.logged.entry.kind.as_str().to_owned()),
        ("digest", digest(&entry)),
        ("effect", effect(&entry)),
        ("expires", rfc3339(entry.logged.entry.expires)),
    ]);
    let verifiers = if rows.is_empty() {
        "no verifier has reported within a day".to_owned()
    } else {
        table(["CLIENT", "NAME", "STATE", "APPLIED", "AFTER"], &rows)
    };
    out.result(&object, &format!("{about}\n\n{verifiers}"))
}

/// Whether a verifier has applied an entry.
pub(super) struct Applied {
    pub(super) one: ListedVerifier,
    pub(super) by: ByWhen,
    pub(super) live: bool,
}

impl Applied {
    /// For scripts, of an entry that was made at `made`.
    pub(super) fn view(&self, made: UnixMillis) -> Value {
        let moment = self.by.moment();
        json!({
            "client_id": self.one.client_id,
            "name": self.one.verifier.name.as_str(),
            "live": self.live,
            "applied": match self.by {
                ByWhen::Before(_) => "before",
                ByWhen::By(_) => "by",
                ByWhen::NotYet => "not_yet",
            },
            "at": moment.map(rfc3339),
            "at_ms": moment.map(|at| at.0),
            "took_ms": moment.map(|at| at.since(made)),
        })
    }

    /// For people.
    pub(super) fn row(&self, made: UnixMillis) -> [String; 5] {
        let after = |at: UnixMillis| millis(at.since(made));
        let (applied, took) = match self.by {
            ByWhen::Before(at) => (
                format!("before {}", rfc3339(at)),
                format!("at most {}", after(at)),
            ),
            ByWhen::By(at) => (rfc3339(at), after(at)),
            ByWhen::NotYet => ("not yet".to_owned(), "-".to_owned()),
        };
        [
            self.one.client_id.to_string(),
            self.one.verifier.name.to_string(),
            state(self.live).to_owned(),
            applied,
            took,
        ]
    }
}

fn view(entry: &RecordedRevocation) -> Value {
    let logged = &entry.logged;
    let (name, moment) = match logged.entry.effect {
        Effect::Block => ("block", None),
        Effect::Cutoff(moment) => ("cutoff", Some(moment)),
        Effect::Lift(moment) => ("lift", Some(moment)),
    };
    let never = logged.entry.expires == UnixMillis::NEVER;
    json!({
        "seq": logged.seq,
        "at": rfc3339(logged.at),
        "at_ms": logged.at.0,
        "kind": logged.entry.kind,
        "digest": digest(entry),
        "effect": name,
        "until": moment.map(rfc3339),
        "until_ms": moment.map(|moment| moment.0),
        "expires": (!never).then(|| rfc3339(logged.entry.expires)),
        "expires_ms": (!never).then_some(logged.entry.expires.0),
        "reason": entry.reason,
        "actor": entry.actor,
    })
}

fn effect(entry: &RecordedRevocation) -> String {
    match entry.logged.entry.effect {
        Effect::Block => "all of it is revoked".to_owned(),
        Effect::Cutoff(moment) => format!("revokes what began until {}", rfc3339(moment)),
        Effect::Lift(moment) => format!("allows what began after {}", rfc3339(moment)),
    }
}

/// As it stands on the feed.
fn digest(entry: &RecordedRevocation) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(entry.logged.entry.digest.0)
}
