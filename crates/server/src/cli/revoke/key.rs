//! All that one key signed.

use symbolon_admin_api::{Filter, KeyView, RevocationsMade, RevokedTarget};
use symbolon_core::time::rfc3339;
use symbolon_jose::Kid;

use super::super::context::{ApiContext, Console, confirm};
use super::super::error::{CliError, ErrorKind};
use super::super::keys::{compromise, plan};
use super::super::output::Output;
use super::wanted::Wanted;
use super::{Done, RevokeKey, lost, view, wait};

/// Whether the key is on record, and not as compromised: then the record must say so, too, and if it is published it
/// must be replaced.
pub(super) async fn can_be_withdrawn(context: &ApiContext<'_>, kid: &Kid) -> Result<bool, CliError> {
    Ok(state(context, kid)
        .await?
        .is_some_and(|state| state != "compromised"))
}

async fn state(context: &ApiContext<'_>, kid: &Kid) -> Result<Option<String>, CliError> {
    let found: Result<KeyView, _> = context.api.read(&["keys", kid.as_str()]).await;
    match found {
        Ok(key) => Ok(Some(key.state)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A key that is compromised already, or is not on record. The second is refused unless it is meant, since it may be
/// misspelt, and asked about, since the entry stays for ever.
pub(super) async fn wanted(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    args: &RevokeKey,
) -> Result<Wanted, CliError> {
    let is_unknown = state(context, &args.kid).await?.is_none();
    if is_unknown && !args.unknown {
        return Err(CliError::not_found(
            format_args!("there is no signing key {} on record", args.kid),
            "see `symbolon keys list --all`; give --unknown to revoke one that the database has lost",
        ));
    }
    if is_unknown && !args.order.dry_run {
        let question = format!(
            "There is no key {} on record. Refuse for good whatever it signed?",
            args.kid
        );
        confirm(console, args.yes, &question)?;
    }
    Ok(Wanted::of(Filter::Key(args.kid.to_string())))
}

/// Withdraws a key, as `keys compromise` does.
pub(super) async fn withdraw(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: RevokeKey,
) -> Result<(), CliError> {
    let RevokeKey { kid, yes, order, .. } = args;
    let planned = compromise::withdraw(context, Some(&kid), &order.reason, true).await?;
    let wanted = Wanted::of(Filter::Key(kid.to_string()));
    let mut made = RevocationsMade {
        dry_run: order.dry_run,
        sessions: 0,
        more_sessions: false,
        reach: None,
        log: uuid::Uuid::nil(),
        targets: vec![RevokedTarget {
            kind: "key".to_owned(),
            value: Some(kid.to_string()),
            name: None,
            sessions: 0,
            more_sessions: false,
            seq: None,
            at: None,
            at_ms: None,
        }],
    };
    if order.dry_run {
        plan::warn(out, &planned.plan)?;
        return view::dry_run(out, &wanted, &made);
    }
    if !yes {
        plan::warn(out, &planned.plan)?;
        confirm(
            console,
            false,
            &format!("Refuse everything that key {kid} signed, for good?"),
        )?;
    }
    let done = compromise::withdraw(context, Some(&kid), &order.reason, false).await?;
    plan::warn(out, &done.plan)?;
    let entry = done
        .revocations
        .iter()
        .find(|entry| entry.kid == kid.as_str())
        .ok_or_else(lost)?;
    made.reach.clone_from(&done.reach);
    made.log = entry.log;
    let shown: symbolon_admin_api::ShownRevocation =
        context.api.read(&["revocations", &entry.seq.to_string()]).await?;
    let at = symbolon_core::UnixMillis(shown.revocation.at_ms);
    if let Some(target) = made.targets.first_mut() {
        (target.seq, target.at, target.at_ms) = (Some(entry.seq), Some(rfc3339(at)), Some(at.0));
    }
    let entry = Done::of(&made)?;
    let waited = match order.patience() {
        Some(patience) => Some(wait::for_verifiers(context, &entry, patience).await?),
        None => None,
    };
    view::done(out, (&wanted, &made), &entry, (Some(&done.plan), waited.as_ref()))?;
    plan::say_what_is_left(out, &done.plan)?;
    waited.map_or(Ok(()), |waited| waited.outcome(&entry))
}
