//! `keys compromise`: a key leaked.

use symbolon_jwks_publisher::{Compromised, KeyOperation, Plan, spell};

use super::super::context::{Console, KeyContext, confirm};
use super::super::error::CliError;
use super::super::output::{Output, Remark};
use super::change::{self, Order};
use super::{KeysCompromise, refused};

/// Asks, withdraws the keys, and says what is left to do.
pub(super) async fn run(
    context: &KeyContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: KeysCompromise,
) -> Result<(), CliError> {
    let dry_run = args.dry_run.dry_run;
    let order = Order {
        operation: KeyOperation::Compromise {
            // Without a key there is --all.
            which: args.kid.map_or(Compromised::All, Compromised::One),
            reason: args.reason,
            actor: context.actor.to_owned(),
        },
        done: "compromised",
        dry_run,
    };
    if !dry_run && !args.yes {
        let plan = context.operations.plan(&order.operation).await.map_err(refused)?;
        change::warn(out, &plan)?;
        confirm(console, false, &question(&plan))?;
    }
    change::run(context, out, &order).await?;
    if dry_run {
        return Ok(());
    }
    left_to_do(context, args.all)
        .iter()
        .try_for_each(|note| out.remark(Remark::Note, note))
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

/// What no command of this server can do.
fn left_to_do(context: &KeyContext<'_>, all: bool) -> Vec<String> {
    let mut notes = vec![
        format!(
            "introspection refuses what was signed; verifiers that keep the key set go on accepting it until they read \
             the key set anew, at most {} (`jwks.max_age`) and a minute from now where they follow its Cache-Control: \
             restart those that keep it longer",
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
