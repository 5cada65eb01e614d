//! The register of scopes, and changing it.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, QuerySelect};
use symbolon_core::audit::{Act, EventKind, Target};
use symbolon_core::ports::{Change, RegisteredScope, StoreError, StoreResult};
use symbolon_core::view::ScopeView;
use symbolon_oauth_types::ScopeToken;

use crate::SqlStore;
use crate::audit::{Recorded, is_stale};
use crate::convert::{bounded, parse, refused};
use crate::entity::scopes::{ActiveModel, Column, Entity, Model};
use crate::error::store_error;
use crate::log::advance_facts;
use crate::transaction::{Transaction, commit};

/// Most scopes that there may be on the register.
const MAX_SCOPES: u64 = 1000;

impl Recorded for RegisteredScope {
    type View = ScopeView;

    fn view(&self) -> ScopeView {
        self.into()
    }

    fn target(&self) -> Target {
        Target::new("scope", &self.name, None)
    }
}

impl SqlStore {
    pub(crate) async fn upsert_scope(&self, act: &Act, scope: &RegisteredScope) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = find(&tx, &scope.name).await?;
        if is_stale(act, before.as_ref()) {
            return Ok(Change::Stale);
        }
        if before.as_ref() == Some(scope) {
            return Ok(Change::Done);
        }
        if before.is_none() && Entity::find().count(&tx).await.map_err(store_error)? >= MAX_SCOPES {
            return Err(refused(format_args!(
                "there are {MAX_SCOPES} scopes on the register already: delete one first"
            )));
        }
        let row = ActiveModel {
            name: Set(scope.name.as_str().to_owned()),
            description: Set(scope.description.clone()),
        };
        let replace = OnConflict::column(Column::Name)
            .update_column(Column::Description)
            .to_owned();
        Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&tx)
            .await
            .map_err(store_error)?;
        advance_facts(&tx).await?;
        self.write_change(&tx, act, EventKind::ScopePut, before.as_ref(), Some(scope))
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }

    pub(crate) async fn list_scopes(&self) -> StoreResult<Vec<RegisteredScope>> {
        registered(self.read()).await
    }

    pub(crate) async fn remove_scope(&self, act: &Act, name: &ScopeToken) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = match find(&tx, name).await? {
            None => return Ok(Change::Unknown("scope")),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            Some(before) => before,
        };
        Entity::delete_by_id(name.as_str())
            .exec(&tx)
            .await
            .map_err(store_error)?;
        advance_facts(&tx).await?;
        self.write_change(&tx, act, EventKind::ScopeDeleted, Some(&before), None)
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }
}

/// The register, in byte order.
pub(crate) async fn registered(db: &impl ConnectionTrait) -> StoreResult<Vec<RegisteredScope>> {
    let rows = Entity::find()
        .limit(MAX_SCOPES + 1)
        .all(db)
        .await
        .map_err(store_error)?;
    let scopes = bounded(rows, MAX_SCOPES, "registered scopes")?.into_iter();
    let mut scopes: Vec<RegisteredScope> = scopes.map(TryInto::try_into).collect::<StoreResult<_>>()?;
    scopes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(scopes)
}

async fn find(tx: &Transaction, name: &ScopeToken) -> StoreResult<Option<RegisteredScope>> {
    let row = Entity::find_by_id(name.as_str()).one(tx).await;
    row.map_err(store_error)?.map(TryInto::try_into).transpose()
}

impl TryFrom<Model> for RegisteredScope {
    type Error = StoreError;

    fn try_from(row: Model) -> StoreResult<Self> {
        Ok(Self {
            name: parse(&row.name, "a registered scope")?,
            description: row.description,
        })
    }
}
