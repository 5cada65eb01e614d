//! The audit trail.

mod change;
mod read;
mod searched;
mod sweep;

pub(crate) use change::{Recorded, is_stale, may_handle};

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::UnixMillis;
use symbolon_core::audit::{
    AuditEvent, AuditFilter, AuditHash, AuditHead, AuditRecord, AuditStore, Checkpoint, Genuine, Order, link,
};
use symbolon_core::ports::{StoreError, StoreResult};

use crate::SqlStore;
use crate::convert::{corrupt, from_ms, number, to_ms};
use crate::entity::{audit_checkpoints, audit_head, audit_log};
use crate::error::store_error;
use crate::transaction::{Lock, Transaction, commit, retried};
use searched::Searched;

/// Key of the only row of the head.
const HEAD_ID: i32 = 1;
/// Most records of one statement: both databases bound the values that one may have.
const ROWS: usize = 1000;

#[async_trait]
impl AuditStore for SqlStore {
    async fn record(&self, events: &[AuditEvent]) -> StoreResult<AuditHead> {
        if events.is_empty() {
            return self.audit_head().await;
        }
        retried(|| self.record_alone(events)).await
    }

    async fn audit_head(&self) -> StoreResult<AuditHead> {
        let row = audit_head::Entity::find_by_id(HEAD_ID).one(self.read()).await;
        Trail::of(row.map_err(store_error)?).map(|trail| trail.head)
    }

