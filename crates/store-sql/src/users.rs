//! Reading users.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::Subject;
use symbolon_core::ports::StoreResult;
use symbolon_core::user::{Credential, LoginName, RoleName, User};
use symbolon_oauth_types::ScopeToken;
use uuid::Uuid;

use crate::convert::{bounded, from_ms, parse};
use crate::entity::{role_scopes, user_names, user_roles, users};
use crate::error::store_error;
use crate::transaction::Transaction;

/// Most roles that there may be, and so that a user may hold.
pub(crate) const MAX_ROLES: u64 = 1000;
/// Most values that the scope of one role may have.
pub(crate) const MAX_ROLE_SCOPES: u64 = symbolon_oauth_types::ScopeSet::MAX_TOKENS as u64;

pub(crate) async fn by_subject(tx: &Transaction, subject: Subject) -> StoreResult<Option<User>> {
    let row = users::Entity::find_by_id(subject.0)
        .one(tx)
        .await
        .map_err(store_error)?;
    Ok(assemble(tx, row.into_iter().collect()).await?.pop())
}

pub(crate) async fn subject(db: &impl ConnectionTrait, name: &LoginName) -> StoreResult<Option<Subject>> {
    let found = user_names::Entity::find_by_id(name.as_str())
        .one(db)
        .await
        .map_err(store_error)?;
    Ok(found.map(|row| Subject(row.subject)))
}

pub(crate) async fn credential(tx: &Transaction, name: &LoginName) -> StoreResult<Option<Credential>> {
    let found = user_names::Entity::find_by_id(name.as_str())
        .find_also_related(users::Entity)
        .one(tx)
        .await
        .map_err(store_error)?;
    let Some((_, Some(row))) = found else {
        return Ok(None);
    };
    let password = parse(&row.password_hash, "a password hash")?;
    let user = assemble(tx, vec![row]).await?.pop();
    Ok(user.map(|user| Credential { user, password }))
}

/// Users in the order of their rows, with their roles and what those allow.
pub(crate) async fn assemble(tx: &Transaction, rows: Vec<users::Model>) -> StoreResult<Vec<User>> {
    let mut held = held_roles(tx, &rows).await?;
    let roles = held.values().flatten().collect();
    let scopes = role_scopes_of(tx, roles).await?;
    rows.into_iter()
        .map(|row| {
            let roles = held.remove(&row.subject).unwrap_or_default();
            let scope = roles.iter().filter_map(|role| scopes.get(role)).flatten();
            Ok(User {
                subject: Subject(row.subject),
                username: row.username,
                email: row.email,
                active: row.active,
                scope: scope.cloned().collect(),
                roles,
                created: from_ms(row.created_ms, "the making of a user")?,
            })
        })
        .collect()
}

async fn held_roles(tx: &Transaction, rows: &[users::Model]) -> StoreResult<BTreeMap<Uuid, Vec<RoleName>>> {
    if rows.is_empty() {
        return Ok(BTreeMap::new());
    }
    let max = MAX_ROLES * rows.len() as u64;
    let found = user_roles::Entity::find()
        .filter(user_roles::Column::Subject.is_in(rows.iter().map(|row| row.subject)))
        .order_by_asc(user_roles::Column::Role)
        .limit(max + 1)
        .all(tx)
        .await
        .map_err(store_error)?;
    let mut held: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in bounded(found, max, "roles held")? {
        let role = parse(&row.role, "a role name")?;
        held.entry(row.subject).or_default().push(role);
    }
    Ok(held)
}

/// What each of those roles allows.
pub(crate) async fn role_scopes_of(
    tx: &Transaction,
    roles: BTreeSet<&RoleName>,
) -> StoreResult<BTreeMap<RoleName, Vec<ScopeToken>>> {
    if roles.is_empty() {
        return Ok(BTreeMap::new());
    }
    let max = MAX_ROLE_SCOPES * roles.len() as u64;
    let found = role_scopes::Entity::find()
        .filter(role_scopes::Column::Role.is_in(roles.iter().map(|role| role.as_str())))
        .limit(max + 1)
        .all(tx)
        .await
        .map_err(store_error)?;
    let mut scopes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in bounded(found, max, "scopes of roles")? {
        let role = parse(&row.role, "a role name")?;
        let scope = parse(&row.scope, "the scope of a role")?;
        scopes.entry(role).or_default().push(scope);
    }
    Ok(scopes)
}
