//! Plans of key changes, as the admin API tells them, for people and scripts.

use std::time::Duration;

use serde_json::{Value, json};
use symbolon_admin_api::{KeyPlan, KeyPlanStep};
use symbolon_core::UnixMillis;
use symbolon_core::time::rfc3339;
use symbolon_jwks_publisher::spell;

use super::super::error::CliError;
use super::super::output::{Output, Remark, table};

/// What was done, or would be, for scripts; `done` is what it is called once it was done.
pub(super) fn object(plan: &KeyPlan, done: &str) -> Value {
    let mut object = json!({
        "steps": plan.steps,
        "warnings": plan.warnings,
    });
    if plan.dry_run {
        object["dry_run"] = true.into();
    } else {
        object["done"] = done.into();
    }
    object
}

/// The same for people.
pub(super) fn text(plan: &KeyPlan, now: UnixMillis) -> String {
    let outcome = if plan.dry_run {
        "dry run: nothing was changed"
    } else {
        "done: every running server that can read the database goes by it"
    };
    format!("{}\n\n{outcome}", steps(plan, now))
}

/// The steps of a plan as a table.
pub(in crate::cli) fn steps(plan: &KeyPlan, now: UnixMillis) -> String {
    let row = |step: &KeyPlanStep| {
        [
            step.alg.clone(),
            step.kid.clone().unwrap_or_else(|| "(new)".to_owned()),
            step.from.clone().unwrap_or_else(|| "-".to_owned()),
            step.to.clone(),
            if step.now {
                "now".to_owned()
            } else {
                moment(UnixMillis(step.at_ms), now)
            },
        ]
    };
    let rows: Vec<_> = plan.steps.iter().map(row).collect();
    table(["ALG", "KID", "FROM", "TO", "WHEN"], &rows)
}

/// Writes what the operator should know.
pub(in crate::cli) fn warn(out: &mut Output<'_>, plan: &KeyPlan) -> Result<(), CliError> {
    plan.warnings
        .iter()
        .try_for_each(|warning| out.remark(Remark::Warning, warning))
}

/// Says what is left to do that no command of this server can.
pub(in crate::cli) fn say_what_is_left(out: &mut Output<'_>, plan: &KeyPlan) -> Result<(), CliError> {
    plan.notes
        .iter()
        .try_for_each(|note| out.remark(Remark::Note, note))
}

/// A moment that is to come, and how soon that is.
pub(super) fn moment(at: UnixMillis, now: UnixMillis) -> String {
    let when = match at.since(now) {
        0 => "due".to_owned(),
        left => format!("in {}", spell(Duration::from_millis(left))),
    };
    format!("{} ({when})", rfc3339(at))
}
