//! Lists of users, clients and audiences, page by page. A page costs the same wherever in the list it stands: each list is
//! in the order of an index, and is read from behind the item before it.

use std::fmt;

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    SelectTwo,
};
use symbolon_core::client::Client;
use symbolon_core::ports::{ClientQuery, ListedAudience, Page, StoreResult, UserQuery};
use symbolon_core::user::{LoginName, RoleName, User};
use symbolon_core::{ClientId, ClientUid};
use uuid::Uuid;

use crate::SqlStore;
use crate::admin::{cut, position};
use crate::clients::{self as client, served_audience};
use crate::convert::{corrupt, parse};
use crate::entity::{clients, resource_servers, user_names, user_roles, users};
use crate::error::store_error;
use crate::transaction::{Transaction, commit};
use crate::users as user;

impl SqlStore {
    pub(crate) async fn list_users(
        &self,
        query: &UserQuery,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Page<User>> {
        let after = after.map(Place::parse).transpose()?;
        let (limit, rows) = cut(limit);
        let tx = self.snapshot().await?;
        let found = find_users(&tx, query, after.as_ref(), rows).await?;
        let (rows, next) = page(found, limit);
        let items = user::assemble(&tx, rows).await?;
        commit(tx).await?;
        Ok(Page { items, next })
    }

    pub(crate) async fn list_clients(
        &self,
        query: &ClientQuery,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Page<Client>> {
        let after = after.map(Place::parse).transpose()?;
        let (limit, rows) = cut(limit);
        let tx = self.snapshot().await?;
        let found = find_clients(&tx, query, after.as_ref(), rows).await?;
        let (rows, next) = page(found, limit);
        let items = client::assemble(&tx, rows).await?;
        commit(tx).await?;
        Ok(Page { items, next })
    }

    /// The position is the audience itself.
    pub(crate) async fn list_audiences(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Page<ListedAudience>> {
        let (limit, more) = cut(limit);
        let find = served(self.read(), after, more);
        let mut rows = find.all(self.read()).await.map_err(store_error)?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more);
        let next = last.map(|(server, _)| server.audience.clone());
        let items = rows.into_iter().map(|(server, client)| {
            let client = client.ok_or_else(|| corrupt("a resource server is no client"))?;
            Ok(ListedAudience {
                served: served_audience(&server)?,
                client: ClientUid(client.uid),
                client_id: parse(&client.client_id, "a client id")?,
                active: client.active,
            })
        });
        let items = items.collect::<StoreResult<_>>()?;
        Ok(Page { items, next })
    }
}

async fn find_users(
    tx: &Transaction,
    query: &UserQuery,
    after: Option<&Place>,
    limit: u64,
) -> StoreResult<Found<users::Model>> {
    if let Some(prefix) = given(query.prefix.as_deref()) {
        // What can't be a name is the beginning of none.
        let Ok(prefix) = prefix.parse::<LoginName>() else {
            return Ok(Vec::new());
        };
        let find = users_named(tx, prefix.as_str(), query, after, limit);
        let rows = find.all(tx).await.map_err(store_error)?;
        let placed = rows.into_iter().map(|(name, user)| {
            let user = user.ok_or_else(|| corrupt("a name leads to nobody"))?;
            Ok((Place::named(name.subject, name.name), user))
        });
        return placed.collect();
    }
    if let Some(role) = &query.role {
        let find = holders(role, query.active, after, limit);
        let rows = find.all(tx).await.map_err(store_error)?;
        let placed = rows.into_iter().map(|(held, user)| {
            let user = user.ok_or_else(|| corrupt("a role is held by nobody"))?;
            Ok((Place::of(held.subject), user))
        });
        return placed.collect();
    }
    let find = all_users(query.active, after).limit(limit);
    let rows = find.all(tx).await.map_err(store_error)?;
    Ok(rows
        .into_iter()
        .map(|row| (Place::of(row.subject), row))
        .collect())
}

async fn find_clients(
    tx: &Transaction,
    query: &ClientQuery,
    after: Option<&Place>,
    limit: u64,
) -> StoreResult<Found<clients::Model>> {
    let prefix: Option<ClientId> = match given(query.prefix.as_deref()).map(str::parse) {
        None => None,
        Some(Ok(prefix)) => Some(prefix),
        // What can't be a client id is the beginning of none.
        Some(Err(_)) => return Ok(Vec::new()),
    };
    let find = matching_clients(tx, prefix.as_ref(), query.active, after).limit(limit);
    let rows = find.all(tx).await.map_err(store_error)?;
    let placed = |row: clients::Model| match prefix {
        Some(_) => (Place::named(row.uid, row.client_id.clone()), row),
        None => (Place::of(row.uid), row),
    };
    Ok(rows.into_iter().map(placed).collect())
}

/// A place in a list of users or clients: the id of the last item before it and, where the list is by names, the name.
/// A place of a list by ids stands before all names.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Place {
    id: Uuid,
    name: Option<String>,
}

impl Place {
    pub(crate) fn of(id: Uuid) -> Self {
        Self { id, name: None }
    }

