//! All that one key signed.

use symbolon_core::keys::KeyState;
use symbolon_core::revocation::NewRevocation;
use symbolon_jose::Kid;

use super::super::context::{Console, LogContext, confirm};
use super::super::error::CliError;
use super::super::keys::{DryRunArgs, KeysCompromise, compromise};
use super::super::output::Output;
use super::target::Target;
use super::{Done, Made, RevokeKey, finish, reach, view};

/// Most keys of the past that are looked through.
const MAX_HISTORY: u32 = 1000;

/// Whether the key is on record, and not as compromised: then the record must say so, too, and if it is published it
/// must be replaced.
pub(super) async fn can_be_withdrawn(context: &LogContext<'_>, kid: &Kid) -> Result<bool, CliError> {
    Ok(state(context, kid)
        .await?
        .is_some_and(|state| !is_compromised(state)))
}

async fn state(context: &LogContext<'_>, kid: &Kid) -> Result<Option<KeyState>, CliError> {
    let keys = context.keys.keys.key_history(MAX_HISTORY).await?;
    Ok(keys.iter().find(|key| key.kid == *kid).map(|key| key.state))
}

fn is_compromised(state: KeyState) -> bool {
    matches!(state, KeyState::Compromised { .. })
}

/// A key that is compromised already or not on record. Asks in the second case, since the entry stays for ever.
pub(super) async fn target(
    context: &LogContext<'_>,
    console: &mut dyn Console,
    args: &RevokeKey,
) -> Result<Target, CliError> {
    if state(context, &args.kid).await?.is_none() && !args.order.dry_run {
        let question = format!(
            "There is no key {} on record. Refuse for good whatever it signed?",
            args.kid
        );
        confirm(console, args.yes, &question)?;
    }
    Ok(of(&args.kid))
}

fn of(kid: &Kid) -> Target {
    Target {
        entry: NewRevocation::key(kid),
        value: Some(kid.to_string()),
        name: format!("key {kid}"),
        sessions: None,
        tokens: "every access token that it signed",
    }
}

/// Withdraws a key, as `keys compromise` does.
pub(super) async fn withdraw(
    context: &LogContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: RevokeKey,
) -> Result<(), CliError> {
    let RevokeKey { kid, yes, order } = args;
    let compromised = KeysCompromise {
        kid: Some(kid.clone()),
        all: false,
        reason: order.reason.clone(),
        yes,
        dry_run: DryRunArgs {
            dry_run: order.dry_run,
        },
    };
    let plan = compromise::withdraw(&context.keys, console, out, compromised).await?;
    let target = of(&kid);
    if order.dry_run {
        return view::dry_run(context, out, &target, Some(&plan)).await;
    }
    let head = context.log.head().await?;
    let promised = context.log.promise(None, head).await?;
    let entry = context
        .records
        .last_revocation_of(target.entry.entry.digest)
        .await?;
    let entry = entry.ok_or_else(|| {
        CliError::failed(
            "the key is withdrawn, but its entry can't be found on the revocation log",
            "report this as a fault",
        )
    })?;
    let made = Made {
        log: head.log,
        seq: entry.logged.seq,
        at: entry.logged.at,
        reach: reach(context, promised),
    };
    let done = Done {
        target,
        made,
        plan: Some(plan),
    };
    let outcome = finish(context, out, &done, &order).await;
    compromise::say_what_is_left(&context.keys, out, false)?;
    outcome
}
