//! The facts that grants are decided by.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use symbolon_core::client::Client;
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::{FactStore, PublishedFacts, StoreResult};
use symbolon_core::user::{Credential, LoginName, User};
use symbolon_core::{ClientId, ClientUid, Subject};

use crate::convert::parse;
use crate::edit_scopes::registered;
use crate::entity::{client_values, clients, users};
use crate::error::store_error;
use crate::transaction::{Lock, Transaction, commit};
use crate::{SqlStore, clients as client, users as user};

/// Most origins that are published.
const MAX_ORIGINS: u64 = 10_000;
/// Most grants that are published; there are far fewer.
const MAX_GRANTS: u64 = 100;

#[async_trait]
impl FactStore for SqlStore {
    async fn client(&self, id: &ClientId) -> StoreResult<Option<Client>> {
        client::by_client_id(&self.snapshot().await?, id).await
    }

    async fn client_by_uid(&self, uid: ClientUid) -> StoreResult<Option<Client>> {
        client::by_uid(&self.snapshot().await?, uid).await
    }

    async fn user(&self, subject: Subject) -> StoreResult<Option<User>> {
        user::by_subject(&self.snapshot().await?, subject).await
    }

    async fn subject(&self, name: &LoginName) -> StoreResult<Option<Subject>> {
        user::subject(self.read(), name).await
    }

    async fn credential(&self, name: &LoginName) -> StoreResult<Option<Credential>> {
        user::credential(&self.snapshot().await?, name).await
    }

    async fn rehash(&self, subject: Subject, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool> {
        let tx = self.writing(Lock::Rows).await?;
        let updated = users::Entity::update_many()
            .col_expr(users::Column::PasswordHash, Expr::value(new.as_str()))
            .filter(users::Column::Subject.eq(subject.0))
            .filter(users::Column::PasswordHash.eq(old.as_str()))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await?;
        Ok(updated.rows_affected == 1)
    }

    async fn published(&self) -> StoreResult<PublishedFacts> {
        let tx = self.snapshot().await?;
        let grants = distinct_values(&tx, client::GRANT, MAX_GRANTS).await?;
        let origins = distinct_values(&tx, client::CORS_ORIGIN, MAX_ORIGINS).await?;
        let scopes = registered(&tx).await?;
        let grants: StoreResult<BTreeSet<_>> = grants.iter().map(|grant| parse(grant, "a grant")).collect();
        Ok(PublishedFacts {
            grants: grants?,
            cors_origins: origins.into_iter().collect(),
            scopes: scopes.into_iter().map(|scope| scope.name.to_string()).collect(),
        })
    }
}

/// What the enabled clients have of a kind, each value once.
async fn distinct_values(tx: &Transaction, kind: &str, limit: u64) -> StoreResult<Vec<String>> {
    let enabled = Query::select()
        .column(clients::Column::Uid)
        .from(clients::Entity)
        .and_where(clients::Column::Active.eq(true))
        .take();
    client_values::Entity::find()
        .select_only()
        .column(client_values::Column::Value)
        .distinct()
        .filter(client_values::Column::Kind.eq(kind))
        .filter(client_values::Column::Uid.in_subquery(enabled))
        .limit(limit)
        .into_tuple()
        .all(tx)
        .await
        .map_err(store_error)
}