    pub(crate) fn named(id: Uuid, name: String) -> Self {
        Self { id, name: Some(name) }
    }

    fn parse(text: &str) -> StoreResult<Self> {
        let (id, name) = match text.split_once(' ') {
            Some((id, name)) => (id, Some(name.to_owned())),
            None => (text, None),
        };
        let id = position(Some(id))?.ok_or_else(|| corrupt("a position in a list is missing"))?;
        Ok(Self { id, name })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} {name}", self.id),
            None => write!(f, "{}", self.id),
        }
    }
}

/// Rows with their places.
type Found<M> = Vec<(Place, M)>;

/// The rows of a page, and its last place where there are more.
fn page<M>(mut found: Found<M>, limit: usize) -> (Vec<M>, Option<String>) {
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next = last.map(|(place, _)| place.to_string());
    (found.into_iter().map(|(_, row)| row).collect(), next)
}

/// Everything begins with nothing.
fn given(prefix: Option<&str>) -> Option<&str> {
    prefix.filter(|prefix| !prefix.is_empty())
}

/// By subject.
pub(crate) fn all_users(active: Option<bool>, after: Option<&Place>) -> Select<users::Entity> {
    let mut find = users::Entity::find().order_by_asc(users::Column::Subject);
    if let Some(active) = active {
        find = find.filter(users::Column::Active.eq(active));
    }
    if let Some(after) = after {
        find = find.filter(users::Column::Subject.gt(after.id));
    }
    find
}

/// By subject, from the list of those who hold the role.
pub(crate) fn holders(
    role: &RoleName,
    active: Option<bool>,
    after: Option<&Place>,
    limit: u64,
) -> SelectTwo<user_roles::Entity, users::Entity> {
    let mut find = user_roles::Entity::find()
        .filter(user_roles::Column::Role.eq(role.as_str()))
        .order_by_asc(user_roles::Column::Subject)
        .limit(limit)
        .find_also_related(users::Entity);
    if let Some(active) = active {
        find = find.filter(is_active(active));
    }
    if let Some(after) = after {
        find = find.filter(user_roles::Column::Subject.gt(after.id));
    }
    find
}

/// By name, those with a name that begins so, each at the first of them.
pub(crate) fn users_named(
    db: &impl ConnectionTrait,
    prefix: &str,
    query: &UserQuery,
    after: Option<&Place>,
    limit: u64,
) -> SelectTwo<user_names::Entity, users::Entity> {
    let name = in_byte_order(db, "user_names", "name");
    let earlier = in_byte_order(db, "earlier", "name");
    let has_earlier = Query::select()
        .expr(Expr::val(1))
        .from_as(user_names::Entity, "earlier")
        .and_where(
            Expr::col(("earlier", user_names::Column::Subject))
                .equals((user_names::Entity, user_names::Column::Subject)),
        )
        .and_where(begins_with(&earlier, prefix))
        .and_where(earlier.lt(name.clone()))
        .take();
    let mut find = user_names::Entity::find()
        .filter(begins_with(&name, prefix))
        .filter(Expr::not_exists(has_earlier))
        .order_by_asc(name.clone())
        .limit(limit)
        .find_also_related(users::Entity);
    if let Some(after) = after.and_then(|after| after.name.as_deref()) {
        find = find.filter(name.gt(after));
    }
    if let Some(active) = query.active {
        find = find.filter(is_active(active));
    }
    if let Some(role) = &query.role {
        let holds = Query::select()
            .expr(Expr::val(1))
            .from(user_roles::Entity)
            .and_where(
                Expr::col((user_roles::Entity, user_roles::Column::Subject))
                    .equals((user_names::Entity, user_names::Column::Subject)),
            )
            .and_where(user_roles::Column::Role.eq(role.as_str()))
            .take();
        find = find.filter(Expr::exists(holds));
    }
    find
}

