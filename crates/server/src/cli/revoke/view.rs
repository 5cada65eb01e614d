//! Revocations as people and scripts see them.

use serde_json::{Value, json};
use symbolon_core::revocation::Reach;
use symbolon_jwks_publisher::Plan;
use symbolon_oauth_types::revocation::RevocationKind;

use super::super::context::LogContext;
use super::super::error::CliError;
use super::super::keys::view as key_view;
use super::super::output::{Output, Remark, rfc3339, table};
use super::super::revocations::Applied;
use super::Done;
use super::target::Target;
use super::wait::Waited;

/// What it would come to.
pub(super) async fn dry_run(
    context: &LogContext<'_>,
    out: &mut Output<'_>,
    target: &Target,
    plan: Option<&Plan>,
) -> Result<(), CliError> {
    let now = context.store.clock.now();
    let sessions = match &target.sessions {
        Some(of) => context.sessions.count_sessions(of, None, now).await?,
        None => 0,
    };
    let mut object = about(target, plan);
    object["dry_run"] = true.into();
    object["sessions"] = sessions.into();
    let ends = match &target.sessions {
        Some(_) if sessions == 1 => "end 1 session and ".to_owned(),
        Some(_) => format!("end {sessions} sessions and "),
        None => String::new(),
    };
    let mut text = format!("{}: would {ends}refuse {}", target.name, target.tokens);
    if let Some(plan) = plan {
        text = format!("{text}\n\n{}", key_view::steps(plan, now));
    }
    out.result(&object, &format!("{text}\n\ndry run: nothing was changed"))
}

/// What was done, how far the promise reaches, and which verifiers have applied it.
pub(super) fn done(
    context: &LogContext<'_>,
    out: &mut Output<'_>,
    done: &Done,
    waited: Option<&Waited>,
) -> Result<(), CliError> {
    let Done { target, made, plan } = done;
    if made.reach == Reach::Logged {
        out.remark(Remark::Warning, &unpromised(context))?;
    }
    if let Some(silent) = waited.map(|waited| waited.silent).filter(|silent| *silent > 0) {
        let note = format!(
            "{silent} more verifiers have reported within a day, but not in the last 30 seconds, and were not waited for: \
             see `symbolon verifiers list`"
        );
        out.remark(Remark::Note, &note)?;
    }
    let mut object = about(target, plan.as_ref());
    object["done"] = "revoked".into();
    object["log"] = json!(made.log);
    object["seq"] = made.seq.into();
    object["at"] = rfc3339(made.at).into();
    object["at_ms"] = made.at.0.into();
    object["reach"] = match made.reach {
        Reach::Everywhere => "everywhere",
        Reach::Logged => "logged",
    }
    .into();
    object["confirmed"] = json!(waited.map(Waited::is_confirmed));
    object["verifiers"] = json!(waited.map(|waited| {
        let view = |applied: &Applied| applied.view(made.at);
        waited.verifiers.iter().map(view).collect::<Vec<_>>()
    }));
    let mut text = vec![format!(
        "{}: revoked, as entry {} of the log\nrefused: {}",
        target.name, made.seq, target.tokens
    )];
    if let Some(plan) = plan {
        text.push(key_view::steps(plan, context.store.clock.now()));
    }
    if made.reach == Reach::Everywhere {
        text.push("servers: none refreshes it or answers for it any more".to_owned());
    }
    text.push(verifiers(done, waited));
    out.result(&object, &text.join("\n\n"))
}

fn verifiers(done: &Done, waited: Option<&Waited>) -> String {
    let Some(waited) = waited else {
        return format!(
            "verifiers: not waited for; see `symbolon revocations show {}`",
            done.made.seq
        );
    };
    if waited.verifiers.is_empty() {
        return "verifiers: none has reported in the last 30 seconds, so none was waited for".to_owned();
    }
    let rows: Vec<_> = waited
        .verifiers
        .iter()
        .map(|applied| applied.row(done.made.at))
        .collect();
    table(["CLIENT", "NAME", "STATE", "APPLIED", "AFTER"], &rows)
}

fn unpromised(context: &LogContext<'_>) -> String {
    let why = context
        .unfenced
        .map(|why| format!(" ({why})"))
        .unwrap_or_default();
    format!(
        "it is on the log for good, but Redis could not be told{why}: a server that is cut off from the database may go on \
         accepting it until it is back; repeat the command once Redis answers, to be sure"
    )
}

/// What was, or would be, revoked.
fn about(target: &Target, plan: Option<&Plan>) -> Value {
    let kind = target.kind();
    let mut object = json!({ "kind": kind });
    if kind != RevocationKind::All {
        object[kind.as_str()] = json!(target.value);
    }
    if let Some(plan) = plan {
        object["steps"] = json!(key_view::step_views(plan));
        object["warnings"] = json!(plan.warnings);
    }
    object
}
