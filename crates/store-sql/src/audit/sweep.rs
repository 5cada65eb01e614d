//! Deleting what has come to its age.

use std::ops::RangeInclusive;
use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::UnixMillis;
use symbolon_core::audit::{AuditHead, EventKind, Genuine, Sweep, link};
use symbolon_core::ports::StoreResult;

use super::read::says_what_it_searches_by;
use super::{HEAD_ID, POSITION, lock, position, write};
use crate::SqlStore;
use crate::convert::{corrupt, number, to_ms};
use crate::entity::{audit_checkpoints, audit_head, audit_log};
use crate::error::store_error;
use crate::transaction::{Lock, Transaction, commit};

/// Most records that are swept at a time: whoever writes on the trail waits meanwhile.
const MOST: u32 = 1_000;

impl SqlStore {
    /// The records that go are followed from the anchor on, up to one that does not follow from those before it:
    /// sweeping destroys no evidence that somebody has changed the trail.
    pub(super) async fn sweep_records(
        &self,
        now: UnixMillis,
        retention: Duration,
        limit: u32,
        genuine: Genuine<'_>,
    ) -> StoreResult<u64> {
        let age = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
        let before = to_ms(UnixMillis(now.since(UnixMillis(age))));
        let limit = u64::from(limit.min(MOST));
        let tx = self.writing(Lock::Rows).await?;
        let anchor = lock(&tx).await?.anchor;
        let first = position(anchor.seq + 1);
        let Some(covered) = covered(&tx, first, before, genuine).await? else {
            return Ok(0);
        };
        let rows = aged(&tx, before, first..=covered, limit).await?;
        let (swept, broken) = follow(anchor, &rows);
        let count = swept.seq - anchor.seq;
        // What the trail holds of sweeps alone is not worth a record that would stand there in its place.
        let is_other = |row: &audit_log::Model| row.event != EventKind::AuditSwept.as_str();
        let going = rows.iter().take_while(|row| row.seq <= position(swept.seq));
        let is_worth_it = count == limit || going.into_iter().any(is_other);
        if count == 0 || !is_worth_it {
            return match broken {
                Some(seq) => Err(corrupt(format_args!(
                    "record {seq} of the audit trail does not follow from those before it: see `symbolon audit verify`; \
                     nothing was swept"
                ))),
                None => Ok(0),
            };
        }
        let sweep = Sweep {
            from: anchor.seq + 1,
            to: swept.seq,
            at: self.inner.clock.now(),
            retention,
        };
        delete(&tx, first, swept, before).await?;
        write(&tx, &[sweep.event()]).await?;
        commit(tx).await?;
        Ok(count)
    }
}

/// How far the checkpoints of before that moment cover the trail from its first record on; `None` where they don't.
async fn covered(
    tx: &Transaction,
    first: i64,
    before: i64,
    genuine: Genuine<'_>,
) -> StoreResult<Option<i64>> {
    let row = audit_checkpoints::Entity::find()
        .filter(audit_checkpoints::Column::Seq.gte(first))
        .filter(audit_checkpoints::Column::AtMs.lt(before))
        .order_by_desc(audit_checkpoints::Column::Seq)
        .one(tx)
        .await
        .map_err(store_error)?;
    let Some(row) = row else { return Ok(None) };
    let seq = row.seq;
    if !genuine(&row.try_into()?) {
        return Err(corrupt(format_args!(
            "the checkpoint of the audit trail at {seq} is not what was signed: see `symbolon audit verify`; nothing was \
             swept"
        )));
    }
    Ok(Some(seq))
}

/// The earliest records of before that moment at these positions.
async fn aged(
    tx: &Transaction,
    before: i64,
    positions: RangeInclusive<i64>,
    limit: u64,
) -> StoreResult<Vec<audit_log::Model>> {
    let mut rows = audit_log::Entity::find()
        .filter(audit_log::Column::Seq.between(*positions.start(), *positions.end()))
        .order_by_asc(audit_log::Column::Seq)
        .limit(limit)
        .all(tx)
        .await
        .map_err(store_error)?;
    let young = rows.iter().position(|row| row.at_ms >= before);
    rows.truncate(young.unwrap_or(rows.len()));
    Ok(rows)
}

/// Deletes the records up to that one, which becomes the anchor. What stands before the first is none of them, and stays:
/// it tells that somebody has put it there.
async fn delete(tx: &Transaction, first: i64, swept: AuditHead, before: i64) -> StoreResult<()> {
    let last: i64 = number(swept.seq, POSITION)?;
    audit_log::Entity::delete_many()
        .filter(audit_log::Column::Seq.between(first, last))
        .exec(tx)
        .await
        .map_err(store_error)?;
    audit_head::Entity::update_many()
        .col_expr(audit_head::Column::AnchorSeq, Expr::value(last))
        .col_expr(audit_head::Column::AnchorHash, Expr::value(swept.hash.0.to_vec()))
        .filter(audit_head::Column::Id.eq(HEAD_ID))
        .exec(tx)
        .await
        .map_err(store_error)?;
    // Those of the records that are gone say nothing any more that could be compared.
    audit_checkpoints::Entity::delete_many()
        .filter(audit_checkpoints::Column::Seq.lt(last))
        .filter(audit_checkpoints::Column::AtMs.lt(before))
        .exec(tx)
        .await
        .map_err(store_error)?;
    Ok(())
}

/// The last of the records that follow from the anchor one by one, and the position where they cease to.
fn follow(anchor: AuditHead, rows: &[audit_log::Model]) -> (AuditHead, Option<u64>) {
    let mut last = anchor;
    for row in rows {
        let seq = last.seq + 1;
        let hash = link(&last.hash, seq, &row.body);
        if u64::try_from(row.seq) != Ok(seq) || row.hash != hash.0 || !says_what_it_searches_by(row) {
            return (last, Some(seq));
        }
        last = AuditHead { seq, hash };
    }
    (last, None)
}