/// By uid, or where a prefix is given, by client id.
pub(crate) fn matching_clients(
    db: &impl ConnectionTrait,
    prefix: Option<&ClientId>,
    active: Option<bool>,
    after: Option<&Place>,
) -> Select<clients::Entity> {
    let mut find = clients::Entity::find();
    if let Some(active) = active {
        find = find.filter(clients::Column::Active.eq(active));
    }
    let Some(prefix) = prefix else {
        if let Some(after) = after {
            find = find.filter(clients::Column::Uid.gt(after.id));
        }
        return find.order_by_asc(clients::Column::Uid);
    };
    let id = in_byte_order(db, "clients", "client_id");
    find = find.filter(begins_with(&id, prefix.as_str()));
    if let Some(after) = after.and_then(|after| after.name.as_deref()) {
        find = find.filter(id.clone().gt(after));
    }
    find.order_by_asc(id)
}

/// By audience.
pub(crate) fn served(
    db: &impl ConnectionTrait,
    after: Option<&str>,
    limit: u64,
) -> SelectTwo<resource_servers::Entity, clients::Entity> {
    let audience = in_byte_order(db, "resource_servers", "audience");
    let mut find = resource_servers::Entity::find().order_by_asc(audience.clone());
    if let Some(after) = after {
        find = find.filter(audience.gt(after));
    }
    find.limit(limit).find_also_related(clients::Entity)
}

/// Whether a user is enabled, or disabled, in a list that is not in the order of an index on it: written so that SQLite uses
/// none, and sorts nobody.
fn is_active(active: bool) -> Expr {
    Expr::cust(match active {
        true => r#""users"."active" IS TRUE"#,
        false => r#""users"."active" IS FALSE"#,
    })
}

/// A column as it is to be compared and sorted. SQLite goes by bytes anyway; PostgreSQL goes by the database's collation,
/// in which what begins alike need not stand together, unless it is told.
fn in_byte_order(db: &impl ConnectionTrait, table: &str, column: &str) -> Expr {
    let collation = match db.get_database_backend() {
        DbBackend::Postgres => r#" COLLATE "C""#,
        _ => "",
    };
    Expr::cust(format!(r#""{table}"."{column}"{collation}"#))
}

/// Whether the column begins with the prefix, as a range: an index finds it on both databases, and no character of the
/// prefix means another.
fn begins_with(column: &Expr, prefix: &str) -> Expr {
    let begins = column.clone().gte(prefix);
    match first_behind(prefix) {
        Some(end) => begins.and(column.clone().lt(end)),
        None => begins,
    }
}

/// The first text, in byte order, behind all that begin with the prefix: its last character is the next one.
fn first_behind(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let mut later = u32::from(last) + 1..=u32::from(char::MAX);
        if let Some(next) = later.find_map(char::from_u32) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_behind_all_that_begin_so() {
        for (prefix, behind) in [
            ("a", Some("b")),
            ("a%", Some("a&")),
            ("a_", Some("a`")),
            ("az\u{D7FF}", Some("az\u{E000}")),
            ("ä", Some("å")),
            ("a\u{10FFFF}\u{10FFFF}", Some("b")),
            ("\u{10FFFF}", None),
        ] {
            let found = first_behind(prefix);
            assert_eq!(found.as_deref(), behind, "{prefix}");
            let last = format!("{prefix}\u{10FFFF}");
            assert!(found.is_none_or(|found| found > last && *found > *prefix));
        }
    }

    #[test]
    fn places_read_back_and_others_are_refused() {
        let id = Uuid::from_u128(7);
        for name in [None, Some("alice@example.com".to_owned()), Some(String::new())] {
            let place = Place { id, name };
            assert_eq!(Place::parse(&place.to_string()).unwrap(), place);
        }
        for bad in ["", " ", "alice", "alice 1", "' OR 1=1 --"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
