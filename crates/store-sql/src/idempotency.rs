//! Idempotency keys.

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, Select};
use symbolon_core::UnixMillis;
use symbolon_core::ports::{IdempotencyStore, Idempotent, StoreResult};

use crate::SqlStore;
use crate::convert::{number, to_ms};
use crate::entity::idempotency_keys::{ActiveModel, Column, Entity, Model};
use crate::error::store_error;
use crate::sessions::sweep_rows;
use crate::transaction::{Lock, Transaction, commit};

/// Longest body that is kept, in bytes.
const MAX_BODY: usize = 64 << 10;
/// Most bodies that are kept of one caller, in bytes.
const MAX_BODIES: u64 = 16 << 20;

#[async_trait]
impl IdempotencyStore for SqlStore {
    /// The insert decides: of several at once the others wait for it, and find its row.
    async fn begin_once(
        &self,
        key: [u8; 32],
        request: [u8; 32],
        now: UnixMillis,
        most: u32,
    ) -> StoreResult<Idempotent> {
        let tx = self.writing(Lock::Rows).await?;
        let row = ActiveModel {
            key: Set(key.to_vec()),
            request: Set(request.to_vec()),
            begun_ms: Set(to_ms(now)),
            status: Set(None),
            body: Set(None),
        };
        let inserted = Entity::insert(row)
            .on_conflict(OnConflict::column(Column::Key).do_nothing().to_owned())
            .exec_without_returning(&tx)
            .await
            .map_err(store_error)?;
        let outcome = if inserted == 1 {
            let keys = of_caller(key).count(&tx).await.map_err(store_error)?;
            if keys > u64::from(most) {
                // What was inserted goes with the transaction.
                return Ok(Idempotent::Full);
            }
            Idempotent::First
        } else {
            let found = Entity::find_by_id(key.to_vec()).one(&tx).await;
            outcome(found.map_err(store_error)?, request)?
        };
        commit(tx).await?;
        Ok(outcome)
    }

    async fn answered(&self, key: [u8; 32], status: u16, body: Option<&str>) -> StoreResult<()> {
        let status: i16 = number(status, "a status")?;
        let mut body = body.filter(|body| body.len() <= MAX_BODY);
        let tx = self.writing(Lock::Rows).await?;
        if let Some(text) = body
            && kept_of_caller(&tx, key).await? + text.len() as u64 > MAX_BODIES
        {
            body = None;
        }
        Entity::update_many()
            .col_expr(Column::Status, Expr::value(status))
            .col_expr(Column::Body, Expr::value(body.map(str::to_owned)))
            .filter(Column::Key.eq(key.to_vec()))
            .filter(Column::Status.is_null())
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await
    }

    async fn gave_up(&self, key: [u8; 32]) -> StoreResult<()> {
        let tx = self.writing(Lock::Rows).await?;
        Entity::delete_many()
            .filter(Column::Key.eq(key.to_vec()))
            .filter(Column::Status.is_null())
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await
    }

    async fn sweep_keys(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        let tx = self.writing(Lock::Rows).await?;
        let begins = (Column::Key, Column::BegunMs);
        let swept = sweep_rows::<Entity>(&tx, begins, before, u64::from(limit)).await?;
        commit(tx).await?;
        Ok(swept)
    }
}

/// The keys of whoever gave this one: those that begin as it does.
fn of_caller(key: [u8; 32]) -> Select<Entity> {
    let (mut first, mut last) = (key, key);
    first[16..].fill(0);
    last[16..].fill(u8::MAX);
    Entity::find().filter(Column::Key.between(first.to_vec(), last.to_vec()))
}

/// How much is kept of bodies for whoever gave this key, in bytes.
async fn kept_of_caller(tx: &Transaction, key: [u8; 32]) -> StoreResult<u64> {
    let sum = Expr::cust(r#"CAST(COALESCE(SUM(OCTET_LENGTH("body")), 0) AS BIGINT)"#);
    let kept: Option<i64> = of_caller(key)
        .select_only()
        .expr_as(sum, "kept")
        .into_tuple()
        .one(tx)
        .await
        .map_err(store_error)?;
    number(kept.unwrap_or_default(), "the length of answers")
}

/// A row that is gone again was given back just now: whoever asks again is the first.
fn outcome(row: Option<Model>, request: [u8; 32]) -> StoreResult<Idempotent> {
    Ok(match row {
        None => Idempotent::Pending,
        Some(row) if row.request != request => Idempotent::Reused,
        Some(Model { status: None, .. }) => Idempotent::Pending,
        Some(Model {
            status: Some(status),
            body,
            ..
        }) => Idempotent::Answered {
            status: number(status, "the status of an answer")?,
            body,
        },
    })
}
