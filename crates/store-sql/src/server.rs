//! Server secrets and the issuer.

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::audit::{Act, AuditEvent, EventKind};
use symbolon_core::ports::{ServerStore, StoreError, StoreResult, WrappedSecret};
use symbolon_core::secret::SecretPurpose;

use crate::SqlStore;
use crate::audit;
use crate::convert::{bounded, corrupt, from_ms, number, to_ms};
use crate::entity::{issuers, server_secrets};
use crate::error::{store_error, unless_taken};
use crate::transaction::{Lock, commit};

/// Most server secrets, of all purposes together.
const MAX_SECRETS: u64 = 1000;

#[async_trait]
impl ServerStore for SqlStore {
    async fn secrets(&self) -> StoreResult<Vec<WrappedSecret>> {
        let rows = server_secrets::Entity::find()
            .order_by_asc(server_secrets::Column::Purpose)
            .order_by_asc(server_secrets::Column::Id)
            .limit(MAX_SECRETS + 1)
            .all(self.read())
            .await
            .map_err(store_error)?;
        let rows = bounded(rows, MAX_SECRETS, "server secrets")?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn add_secret(&self, secret: &WrappedSecret) -> StoreResult<bool> {
        let row = server_secrets::ActiveModel {
            purpose: Set(secret.purpose.as_str().to_owned()),
            id: Set(i32::from(secret.id)),
            active_from_ms: Set(to_ms(secret.active_from)),
            wrapped: Set(secret.wrapped.clone()),
        };
        let tx = self.writing(Lock::Rows).await?;
        let inserted = server_secrets::Entity::insert(row)
            .exec_without_returning(&tx)
            .await;
        if unless_taken(inserted)?.is_none() {
            return Ok(false);
        }
        commit(tx).await?;
        Ok(true)
    }

    async fn rewrap_secret(
        &self,
        purpose: SecretPurpose,
        id: u16,
        from: &str,
        to: &str,
    ) -> StoreResult<bool> {
        use server_secrets::Column;

        let tx = self.writing(Lock::Rows).await?;
        let updated = server_secrets::Entity::update_many()
            .col_expr(Column::Wrapped, Expr::value(to))
            .filter(Column::Purpose.eq(purpose.as_str()))
            .filter(Column::Id.eq(i32::from(id)))
            .filter(Column::Wrapped.eq(from))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await?;
        Ok(updated.rows_affected > 0)
    }

    async fn issuer(&self) -> StoreResult<Option<(u16, String)>> {
        let row = issuers::Entity::find()
            .order_by_asc(issuers::Column::Id)
            .one(self.read())
            .await
            .map_err(store_error)?;
        row.map(|row| Ok((number(row.id, "the id of the issuer")?, row.issuer)))
            .transpose()
    }

    async fn set_issuer(&self, id: u16, issuer: &str) -> StoreResult<()> {
        let tx = self.writing(Lock::HeadAlone).await?;
        let before = issuers::Entity::find()
            .order_by_asc(issuers::Column::Id)
            .one(&tx)
            .await
            .map_err(store_error)?;
        issuers::Entity::delete_many()
            .exec(&tx)
            .await
            .map_err(store_error)?;
        let row = issuers::ActiveModel {
            id: Set(i32::from(id)),
            issuer: Set(issuer.to_owned()),
        };
        issuers::Entity::insert(row)
            .exec_without_returning(&tx)
            .await
            .map_err(store_error)?;
        if let Some(before) = before.filter(|before| before.issuer != issuer) {
            let act = Act::server("another issuer was configured, and was to be taken");
            let event = AuditEvent::new(EventKind::IssuerChanged, self.inner.clock.now(), act)
                .with("before", before.issuer)
                .with("after", issuer);
            audit::write(&tx, &[event]).await?;
        }
        commit(tx).await
    }
}

impl TryFrom<server_secrets::Model> for WrappedSecret {
    type Error = StoreError;

    fn try_from(row: server_secrets::Model) -> StoreResult<Self> {
        Ok(Self {
            purpose: SecretPurpose::ALL
                .into_iter()
                .find(|purpose| purpose.as_str() == row.purpose)
                .ok_or_else(|| corrupt("a server secret is for an unknown purpose"))?,
            id: number(row.id, "the number of a server secret")?,
            active_from: from_ms(row.active_from_ms, "the start of a server secret")?,
            wrapped: row.wrapped,
        })
    }
}
