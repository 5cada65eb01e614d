//! `audit`: who did what, when, from where and why; and whether the record of it is as it was written.

mod filter;
mod follow;
mod verify;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};
use symbolon_admin_api::{CheckpointView, Page, RecordView};
use uuid::Uuid;

use super::api::Call;
use super::args::PageArgs;
use super::context::{ApiContext, Console};
use super::error::{CliError, output_failed};
use super::output::{Output, Remark, escape, escape_json, fields, more, new_file, quoted, table};
use super::user::subject_of;
pub use follow::AuditFollow;
pub use verify::AuditVerify;
pub(super) use verify::run_on_export;

/// `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Show the last signed checkpoint: keep it where whoever can write to the database can't.
    Checkpoint,
    /// Export the trail as JSON lines, the earliest first.
    Export(AuditExport),
    /// Write the trail as it is written, until interrupted: a record a line, with --json as `audit export` has it.
    Follow(AuditFollow),
    /// Show the public keys that checkpoints are signed with, as a JWK set.
    Keys,
    /// Search the trail, the latest first.
    List(AuditList),
    /// Show a record.
    Show(AuditShow),
    /// Verify that the trail, or an export of it, is as it was written.
    ///
    /// Each record is bound to all before it, and checkpoints that are signed every few seconds to how far it had come. Give
    /// checkpoints that were kept elsewhere, too: those that stand beside the trail prove nothing against whoever could
    /// replace both.
    Verify(AuditVerify),
}

