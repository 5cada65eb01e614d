//! Plans as people and scripts see them.

use std::time::Duration;

use serde_json::{Value, json};
use symbolon_core::UnixMillis;
use symbolon_jwks_publisher::{Plan, PlannedStep, spell};

use super::super::error::CliError;
use super::super::output::{Output, rfc3339, table};
use super::change::Order;

/// Shows every step of a plan and whether it was carried out.
pub(super) fn show_plan(
    out: &mut Output<'_>,
    plan: &Plan,
    order: &Order,
    now: UnixMillis,
) -> Result<(), CliError> {
    let steps = steps(plan, now);
    let outcome = if order.dry_run {
        "dry run: nothing was changed"
    } else {
        "done: every running server that can read the database goes by it"
    };
    let mut object = json!({
        "steps": step_views(plan),
        "warnings": plan.warnings,
    });
    if order.dry_run {
        object["dry_run"] = true.into();
    } else {
        object["done"] = order.done.into();
    }
    out.result(&object, &format!("{steps}\n\n{outcome}"))
}

/// The steps of a plan as a table.
pub(in crate::cli) fn steps(plan: &Plan, now: UnixMillis) -> String {
    let row = |step: &PlannedStep| {
        [
            step.alg.to_string(),
            step.kid.as_ref().map_or("(new)", |kid| kid.as_str()).to_owned(),
            step.from.unwrap_or("-").to_owned(),
            step.to.to_owned(),
            if step.now {
                "now".to_owned()
            } else {
                moment(step.at, now)
            },
        ]
    };
    let rows: Vec<_> = plan.steps.iter().map(row).collect();
    table(["ALG", "KID", "FROM", "TO", "WHEN"], &rows)
}

/// The steps of a plan for scripts.
pub(in crate::cli) fn step_views(plan: &Plan) -> Vec<Value> {
    plan.steps.iter().map(view).collect()
}

fn view(step: &PlannedStep) -> Value {
    json!({
        "alg": step.alg,
        "kid": step.kid,
        "from": step.from,
        "to": step.to,
        "at": rfc3339(step.at),
        "at_ms": step.at.0,
        "now": step.now,
    })
}

/// A moment that is to come, and how soon that is.
pub(super) fn moment(at: UnixMillis, now: UnixMillis) -> String {
    let when = match at.since(now) {
        0 => "due".to_owned(),
        left => format!("in {}", spell(Duration::from_millis(left))),
    };
    format!("{} ({when})", rfc3339(at))
}
