//! Revocations as people and scripts see them.

use serde_json::{Value, json};
use symbolon_admin_api::{KeyPlan, RevocationsMade, RevokedTarget};
use symbolon_core::time::rfc3339;

use super::super::error::CliError;
use super::super::keys::plan;
use super::super::output::{Output, Remark, table};
use super::super::revocations::applied_row;
use super::wait::Waited;
use super::wanted::Wanted;
use super::{Done, UNPROMISED};

/// What it would come to.
pub(super) fn dry_run(out: &mut Output<'_>, wanted: &Wanted, made: &RevocationsMade) -> Result<(), CliError> {
    let mut object = about(made, None);
    object["dry_run"] = true.into();
    object["sessions"] = made.sessions.into();
    object["more_sessions"] = made.more_sessions.into();
    let ends = sessions(made).map(|sessions| format!("end {sessions} and "));
    let text = format!(
        "{}: would {}refuse {}",
        name(made),
        ends.unwrap_or_default(),
        wanted.tokens()
    );
    out.result(&object, &format!("{text}\n\ndry run: nothing was changed"))
}

/// The live sessions that it ends, in words, where there are any.
fn sessions(made: &RevocationsMade) -> Option<String> {
    match (made.sessions, made.more_sessions) {
        (0, false) => None,
        (1, false) => Some("1 session".to_owned()),
        (sessions, false) => Some(format!("{sessions} sessions")),
        (sessions, true) => Some(format!("at least {sessions} sessions")),
    }
}

/// What was done, how far the promise reaches, and which verifiers have applied it.
pub(super) fn done(
    out: &mut Output<'_>,
    (wanted, made): (&Wanted, &RevocationsMade),
    done: &Done,
    (keys, waited): (Option<&KeyPlan>, Option<&Waited>),
) -> Result<(), CliError> {
    if !done.is_promised {
        out.remark(Remark::Warning, UNPROMISED)?;
    }
    if let Some(silent) = waited.map(|waited| waited.silent).filter(|silent| *silent > 0) {
        let note = format!(
            "{silent} more verifiers have reported within a day, but not in the last 30 seconds, and were not waited for: \
             see `symbolon verifiers list`"
        );
        out.remark(Remark::Note, &note)?;
    }
    let mut object = about(made, keys);
    object["done"] = "revoked".into();
    object["sessions"] = made.sessions.into();
    object["more_sessions"] = made.more_sessions.into();
    object["log"] = json!(done.log);
    object["seq"] = done.seq.into();
    object["at"] = rfc3339(done.at).into();
    object["at_ms"] = done.at.0.into();
    object["reach"] = if done.is_promised { "everywhere" } else { "logged" }.into();
    object["confirmed"] = json!(waited.map(Waited::is_confirmed));
    object["verifiers"] = json!(waited.map(|waited| &waited.verifiers));
    let ended = sessions(made).or_else(|| {
        wanted
            .ends_sessions()
            .then(|| "no session that was live".to_owned())
    });
    let ended = ended.map(|ended| format!("\nended: {ended}"));
    let mut text = vec![format!(
        "{}: revoked, as entry {} of the log{}\nrefused: {}",
        name(made),
        done.seq,
        ended.unwrap_or_default(),
        wanted.tokens()
    )];
    if let Some(keys) = keys {
        text.push(plan::steps(keys, done.at));
    }
    if done.is_promised {
        text.push("servers: none refreshes it or answers for it any more".to_owned());
    }
    text.push(verifiers(done, waited));
    out.result(&object, &text.join("\n\n"))
}

fn verifiers(done: &Done, waited: Option<&Waited>) -> String {
    let Some(waited) = waited else {
        return format!(
            "verifiers: not waited for; see `symbolon revocations show {}`",
            done.seq
        );
    };
    if waited.verifiers.is_empty() {
        return "verifiers: none has reported in the last 30 seconds, so none was waited for".to_owned();
    }
    let rows: Vec<_> = waited.verifiers.iter().map(applied_row).collect();
    table(["CLIENT", "NAME", "STATE", "APPLIED", "AFTER"], &rows)
}

/// What people call it.
fn name(made: &RevocationsMade) -> String {
    let Some(target) = made.targets.first() else {
        return "nothing".to_owned();
    };
    let value = target.value.as_deref().unwrap_or_default();
    match (target.kind.as_str(), &target.name) {
        ("all", _) => "everything".to_owned(),
        ("token", _) => format!("access token {value}"),
        (kind, Some(name)) => format!("{kind} {name} ({value})"),
        (kind, None) => format!("{kind} {value}"),
    }
}

/// What was, or would be, revoked.
fn about(made: &RevocationsMade, keys: Option<&KeyPlan>) -> Value {
    let mut object = made.targets.first().map_or_else(|| json!({}), target);
    if let Some(keys) = keys {
        object["steps"] = json!(keys.steps);
        object["warnings"] = json!(keys.warnings);
    }
    object
}

fn target(target: &RevokedTarget) -> Value {
    let mut object = json!({ "kind": target.kind });
    if let Some(value) = &target.value {
        object[target.kind.as_str()] = value.as_str().into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_counted_is_not_said_to_be_none() {
        let said = |sessions, more_sessions| {
            super::sessions(&RevocationsMade {
                dry_run: true,
                sessions,
                more_sessions,
                reach: None,
                log: uuid::Uuid::nil(),
                targets: Vec::new(),
            })
        };
        assert_eq!(said(0, false), None);
        for (sessions, more, text) in [
            (1, false, "1 session"),
            (2, false, "2 sessions"),
            (0, true, "at least 0 sessions"),
            (10_000, true, "at least 10000 sessions"),
        ] {
            assert_eq!(said(sessions, more).as_deref(), Some(text));
        }
    }
}