/// `audit list`.
#[derive(Args, Debug)]
pub struct AuditList {
    /// Events of this name, such as client.updated; may be repeated.
    #[arg(long = "event", value_name = "NAME")]
    pub events: Vec<String>,
    /// No events of this name, such as admin.token_issued, of which each command over HTTP leaves one; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub without: Vec<String>,
    /// Done by exactly this actor: client:CLIENT_ID, user:SUBJECT, cli:USER, server or unknown.
    #[arg(long, value_parser = filter::actor)]
    pub actor: Option<String>,
    /// About something of this kind.
    #[arg(long, value_name = "KIND", value_parser = filter::KINDS)]
    pub target_kind: Option<String>,
    /// About exactly this, as `target.id` in the record has it: of users the subject, of clients the uid.
    #[arg(long, value_name = "ID", requires = "target_kind")]
    pub target: Option<String>,
    /// About the record of this user, by user name, e-mail address or subject. Revocations, imports and sessions have other
    /// targets.
    #[arg(long, value_name = "USER", conflicts_with = "target_kind")]
    pub user: Option<String>,
    /// In this request.
    #[arg(long, value_name = "ID")]
    pub request_id: Option<Uuid>,
    /// Only what was done, or only what was refused.
    #[arg(long, value_parser = ["done", "refused"])]
    pub outcome: Option<String>,
    /// At or after this moment, such as 2026-01-31T12:00:00Z; a date alone is its midnight in UTC.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<u64>,
    /// Before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<u64>,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `audit export`.
#[derive(Args, Debug)]
pub struct AuditExport {
    /// Behind this position; without it, from the earliest record that is still there.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub after: u64,
    /// Write to this file, which must not exist, rather than to standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `audit show`.
#[derive(Args, Clone, Copy, Debug)]
pub struct AuditShow {
    /// The record's position.
    pub seq: u64,
}

/// Reads a moment, or a date, which stands for its midnight in UTC: milliseconds since the epoch.
pub(super) fn moment(text: &str) -> Result<u64, String> {
    let midnight = format!("{text}T00:00:00Z");
    let time = humantime::parse_rfc3339_weak(text)
        .or_else(|error| humantime::parse_rfc3339(&midnight).map_err(|_| error))
        .map_err(|error| {
            format!(
                "{error}: give a moment in UTC, such as 2026-01-31T12:00:00Z, or a date, such as 2026-01-31"
            )
        })?;
    let since = time.duration_since(std::time::UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .ok_or_else(|| "give a moment after 1970".to_owned())
}

/// Runs a command on the audit trail.
///
/// # Errors
/// [`CliError`].
pub async fn run(
    context: &ApiContext<'_>,
    console: &dyn Console,
    out: &mut Output<'_>,
    command: AuditCommand,
) -> Result<(), CliError> {
    match command {
        AuditCommand::Checkpoint => checkpoint(context, out).await,
        AuditCommand::Export(args) => export(context, console, out, &args).await,
        AuditCommand::Follow(args) => follow::run(context, console, out, args).await,
        AuditCommand::Keys => {
            let keys: Value = context.api.read(&["audit", "keys"]).await?;
            out.result(&keys, &keys.to_string())
        }
        AuditCommand::List(args) => list(context, out, &args).await,
        AuditCommand::Show(args) => show(context, out, args.seq).await,
        AuditCommand::Verify(args) => verify::run(context, out, args).await,
    }
}

async fn list(context: &ApiContext<'_>, out: &mut Output<'_>, args: &AuditList) -> Result<(), CliError> {
    let names = |events: &[String]| (!events.is_empty()).then(|| events.join(","));
    let (kind, target) = target(context, args).await?;
    let call = args
        .page
        .on(Call::new(Method::GET, &["audit"]))
        .with_some("event", names(&args.events))
        .with_some("without", names(&args.without))
        .with_some("actor", args.actor.as_ref())
        .with_some("target_kind", kind)
        .with_some("target", target)
        .with_some("request_id", args.request_id)
        .with_some("outcome", args.outcome.as_ref())
        .with_some("from_ms", args.from)
        .with_some("until_ms", args.until);
    let page: Page<RecordView> = context.api.send(call).await?.read()?;
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let mut text = table(
        ["SEQ", "AT", "EVENT", "OUTCOME", "ACTOR", "TARGET", "REASON"],
        &rows,
    );
    text.push_str(&more(page.next.as_deref()));
    out.result(&json!({ "records": page.items, "next": page.next }), &text)?;
    if page.items.is_empty() && args.user.is_some() {
        out.remark(
            Remark::Note,
            "records of revocations, imports and sessions have other targets than the user whom they are about: docs/audit.md \
             says where the subject stands in them",
        )?;
    }
    Ok(())
}

/// The kind and the id of the target that is searched for.
async fn target(
    context: &ApiContext<'_>,
    args: &AuditList,
) -> Result<(Option<String>, Option<String>), CliError> {
    let (kind, id) = (args.target_kind.clone(), args.target.clone());
    if let Some(user) = &args.user {
        let subject = subject_of(context, user).await?;
        return Ok((Some("user".to_owned()), Some(subject.to_string())));
    }
    if let Some(id) = id.as_ref().filter(|id| Uuid::try_parse(id).is_err()) {
        let remedy = match kind.as_deref() {
            Some("user") => "give --user rather than --target-kind and --target",
            Some("client") => "give the uid that `symbolon client show` tells",
            _ => return Ok((kind, Some(id.clone()))),
        };
        return Err(CliError::refused(
            format_args!("records do not name their targets of this kind as {}", quoted(id)),
            remedy,
        ));
    }
    Ok((kind, id))
}

/// A record on one line.
fn row(record: &RecordView) -> [String; 7] {
    let event = &record.event;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let outcome = match event["refused_because"].as_str() {
        Some(why) => format!("refused: {why}"),
        None => text(&event["outcome"]),
    };
    let target = &event["target"];
    let name = target["name"]
        .as_str()
        .or(target["id"].as_str())
        .unwrap_or_default();
    let target = match target["kind"].as_str() {
        Some(kind) => format!("{kind} {name}"),
        None => "-".to_owned(),
    };
    [
        record.seq.to_string(),
        text(&event["at"]),
        match event["count"].as_u64() {
            Some(count) if count > 1 => format!("{} x {count}", text(&event["event"])),
            _ => text(&event["event"]),
        },
        outcome,
        text(&event["actor"]),
        target,
        text(&event["reason"]),
    ]
}

async fn show(context: &ApiContext<'_>, out: &mut Output<'_>, seq: u64) -> Result<(), CliError> {
    let record: RecordView = context.api.read(&["audit", &seq.to_string()]).await?;
    let event = serde_json::to_string_pretty(&record.event).unwrap_or_default();
    let text = fields(&[("seq", record.seq.to_string()), ("hash", record.hash.clone())]);
    out.result(&record, &format!("{text}\n\n{event}"))
}

async fn checkpoint(context: &ApiContext<'_>, out: &mut Output<'_>) -> Result<(), CliError> {
    let call = Call::new(Method::GET, &["audit", "checkpoints"]).with("last", true);
    let page: Page<CheckpointView> = context.api.send(call).await?.read()?;
    let last = page.items.into_iter().next().ok_or_else(|| {
        CliError::not_found(
            "there is no checkpoint yet",
            "a running server signs one every few seconds where there is something new",
        )
    })?;
    out.result(&last, &last.signed)
}

async fn export(
    context: &ApiContext<'_>,
    console: &dyn Console,
    out: &mut Output<'_>,
    args: &AuditExport,
) -> Result<(), CliError> {
    let mut file = match &args.out {
        None => None,
        Some(path) => Some(new_file(path).map_err(|error| {
            CliError::refused(
                format_args!("{} can't be made: {error}", quoted(&path.to_string_lossy())),
                "name a file that does not exist",
            )
        })?),
    };
    let mut after = args.after;
    loop {
        let call = Call::new(Method::GET, &["audit", "export"])
            .with("after", after)
            .with("limit", 500);
        let lines = context.api.send_for_text(call).await?;
        let Some(last) = last_seq(&lines) else { break };
        after = last;
        match &mut file {
            Some(file) => file.write_all(lines.as_bytes()).map_err(output_failed)?,
            None if console.shows_results() => out.write(&escape_json(&lines))?,
            // Byte for byte, as the hashes cover it.
            None => out.write(&lines)?,
        }
    }
    let Some((file, path)) = file.zip(args.out.as_ref()) else {
        return Ok(());
    };
    file.sync_all().map_err(output_failed)?;
    let shown = path.to_string_lossy();
    out.result(
        &json!({ "done": "exported", "last": after, "file": shown }),
        &format!("exported up to record {after} to {}", escape(&shown, false)),
    )
}

/// The position of the last record of some lines.
fn last_seq(lines: &str) -> Option<u64> {
    let last = lines.lines().next_back()?;
    let line: Value = serde_json::from_str(last).ok()?;
    line["seq"].as_u64()
}
