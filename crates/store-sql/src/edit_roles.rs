//! Roles, and changing them.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::audit::{Act, EventKind};
use symbolon_core::ports::{Change, StoreResult};
use symbolon_core::user::{Role, RoleName};

use crate::SqlStore;
use crate::audit::is_stale;
use crate::convert::{bounded, parse, refused};
use crate::entity::{role_scopes, roles};
use crate::error::store_error;
use crate::log::advance_facts;
use crate::transaction::{Transaction, commit};
use crate::users::{MAX_ROLE_SCOPES, MAX_ROLES, role_scopes_of};

impl SqlStore {
    pub(crate) async fn upsert_role(&self, act: &Act, role: &Role) -> StoreResult<Change> {
        if role.scope.iter().count() as u64 > MAX_ROLE_SCOPES {
            return Err(refused(format_args!(
                "a role allows at most {MAX_ROLE_SCOPES} scopes"
            )));
        }
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = by_name(&tx, &role.name).await?;
        if is_stale(act, before.as_ref()) {
            return Ok(Change::Stale);
        }
        if before.as_ref() == Some(role) {
            return Ok(Change::Done);
        }
        let row = roles::ActiveModel {
            name: Set(role.name.as_str().to_owned()),
        };
        roles::Entity::insert(row)
            .on_conflict(OnConflict::column(roles::Column::Name).do_nothing().to_owned())
            .exec_without_returning(&tx)
            .await
            .map_err(store_error)?;
        if roles::Entity::find().count(&tx).await.map_err(store_error)? > MAX_ROLES {
            return Err(refused(format_args!(
                "there are {MAX_ROLES} roles already: delete one first"
            )));
        }
        role_scopes::Entity::delete_many()
            .filter(role_scopes::Column::Role.eq(role.name.as_str()))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        let scopes: Vec<_> = role
            .scope
            .iter()
            .map(|scope| role_scopes::ActiveModel {
                role: Set(role.name.as_str().to_owned()),
                scope: Set(scope.as_str().to_owned()),
            })
            .collect();
        if !scopes.is_empty() {
            role_scopes::Entity::insert_many(scopes)
                .exec_without_returning(&tx)
                .await
                .map_err(store_error)?;
        }
        advance_facts(&tx).await?;
        self.write_change(&tx, act, EventKind::RolePut, before.as_ref(), Some(role))
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }

    pub(crate) async fn list_roles(&self) -> StoreResult<Vec<Role>> {
        let tx = self.snapshot().await?;
        let rows = roles::Entity::find()
            .order_by_asc(roles::Column::Name)
            .limit(MAX_ROLES + 1)
            .all(&tx)
            .await
            .map_err(store_error)?;
        let names: Vec<RoleName> = bounded(rows, MAX_ROLES, "roles")?
            .iter()
            .map(|row| parse(&row.name, "a role name"))
            .collect::<StoreResult<_>>()?;
        let mut scopes = role_scopes_of(&tx, names.iter().collect()).await?;
        Ok(names
            .into_iter()
            .map(|name| Role {
                scope: scopes.remove(&name).into_iter().flatten().collect(),
                name,
            })
            .collect())
    }

    /// Those who hold the role lose it with the row.
    pub(crate) async fn remove_role(&self, act: &Act, name: &RoleName) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = match by_name(&tx, name).await? {
            None => return Ok(Change::Unknown("role")),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            Some(before) => before,
        };
        roles::Entity::delete_by_id(name.as_str())
            .exec(&tx)
            .await
            .map_err(store_error)?;
        advance_facts(&tx).await?;
        self.write_change(&tx, act, EventKind::RoleDeleted, Some(&before), None)
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }
}

async fn by_name(tx: &Transaction, name: &RoleName) -> StoreResult<Option<Role>> {
    let row = roles::Entity::find_by_id(name.as_str()).one(tx).await;
    if row.map_err(store_error)?.is_none() {
        return Ok(None);
    }
    let mut scopes = role_scopes_of(tx, [name].into()).await?;
    Ok(Some(Role {
        scope: scopes.remove(name).into_iter().flatten().collect(),
        name: name.clone(),
    }))
}
