//! Idempotency keys.

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use symbolon_core::UnixMillis;
use symbolon_core::ports::{IdempotencyStore, Idempotent, StoreResult};

use crate::SqlStore;
use crate::convert::{number, to_ms};
use crate::entity::idempotency_keys::{ActiveModel, Column, Entity, Model};
use crate::error::store_error;
use crate::sessions::sweep_rows;
use crate::transaction::{Lock, commit};

/// Longest body that is kept, in bytes.
const MAX_BODY: usize = 64 << 10;

#[async_trait]
impl IdempotencyStore for SqlStore {
    /// The insert decides: of several at once the others wait for it, and find its row.
    async fn begin_once(&self, key: [u8; 32], request: [u8; 32], now: UnixMillis) -> StoreResult<Idempotent> {
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
        let body = body.filter(|body| body.len() <= MAX_BODY);
        let tx = self.writing(Lock::Rows).await?;
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
