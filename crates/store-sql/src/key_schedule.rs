//! The schedule of signing keys: its time, its lease, and what nodes say of the keys that they publish.

use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    Select,
};
use symbolon_core::UnixMillis;
use symbolon_core::keys::{KeyAuthority, KeyLease, KeyNode, KeySchedule, ScheduleTime};
use symbolon_core::ports::{StoreError, StoreResult};
use uuid::Uuid;

use crate::SqlStore;
use crate::convert::{corrupt, from_ms, from_schedule_ms, number, to_ms, to_schedule_ms};
use crate::entity::{key_nodes, key_schedule};
use crate::error::store_error;
use crate::transaction::{Lock, Transaction, commit};

/// Key of the only row of the schedule.
const SCHEDULE_ID: i32 = 1;
/// Most nodes that are listed.
const MAX_NODES: u64 = 1000;
/// A node that has said nothing for this long, by the schedule, is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

impl SqlStore {
    pub(crate) async fn schedule(&self) -> StoreResult<KeySchedule> {
        there(find().one(self.read()).await)?.try_into()
    }

    pub(crate) async fn take_lease(
        &self,
        holder: Uuid,
        now: UnixMillis,
        ttl: Duration,
        elapsed: ScheduleTime,
    ) -> StoreResult<Option<KeyLease>> {
        let tx = self.writing(Lock::Rows).await?;
        let row = locked(&tx).await?;
        let kept = KeySchedule::try_from(row.clone())?;
        let ends = now.plus(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        // A lease that ends later than one that begins now was taken by a clock that was ahead, or has been set since.
        let in_force = kept.lease_ends > now && kept.lease_ends <= ends;
        if in_force && kept.holder.is_some_and(|other| other != holder) {
            return Ok(None);
        }
        let (fence, fence_kept) = fence_behind(kept)?;
        let mut row = row.into_active_model();
        row.fence = Set(fence_kept);
        row.holder = Set(Some(holder));
        row.lease_ends_ms = Set(to_ms(ends));
        if elapsed > kept.elapsed {
            row.elapsed_schedule_ms = Set(to_schedule_ms(elapsed));
            row.seen_ms = Set(to_ms(now));
        }
        row.update(&tx).await.map_err(store_error)?;
        commit(tx).await?;
        Ok(Some(KeyLease { fence }))
    }

    pub(crate) async fn release_lease(&self, lease: KeyLease) -> StoreResult<()> {
        let tx = self.writing(Lock::Rows).await?;
        let row = locked(&tx).await?;
        if KeySchedule::try_from(row.clone())?.fence == lease.fence {
            vacated(row).update(&tx).await.map_err(store_error)?;
        }
        commit(tx).await
    }

    pub(crate) async fn report_node(&self, node: &KeyNode) -> StoreResult<()> {
        let row = key_nodes::ActiveModel {
            node: Set(node.node),
            name: Set(node.name.clone()),
            seen_schedule_ms: Set(to_schedule_ms(node.seen)),
            complete_since_schedule_ms: Set(node.complete_since.map(to_schedule_ms)),
            opens: Set(node.opens.join(" ")),
        };
        let replace = OnConflict::column(key_nodes::Column::Node)
            .update_columns([
                key_nodes::Column::Name,
                key_nodes::Column::SeenScheduleMs,
                key_nodes::Column::CompleteSinceScheduleMs,
                key_nodes::Column::Opens,
            ])
            .to_owned();
        let forgotten = node.seen.since(ScheduleTime(0).plus(FORGET_AFTER));
        let forgotten = to_schedule_ms(ScheduleTime(0).plus(forgotten));
        let tx = self.writing(Lock::Rows).await?;
        locked(&tx).await?;
        key_nodes::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&tx)
            .await
            .map_err(store_error)?;
        key_nodes::Entity::delete_many()
            .filter(key_nodes::Column::SeenScheduleMs.lt(forgotten))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await
    }

    pub(crate) async fn nodes(&self) -> StoreResult<Vec<KeyNode>> {
        let rows = key_nodes::Entity::find()
            .order_by_desc(key_nodes::Column::SeenScheduleMs)
            .order_by_asc(key_nodes::Column::Node)
            .limit(MAX_NODES)
            .all(self.read())
            .await
            .map_err(store_error)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub(crate) async fn forget_node(&self, node: Uuid) -> StoreResult<()> {
        let tx = self.writing(Lock::Rows).await?;
        key_nodes::Entity::delete_by_id(node)
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await
    }
}

/// Whether keys may be changed on that authority. The schedule's row is locked from then on, so that changes of keys
/// follow one upon the other.
///
/// A lease that has ended gives no authority either, though nobody has taken it since: whoever was stopped for that long
/// plans by a time that is no longer.
pub(crate) async fn authorize(
    tx: &Transaction,
    authority: KeyAuthority,
    now: UnixMillis,
) -> StoreResult<bool> {
    let row = locked(tx).await?;
    let kept = KeySchedule::try_from(row.clone())?;
    match authority {
        KeyAuthority::Lease(lease) => Ok(kept.fence == lease.fence && kept.lease_ends > now),
        KeyAuthority::Operator => {
            let mut row = vacated(row);
            row.fence = Set(fence_behind(kept)?.1);
            row.update(tx).await.map_err(store_error)?;
            Ok(true)
        }
    }
}

fn find() -> Select<key_schedule::Entity> {
    key_schedule::Entity::find_by_id(SCHEDULE_ID)
}

/// The schedule's row, locked until the transaction ends.
async fn locked(tx: &Transaction) -> StoreResult<key_schedule::Model> {
    there(find().lock_exclusive().one(tx).await)
}

fn there(row: Result<Option<key_schedule::Model>, DbErr>) -> StoreResult<key_schedule::Model> {
    row.map_err(store_error)?
        .ok_or_else(|| corrupt("the key schedule has lost its row"))
}

/// The row without a holder.
fn vacated(row: key_schedule::Model) -> key_schedule::ActiveModel {
    let mut row = row.into_active_model();
    row.holder = Set(None);
    row.lease_ends_ms = Set(0);
    row
}

/// The next fence, as a number and as the row has it.
fn fence_behind(kept: KeySchedule) -> StoreResult<(u64, i64)> {
    let fence = kept.fence.saturating_add(1);
    Ok((fence, number(fence, "the fence of the key schedule")?))
}

impl TryFrom<key_schedule::Model> for KeySchedule {
    type Error = StoreError;

    fn try_from(row: key_schedule::Model) -> StoreResult<Self> {
        Ok(Self {
            fence: number(row.fence, "the fence of the key schedule")?,
            holder: row.holder,
            lease_ends: from_ms(row.lease_ends_ms, "the end of the key schedule's lease")?,
            elapsed: from_schedule_ms(row.elapsed_schedule_ms, "the time of the key schedule")?,
            seen: from_ms(row.seen_ms, "the last look at the key schedule")?,
        })
    }
}

impl TryFrom<key_nodes::Model> for KeyNode {
    type Error = StoreError;

    fn try_from(row: key_nodes::Model) -> StoreResult<Self> {
        let what = "what a node says of its keys";
        Ok(Self {
            node: row.node,
            name: row.name,
            seen: from_schedule_ms(row.seen_schedule_ms, what)?,
            complete_since: row
                .complete_since_schedule_ms
                .map(|ms| from_schedule_ms(ms, what))
                .transpose()?,
            opens: row.opens.split_whitespace().map(str::to_owned).collect(),
        })
    }
}
