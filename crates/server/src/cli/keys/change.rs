//! Changes of keys: planned, made, waited for, shown.

use symbolon_core::audit::{Act, Actor};
use symbolon_core::revocation::LEASE;
use symbolon_jwks_publisher::{KeyOperation, Plan};

use super::super::context::KeyContext;
use super::super::error::CliError;
use super::super::output::{Output, Remark};
use super::{refused, view};

/// What is to be done.
pub(super) struct Order {
    pub(super) operation: KeyOperation,
    /// What it is called once it was done.
    pub(super) done: &'static str,
    /// Why, for the record.
    pub(super) reason: String,
    /// Only to be planned.
    pub(super) dry_run: bool,
}

/// [`carry_out`], and shows what it comes to.
pub(super) async fn run(
    context: &KeyContext<'_>,
    out: &mut Output<'_>,
    order: &Order,
) -> Result<(), CliError> {
    let now = context.clock.now();
    let plan = carry_out(context, out, order).await?;
    view::show_plan(out, &plan, order, now)
}

/// Makes the change, or only plans it. Returns once every server that can read the store goes by it.
pub(super) async fn carry_out(
    context: &KeyContext<'_>,
    out: &mut Output<'_>,
    order: &Order,
) -> Result<Plan, CliError> {
    let act = Act::new(Actor::operator(context.actor), &order.reason);
    let plan = if order.dry_run {
        context.operations.plan(&order.operation).await
    } else {
        context.operations.carry_out(&order.operation, &act).await
    };
    let plan = plan.map_err(refused)?;
    if !order.dry_run {
        (context.wait)(LEASE).await;
    }
    warn(out, &plan)?;
    Ok(plan)
}

/// Writes what the operator should know.
pub(super) fn warn(out: &mut Output<'_>, plan: &Plan) -> Result<(), CliError> {
    plan.warnings
        .iter()
        .try_for_each(|warning| out.remark(Remark::Warning, warning))
}
