//! Changing signing keys.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use symbolon_core::UnixMillis;
use symbolon_core::audit::{AuditEvent, EventKind, Target};
use symbolon_core::keys::{
    KeyAuthority, KeyChange, KeyChangeOutcome, KeyMove, ScheduleTime, SigningKeyRecord,
};
use symbolon_core::ports::StoreResult;

use crate::SqlStore;
use crate::audit;
use crate::convert::{refused, to_ms, to_schedule_ms};
use crate::entity::signing_keys::{Column, Entity};
use crate::error::unless_taken;
use crate::key_schedule::authorize;
use crate::keys::{MOMENTS, moments, row};
use crate::log::append_all_with_facts;
use crate::transaction::{Lock, Transaction, commit};

impl SqlStore {
    /// Only the last lines commit: whatever returns before has changed nothing.
    pub(crate) async fn edit_keys(&self, change: &KeyChange) -> StoreResult<KeyChangeOutcome> {
        if let Some(odd) = change.moves.iter().find(|step| !is_transition(step)) {
            let (kid, from, to) = (odd.kid.as_str(), odd.from.as_str(), odd.to.as_str());
            return Err(refused(format_args!(
                "key {kid} can't go from {from} to {to} in one step"
            )));
        }
        let tx = self.writing(Lock::HeadAlone).await?;
        if !authorize(&tx, change.authority, self.inner.clock.now()).await? {
            return Ok(KeyChangeOutcome::Fenced);
        }
        // At every statement there is one active and one pending key of an algorithm at most: first those go that leave
        // such a place, then those that take one over, then the new ones come.
        let (taking, leaving): (Vec<_>, Vec<_>) = change.moves.iter().partition(|step| step.to.is_active());
        for step in leaving.into_iter().chain(taking) {
            if !go(&tx, step, change.at).await? {
                return Ok(KeyChangeOutcome::Conflict);
            }
        }
        for key in &change.add {
            if !add(&tx, key).await? {
                return Ok(KeyChangeOutcome::Conflict);
            }
        }
        let entries: Vec<_> = change
            .entries
            .iter()
            .cloned()
            .map(|entry| entry.by(&change.act))
            .collect();
        append_all_with_facts(&tx, &entries, &*self.inner.clock).await?;
        if !(change.moves.is_empty() && change.add.is_empty()) {
            audit::write(&tx, &[event(change, self.inner.clock.now())]).await?;
        }
        commit(tx).await?;
        Ok(KeyChangeOutcome::Done)
    }
}

/// Where it is about one key alone, that is the target.
fn event(change: &KeyChange, now: UnixMillis) -> AuditEvent {
    let moves = change
        .moves
        .iter()
        .map(|step| json!({ "kid": step.kid.as_str(), "from": step.from.as_str(), "to": step.to.as_str() }));
    let added = change
        .add
        .iter()
        .map(|key| json!({ "kid": key.kid.as_str(), "alg": key.alg.as_str(), "state": key.state.as_str() }));
    let authority = match change.authority {
        KeyAuthority::Lease(_) => "lease",
        KeyAuthority::Operator => "operator",
    };
    let event = AuditEvent::new(EventKind::KeysChanged, now, change.act.clone())
        .with("moves", moves.collect::<Vec<Value>>())
        .with("added", added.collect::<Vec<Value>>())
        .with("authority", authority);
    match (&*change.moves, &*change.add) {
        ([KeyMove { kid, .. }], []) | ([], [SigningKeyRecord { kid, .. }]) => {
            event.to(Target::new("key", kid.as_str(), None))
        }
        _ => event,
    }
}

/// Whether the lifecycle leads from one state to the other directly.
fn is_transition(step: &KeyMove) -> bool {
    let KeyMove { from, to, .. } = *step;
    let now = to.since();
    [
        from.activate(now),
        from.retire(now),
        from.finish(now),
        from.compromise(now),
    ]
    .contains(&Ok(to))
}

/// Returns false where the key is not in the state from which the move was planned, or its new place is taken.
async fn go(tx: &Transaction, step: &KeyMove, at: ScheduleTime) -> StoreResult<bool> {
    let mut update = Entity::update_many()
        .col_expr(Column::State, Expr::value(step.to.as_str()))
        .col_expr(Column::EnteredScheduleMs, Expr::value(to_schedule_ms(at)))
        .filter(Column::Kid.eq(step.kid.as_str()))
        .filter(Column::State.eq(step.from.as_str()));
    for (column, moment) in MOMENTS.into_iter().zip(moments(step.from)) {
        if let Some(moment) = moment {
            update = update.filter(column.eq(to_ms(moment)));
        }
    }
    if step.from.activated().is_none() {
        update = update.filter(Column::ActivatedMs.is_null());
    }
    for (column, moment) in MOMENTS.into_iter().zip(moments(step.to)) {
        if let Some(moment) = moment {
            update = update.col_expr(column, Expr::value(to_ms(moment)));
        }
    }
    if !step.to.is_published() {
        update = update.col_expr(Column::Wrapped, Expr::value(""));
    }
    let updated = unless_taken(update.exec(tx).await)?;
    Ok(updated.is_some_and(|updated| updated.rows_affected == 1))
}

/// Returns false where the `kid` or the place is taken.
async fn add(tx: &Transaction, key: &SigningKeyRecord) -> StoreResult<bool> {
    let inserted = Entity::insert(row(key)).exec_without_returning(tx).await;
    Ok(unless_taken(inserted)?.is_some())
}
