//! Roles, and changing them.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::ports::{Change, StoreResult};
use symbolon_core::user::{Role, RoleName};

use crate::SqlStore;
use crate::convert::{bounded, parse, refused};
use crate::entity::{role_scopes, roles};
use crate::error::store_error;
use crate::log::advance_facts;
use crate::transaction::{Lock, commit};
use crate::users::{MAX_ROLE_SCOPES, MAX_ROLES, role_scopes_of};

impl SqlStore {
    pub(crate) async fn upsert_role(&self, role: &Role) -> StoreResult<Change> {
        if role.scope.iter().count() as u64 > MAX_ROLE_SCOPES {
            return Err(refused(format_args!(
                "a role allows at most {MAX_ROLE_SCOPES} scopes"
            )));
        }
        let tx = self.writing(Lock::HeadAlone).await?;
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
    pub(crate) async fn remove_role(&self, name: &RoleName) -> StoreResult<Change> {
        let tx = self.writing(Lock::HeadAlone).await?;
        let deleted = roles::Entity::delete_by_id(name.as_str())
            .exec(&tx)
            .await
            .map_err(store_error)?;
        if deleted.rows_affected == 0 {
            return Ok(Change::Unknown("role"));
        }
        advance_facts(&tx).await?;
        commit(tx).await?;
        Ok(Change::Done)
    }
}
