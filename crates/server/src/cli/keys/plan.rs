//! Plans of key changes, as the admin API tells them.

use symbolon_admin_api::{KeyPlan, KeyPlanStep};

use super::super::error::CliError;
use super::super::output::{Output, Remark, table};

/// The steps of a plan as a table.
pub(in crate::cli) fn steps(plan: &KeyPlan) -> String {
    let row = |step: &KeyPlanStep| {
        [
            step.alg.clone(),
            step.kid.clone().unwrap_or_else(|| "(new)".to_owned()),
            step.from.clone().unwrap_or_else(|| "-".to_owned()),
            step.to.clone(),
            if step.now {
                "now".to_owned()
            } else {
                step.at.clone()
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
