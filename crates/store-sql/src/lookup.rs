//! What people look up of the log.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use symbolon_core::lookup::{RecordedRevocation, RevocationRecords};
use symbolon_core::ports::{StoreError, StoreResult};
use symbolon_oauth_types::revocation::Digest;

use crate::SqlStore;
use crate::entity::revocation_log;
use crate::error::store_error;

#[async_trait]
impl RevocationRecords for SqlStore {
    async fn revocation(&self, seq: u64) -> StoreResult<Option<RecordedRevocation>> {
        let Ok(seq) = i64::try_from(seq) else {
            return Ok(None);
        };
        self.first(revocation_log::Entity::find_by_id(seq)).await
    }

    async fn revocations(&self, before: Option<u64>, limit: u32) -> StoreResult<Vec<RecordedRevocation>> {
        let before = before.and_then(|seq| i64::try_from(seq).ok());
        let rows = revocation_log::Entity::find()
            .filter(revocation_log::Column::Seq.lt(before.unwrap_or(i64::MAX)))
            .order_by_desc(revocation_log::Column::Seq)
            .limit(u64::from(limit))
            .all(self.read())
            .await
            .map_err(store_error)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn last_revocation_of(&self, digest: Digest) -> StoreResult<Option<RecordedRevocation>> {
        let about = revocation_log::Entity::find()
            .filter(revocation_log::Column::Digest.eq(digest.0.to_vec()))
            .order_by_desc(revocation_log::Column::Seq);
        self.first(about).await
    }
}

impl SqlStore {
    async fn first(&self, find: Select<revocation_log::Entity>) -> StoreResult<Option<RecordedRevocation>> {
        let row = find.one(self.read()).await.map_err(store_error)?;
        row.map(TryInto::try_into).transpose()
    }
}

impl TryFrom<revocation_log::Model> for RecordedRevocation {
    type Error = StoreError;

    fn try_from(mut row: revocation_log::Model) -> StoreResult<Self> {
        let (reason, actor) = (std::mem::take(&mut row.reason), std::mem::take(&mut row.actor));
        Ok(Self {
            logged: row.try_into()?,
            reason,
            actor,
        })
    }
}
