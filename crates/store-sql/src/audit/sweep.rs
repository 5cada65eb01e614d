//! Deleting what has come to its age.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::UnixMillis;
use symbolon_core::audit::{AuditHead, link};
use symbolon_core::ports::StoreResult;

use super::read::says_what_it_searches_by;
use super::{HEAD_ID, POSITION, lock};
use crate::SqlStore;
use crate::convert::{corrupt, number, to_ms};
use crate::entity::{audit_checkpoints, audit_head, audit_log};
use crate::error::store_error;
use crate::transaction::{Lock, commit};

/// Most records that are swept at a time: whoever writes on the trail waits meanwhile.
const MOST: u32 = 1_000;

impl SqlStore {
    /// The records that go are followed from the anchor on, up to one that does not follow from those before it:
    /// sweeping destroys no evidence that somebody has changed the trail.
    pub(super) async fn sweep_records(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        let tx = self.writing(Lock::Rows).await?;
        let anchor = lock(&tx).await?.anchor;
        let covered = audit_checkpoints::Entity::find()
            .order_by_desc(audit_checkpoints::Column::Seq)
            .one(&tx)
            .await
            .map_err(store_error)?
            .map_or(0, |checkpoint| checkpoint.seq);
        let rows = audit_log::Entity::find()
            .filter(audit_log::Column::Seq.lte(covered))
            .order_by_asc(audit_log::Column::Seq)
            .limit(u64::from(limit.min(MOST)))
            .all(&tx)
            .await
            .map_err(store_error)?;
        let aged = rows.iter().take_while(|row| row.at_ms < to_ms(before));
        let (swept, broken) = follow(anchor, aged);
        if swept == anchor {
            return match broken {
                Some(seq) => Err(corrupt(format_args!(
                    "record {seq} of the audit trail does not follow from those before it: see `symbolon audit verify`; \
                     nothing was swept"
                ))),
                None => Ok(0),
            };
        }
        let last: i64 = number(swept.seq, POSITION)?;
        audit_log::Entity::delete_many()
            .filter(audit_log::Column::Seq.lte(last))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        audit_head::Entity::update_many()
            .col_expr(audit_head::Column::AnchorSeq, Expr::value(last))
            .col_expr(audit_head::Column::AnchorHash, Expr::value(swept.hash.0.to_vec()))
            .filter(audit_head::Column::Id.eq(HEAD_ID))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        // Those of the records that are gone say nothing any more that could be compared.
        audit_checkpoints::Entity::delete_many()
            .filter(audit_checkpoints::Column::Seq.lt(last))
            .filter(audit_checkpoints::Column::AtMs.lt(to_ms(before)))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await?;
        Ok(swept.seq - anchor.seq)
    }
}

/// The last of the records that follow from the anchor one by one, and the position where they cease to.
fn follow<'a>(
    anchor: AuditHead,
    rows: impl Iterator<Item = &'a audit_log::Model>,
) -> (AuditHead, Option<u64>) {
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