    async fn audit_records(
        &self,
        filter: &AuditFilter,
        order: Order,
        from: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRecord>> {
        self.find_records(filter, order, from, limit).await
    }

    async fn audit_part(&self, after: u64, limit: u32) -> StoreResult<(AuditHead, Vec<AuditRecord>)> {
        self.find_part(after, limit).await
    }

    async fn audit_columns_differ(&self, after: u64, limit: u32) -> StoreResult<Option<u64>> {
        self.first_that_differs(after, limit).await
    }

    async fn audit_before_anchor(&self) -> StoreResult<Option<u64>> {
        self.first_before_anchor().await
    }

    async fn audit_anchor(&self) -> StoreResult<AuditHead> {
        let row = audit_head::Entity::find_by_id(HEAD_ID).one(self.read()).await;
        Trail::of(row.map_err(store_error)?).map(|trail| trail.anchor)
    }

    /// Nodes may sign the same position at once; the first is as good as the others.
    async fn add_checkpoint(&self, checkpoint: &Checkpoint) -> StoreResult<()> {
        use audit_checkpoints::{ActiveModel, Column, Entity};

        let row = ActiveModel {
            seq: Set(number(checkpoint.seq, "the position of a checkpoint")?),
            at_ms: Set(to_ms(checkpoint.at)),
            signed: Set(checkpoint.signed.clone()),
        };
        let tx = self.writing(Lock::Rows).await?;
        Entity::insert(row)
            .on_conflict(OnConflict::column(Column::Seq).do_nothing().to_owned())
            .exec_without_returning(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await
    }

    async fn checkpoints(&self, after: u64, limit: u32) -> StoreResult<Vec<Checkpoint>> {
        let rows = audit_checkpoints::Entity::find()
            .filter(audit_checkpoints::Column::Seq.gt(position(after)))
            .order_by_asc(audit_checkpoints::Column::Seq)
            .limit(u64::from(limit))
            .all(self.read())
            .await
            .map_err(store_error)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn last_checkpoint(&self) -> StoreResult<Option<Checkpoint>> {
        let last = audit_checkpoints::Entity::find().order_by_desc(audit_checkpoints::Column::Seq);
        let row = last.one(self.read()).await.map_err(store_error)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn sweep_audit(
        &self,
        now: UnixMillis,
        retention: Duration,
        limit: u32,
        genuine: Genuine<'_>,
    ) -> StoreResult<u64> {
        retried(|| self.sweep_records(now, retention, limit, genuine)).await
    }
}

impl SqlStore {
    async fn record_alone(&self, events: &[AuditEvent]) -> StoreResult<AuditHead> {
        let tx = self.writing(Lock::Rows).await?;
        let head = write(&tx, events).await?;
        commit(tx).await?;
        Ok(head)
    }
}

/// Writes events within a transaction, in order. Nobody else writes any before it ends: what it waits for is to be locked
/// before this.
pub(crate) async fn write(tx: &Transaction, events: &[AuditEvent]) -> StoreResult<AuditHead> {
    let mut head = lock(tx).await?.head;
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let body = event.body();
        let seq = head.seq + 1;
        let hash = link(&head.hash, seq, &body);
        head = AuditHead { seq, hash };
        rows.push(row(head, body)?);
    }
    for some in rows.chunks(ROWS) {
        audit_log::Entity::insert_many(some.to_vec())
            .exec_without_returning(tx)
            .await
            .map_err(store_error)?;
    }
    audit_head::Entity::update_many()
        .col_expr(
            audit_head::Column::Seq,
            Expr::value(number::<_, i64>(head.seq, POSITION)?),
        )
        .col_expr(audit_head::Column::Hash, Expr::value(head.hash.0.to_vec()))
        .filter(audit_head::Column::Id.eq(HEAD_ID))
        .exec(tx)
        .await
        .map_err(store_error)?;
    Ok(head)
}

const POSITION: &str = "a position on the audit trail";

fn row(head: AuditHead, body: String) -> StoreResult<audit_log::ActiveModel> {
    let searched = Searched::of(&body).ok_or_else(|| corrupt("an audit event has no body"))?;
    Ok(audit_log::ActiveModel {
        seq: Set(number(head.seq, POSITION)?),
        at_ms: Set(searched.at_ms),
        event: Set(searched.event),
        outcome: Set(searched.outcome),
        actor: Set(searched.actor),
        target_kind: Set(searched.target_kind),
        target: Set(searched.target),
        request_id: Set(searched.request_id),
        body: Set(body),
        hash: Set(head.hash.0.to_vec()),
    })
}

/// Where the trail begins and ends.
#[derive(Clone, Copy)]
struct Trail {
    head: AuditHead,
    /// The last that was swept.
    anchor: AuditHead,
}

impl Trail {
    fn of(row: Option<audit_head::Model>) -> StoreResult<Self> {
        let row = row.ok_or_else(|| corrupt("the audit trail has no head: restore a backup"))?;
        let head = |seq: i64, hash: &[u8], what: &str| -> StoreResult<AuditHead> {
            Ok(AuditHead {
                seq: number(seq, what)?,
                hash: AuditHash(number(hash, what)?),
            })
        };
        Ok(Self {
            head: head(row.seq, &row.hash, "the head of the audit trail")?,
            anchor: head(row.anchor_seq, &row.anchor_hash, "the anchor of the audit trail")?,
        })
    }
}

/// The head, which nobody else moves before the transaction ends.
async fn lock(tx: &Transaction) -> StoreResult<Trail> {
    let row = audit_head::Entity::find_by_id(HEAD_ID).lock_exclusive().one(tx);
    Trail::of(row.await.map_err(store_error)?)
}

/// Positions that SQL has no integer for lie behind all that there are.
fn position(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

impl TryFrom<audit_log::Model> for AuditRecord {
    type Error = StoreError;

    fn try_from(row: audit_log::Model) -> StoreResult<Self> {
        let what = format!("the hash of record {} of the audit trail", row.seq);
        Ok(Self {
            seq: number(row.seq, POSITION)?,
            hash: AuditHash(number(row.hash.as_slice(), &what)?),
            body: row.body,
        })
    }
}

impl TryFrom<audit_checkpoints::Model> for Checkpoint {
    type Error = StoreError;

    fn try_from(row: audit_checkpoints::Model) -> StoreResult<Self> {
        Ok(Self {
            seq: number(row.seq, POSITION)?,
            at: from_ms(row.at_ms, "the making of a checkpoint")?,
            signed: row.signed,
        })
    }
}
