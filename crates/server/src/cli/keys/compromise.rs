//! `keys compromise`: a key leaked.

use http::Method;
use serde_json::json;
use symbolon_admin_api::{KeyPlan, KeysCompromised};
use symbolon_jose::Kid;

use super::super::api::Call;
use super::super::context::{ApiContext, Console, confirm};
use super::super::error::CliError;
use super::super::output::{Output, Remark};
use super::{KeysCompromise, plan};

/// What is said where fences in Redis could not be raised.
const UNPROMISED: &str = "it is on the log for good, but Redis could not be told: a server that is cut off from the \
    database may go on accepting what was signed until it is back; run `symbolon revoke key` for each key once Redis \
    answers, to be sure";

/// Asks, withdraws the keys, shows what became of each, and says what is left to do.
pub(super) async fn run(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: KeysCompromise,
) -> Result<(), CliError> {
    let now = context.clock.now();
    let (kid, reason, dry_run) = (args.kid.as_ref(), &args.reason, args.dry_run.dry_run);
    if !dry_run && !args.yes {
        let planned = withdraw(context, kid, reason, true).await?.plan;
        plan::warn(out, &planned)?;
        confirm(console, false, &question(&planned))?;
    }
    let made = withdraw(context, kid, reason, dry_run).await?;
    plan::warn(out, &made.plan)?;
    if made.reach.as_deref() == Some("logged") {
        out.remark(Remark::Warning, UNPROMISED)?;
    }
    let mut object = plan::object(&made.plan, "compromised");
    if !dry_run {
        object["reach"] = json!(made.reach);
        object["revocations"] = json!(made.revocations);
    }
    out.result(&object, &plan::text(&made.plan, now))?;
    if dry_run {
        return Ok(());
    }
    plan::say_what_is_left(out, &made.plan)
}

/// Has a key withdrawn, or every one that is published, or only plans it.
pub(in crate::cli) async fn withdraw(
    context: &ApiContext<'_>,
    kid: Option<&Kid>,
    reason: &str,
    dry_run: bool,
) -> Result<KeysCompromised, CliError> {
    let call = match kid {
        Some(kid) => Call::new(Method::POST, &["keys", kid.as_str(), "compromise"]),
        None => Call::new(Method::POST, &["keys", "compromise"]),
    };
    let call = call.body(&json!({ "reason": reason, "dry_run": dry_run }))?;
    context.api.send(call).await?.read()
}

fn question(plan: &KeyPlan) -> String {
    let mut bad = plan.steps.iter().filter(|step| step.to == "compromised");
    let (first, others) = (bad.next(), bad.count());
    match first.and_then(|step| Some((step, step.kid.as_ref()?, step.from.as_ref()?))) {
        Some((step, kid, from)) if others == 0 => format!(
            "Refuse everything that key {kid} ({}, {from}) signed, for good?",
            step.alg
        ),
        _ => format!(
            "Refuse everything that any of the {} published keys signed, for good?",
            others + 1
        ),
    }
}
