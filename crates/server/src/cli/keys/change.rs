//! Changes of keys: planned, made, waited for, shown.

use symbolon_admin_api::KeyPlan;

use super::super::api::Call;
use super::super::context::ApiContext;
use super::super::error::CliError;
use super::super::output::Output;
use super::plan;

/// Has the change made, or only planned, and shows what it comes to; `done` is what it is called once it was done. The
/// answer comes once every server that can read the database goes by it.
pub(super) async fn run(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    call: Call,
    done: &str,
) -> Result<(), CliError> {
    let now = context.clock.now();
    let made: KeyPlan = context.api.send(call).await?.read()?;
    plan::warn(out, &made)?;
    out.result(&plan::object(&made, done), &plan::text(&made, now))
}
