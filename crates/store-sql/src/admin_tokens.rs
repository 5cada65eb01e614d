//! Access tokens for the admin API that are on record.

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use symbolon_core::audit::AuditEvent;
use symbolon_core::ports::{AdminToken, AdminTokens, StoreError, StoreResult};
use symbolon_core::{TokenId, UnixMillis};

use crate::SqlStore;
use crate::audit;
use crate::convert::{from_ms, number, to_ms};
use crate::entity::admin_tokens::{ActiveModel, Column, Entity, Model};
use crate::error::store_error;
use crate::sessions::sweep_rows;
use crate::transaction::{Lock, commit, retried};

#[async_trait]
impl AdminTokens for SqlStore {
    async fn record_token(&self, token: &AdminToken, event: &AuditEvent) -> StoreResult<()> {
        retried(|| self.insert_token(token, event)).await
    }

    async fn recorded_token(&self, token: TokenId, now: UnixMillis) -> StoreResult<Option<AdminToken>> {
        let row = Entity::find_by_id(token.0)
            .filter(Column::ExpiresMs.gt(to_ms(now)))
            .one(self.read())
            .await;
        row.map_err(store_error)?.map(TryInto::try_into).transpose()
    }

    async fn sweep_tokens(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        let tx = self.writing(Lock::Rows).await?;
        let ends = (Column::Jti, Column::ExpiresMs);
        let swept = sweep_rows::<Entity>(&tx, ends, before, u64::from(limit)).await?;
        commit(tx).await?;
        Ok(swept)
    }
}

impl SqlStore {
    async fn insert_token(&self, token: &AdminToken, event: &AuditEvent) -> StoreResult<()> {
        let tx = self.writing(Lock::Rows).await?;
        let row = ActiveModel {
            jti: Set(token.token.0),
            digest: Set(token.digest.to_vec()),
            expires_ms: Set(to_ms(token.expires)),
        };
        Entity::insert(row)
            .exec_without_returning(&tx)
            .await
            .map_err(store_error)?;
        audit::write(&tx, std::slice::from_ref(event)).await?;
        commit(tx).await
    }
}

impl TryFrom<Model> for AdminToken {
    type Error = StoreError;

    fn try_from(row: Model) -> StoreResult<Self> {
        Ok(Self {
            token: TokenId(row.jti),
            digest: number(row.digest.as_slice(), "the digest of an admin token")?,
            expires: from_ms(row.expires_ms, "the end of an admin token")?,
        })
    }
}
