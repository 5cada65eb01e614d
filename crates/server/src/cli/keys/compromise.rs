//! `keys compromise`: a key leaked.

use symbolon_jwks_publisher::{Compromised, KeyOperation, Plan, spell};

use super::super::context::{Console, KeyContext, confirm};
use super::super::error::CliError;
use super::super::output::{Output, Remark};
use super::change::{self, Order};
use super::{KeysCompromise, refused, view};

/// Asks, withdraws the keys, shows what became of each, and says what is left to do.
pub(super) async fn run(
    context: &KeyContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: KeysCompromise,
) -> Result<(), CliError> {
    let all = args.all;
    let now = context.clock.now();
    let order = ask(context, console, out, args).await?;
    let plan = change::carry_out(context, out, &order).await?;
    view::show_plan(out, &plan, &order, now)?;
    if order.dry_run {
        return Ok(());
    }
    say_what_is_left(context, out, all)
}

/// Asks and withdraws the key, or only plans it. See [`say_what_is_left`].
pub(in crate::cli) async fn withdraw(
    context: &KeyContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: KeysCompromise,
) -> Result<Plan, CliError> {
    let order = ask(context, console, out, args).await?;
    change::carry_out(context, out, &order).await
}

/// Says what no command of this server can do.
pub(in crate::cli) fn say_what_is_left(
    context: &KeyContext<'_>,
    out: &mut Output<'_>,
    all: bool,
) -> Result<(), CliError> {
    left_to_do(context, all)
        .iter()
        .try_for_each(|note| out.remark(Remark::Note, note))
}

/// The order that was given and confirmed.
async fn ask(
    context: &KeyContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: KeysCompromise,
) -> Result<Order, CliError> {
    let dry_run = args.dry_run.dry_run;
    let order = Order {
        operation: KeyOperation::Compromise {
            // Without a key there is --all.
            which: args.kid.map_or(Compromised::All, Compromised::One),
        },
        reason: args.reason,
        done: "compromised",
        dry_run,
    };
    if !dry_run && !args.yes {
        let plan = context.operations.plan(&order.operation).await.map_err(refused)?;
        change::warn(out, &plan)?;
        confirm(console, false, &question(&plan))?;
    }
    Ok(order)
}

fn question(plan: &Plan) -> String {
    let mut bad = plan.steps.iter().filter(|step| step.to == "compromised");
    let (first, others) = (bad.next(), bad.count());
    match first.and_then(|step| Some((step, step.kid.as_ref()?, step.from?))) {
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

fn left_to_do(context: &KeyContext<'_>, all: bool) -> Vec<String> {
    let mut notes = vec![
        format!(
            "introspection refuses what was signed, and so do verifiers that follow the revocation feed; others that keep \
             the key set go on accepting it until they read it anew, at most {} (`jwks.max_age`) and a minute from now \
             where they follow its Cache-Control: restart those that keep it longer",
            spell(context.max_age)
        ),
        "this database alone has lost the private key: destroy every other copy, in `keys.import_dir`, files and \
         backups"
            .to_owned(),
    ];
    if all {
        notes.push(
            "whoever can still read the database reads the new keys, too, with the key-encryption key that they have: \
             shut them out, give `keys.encryption_key` another value, the present one as \
             `keys.previous_encryption_key`, run `symbolon keys rewrap`, and then this command again"
                .to_owned(),
        );
    }
    notes
}
