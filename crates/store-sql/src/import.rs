//! Making many users at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use symbolon_core::audit::{Act, AuditEvent, EventKind};
use symbolon_core::import::{ImportMode, Imported, MAX_BATCH};
use symbolon_core::ports::{NewUser, StoreResult};
use symbolon_core::user::{LoginName, RoleName};
use uuid::Uuid;

use crate::SqlStore;
use crate::audit::{self, may_handle};
use crate::convert::{parse, refused};
use crate::edit_users::row;
use crate::entity::{roles, subjects, user_names, user_roles, users};
use crate::error::store_error;
use crate::log::advance_facts;
use crate::transaction::{Transaction, commit};
use crate::users::{MAX_ROLES, role_scopes_of};

/// Most rows of one statement: both databases bound the values that one may have.
const ROWS: usize = 1000;

impl SqlStore {
    /// A handful of statements for the whole batch: the one writer of SQLite is free again after a few milliseconds.
    pub(crate) async fn insert_users(
        &self,
        act: &Act,
        new: &[NewUser],
        mode: ImportMode,
    ) -> StoreResult<Option<Vec<Imported>>> {
        if new.len() > MAX_BATCH {
            return Err(refused(format_args!("a batch has at most {MAX_BATCH} users")));
        }
        let tx = match mode {
            ImportMode::Check => self.snapshot().await?,
            // Whoever makes users is alone, so that what is free now is free until the end.
            ImportMode::Write => match self.changing(act).await? {
                Some(tx) => tx,
                None => return Ok(None),
            },
        };
        let outcomes = Judge::of(&tx, act, new).await?.judge_all(new);
        let added: Vec<&NewUser> = new
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == Imported::Added)
            .map(|(user, _)| user)
            .collect();
        if mode == ImportMode::Write && !added.is_empty() {
            insert(&tx, &added).await?;
            advance_facts(&tx).await?;
            let event = AuditEvent::new(EventKind::UsersImported, self.inner.clock.now(), act.clone());
            audit::write(&tx, &[told(event, &added)]).await?;
            commit(tx).await?;
        }
        Ok(Some(outcomes))
    }
}

/// The event of a batch: whom it made, and how many of them got each role.
fn told(event: AuditEvent, added: &[&NewUser]) -> AuditEvent {
    let subjects: Vec<_> = added.iter().map(|new| new.user.subject.to_string()).collect();
    let mut roles = BTreeMap::new();
    for role in added.iter().flat_map(|new| BTreeSet::from_iter(&new.user.roles)) {
        *roles.entry(role.as_str()).or_insert(0_u64) += 1;
    }
    let event = AuditEvent {
        count: added.len() as u64,
        ..event
    };
    event.with("subjects", subjects).with(
        "roles",
        serde_json::Map::from_iter(
            roles
                .into_iter()
                .map(|(role, count)| (role.to_owned(), count.into())),
        ),
    )
}

/// What decides whether users of a batch can be made.
struct Judge {
    /// Names that somebody has.
    names: HashMap<String, Uuid>,
    /// Subjects that somebody has or had.
    subjects: HashSet<Uuid>,
    /// Roles that there are, and whether they may be given.
    roles: HashMap<RoleName, bool>,
    /// Names of earlier users of the batch.
    promised: HashSet<String>,
}

impl Judge {
    async fn of(tx: &Transaction, act: &Act, new: &[NewUser]) -> StoreResult<Self> {
        let names: Vec<&str> = new
            .iter()
            .flat_map(|user| &user.names)
            .map(LoginName::as_str)
            .collect();
        let ids: Vec<Uuid> = new.iter().map(|user| user.user.subject.0).collect();
        let names = user_names::Entity::find()
            .filter(user_names::Column::Name.is_in(names))
            .all(tx)
            .await
            .map_err(store_error)?;
        let subjects: Vec<Uuid> = subjects::Entity::find()
            .select_only()
            .column(subjects::Column::Id)
            .filter(subjects::Column::Id.is_in(ids))
            .into_tuple()
            .all(tx)
            .await
            .map_err(store_error)?;
        Ok(Self {
            names: names.into_iter().map(|row| (row.name, row.subject)).collect(),
            subjects: subjects.into_iter().collect(),
            roles: roles_of(tx, act, new).await?,
            promised: HashSet::new(),
        })
    }

    fn judge_all(mut self, new: &[NewUser]) -> Vec<Imported> {
        new.iter().map(|user| self.judge(user)).collect()
    }

    /// In the order in which [`SqlStore::insert_user`] looks.
    fn judge(&mut self, new: &NewUser) -> Imported {
        let subject = new.user.subject.0;
        if self.subjects.contains(&subject) {
            return Imported::Taken("subject");
        }
        let owner = |name: &LoginName| self.names.get(name.as_str());
        let first = new.names.first().and_then(owner);
        if first.is_some() && new.names.iter().all(|name| owner(name) == first) {
            return Imported::Exists;
        }
        let taken = |name: &&LoginName| owner(name).is_some() || self.promised.contains(name.as_str());
        if let Some(name) = new.names.iter().find(taken) {
            let username = new.user.username.parse::<LoginName>().ok();
            let is_username = username.as_ref() == Some(name);
            return Imported::Taken(if is_username { "username" } else { "email" });
        }
        let known = |role: &RoleName| self.roles.contains_key(role);
        if !new.user.roles.iter().all(known) {
            return Imported::Unknown("role");
        }
        if new.user.roles.iter().any(|role| !self.roles[role]) {
            return Imported::Beyond;
        }
        self.subjects.insert(subject);
        let names = new.names.iter().map(|name| name.as_str().to_owned());
        self.promised.extend(names);
        Imported::Added
    }
}

/// Those that there are of the roles that a batch names, and whether they may be given.
async fn roles_of(tx: &Transaction, act: &Act, new: &[NewUser]) -> StoreResult<HashMap<RoleName, bool>> {
    let named: HashSet<&str> = new
        .iter()
        .flat_map(|new| &new.user.roles)
        .map(RoleName::as_str)
        .collect();
    if named.is_empty() {
        return Ok(HashMap::new());
    }
    // There are fewer of them than a batch may name.
    let rows = roles::Entity::find().limit(MAX_ROLES).all(tx).await;
    let known: Vec<RoleName> = rows
        .map_err(store_error)?
        .iter()
        .filter(|row| named.contains(row.name.as_str()))
        .map(|row| parse(&row.name, "a role name"))
        .collect::<StoreResult<_>>()?;
    let mut scopes = role_scopes_of(tx, known.iter().collect()).await?;
    let may_be_given = |role: RoleName| {
        let scope = scopes.remove(&role).into_iter().flatten().collect();
        (role, may_handle(act, &scope))
    };
    Ok(known.into_iter().map(may_be_given).collect())
}

async fn insert(tx: &Transaction, added: &[&NewUser]) -> StoreResult<()> {
    let (mut taken, mut made, mut names, mut held) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for new in added {
        let subject = new.user.subject.0;
        taken.push(subjects::ActiveModel {
            id: Set(subject),
            kind: Set("user".to_owned()),
        });
        made.push(row(new));
        let own_names: BTreeSet<_> = new.names.iter().collect();
        names.extend(own_names.into_iter().map(|name| user_names::ActiveModel {
            name: Set(name.as_str().to_owned()),
            subject: Set(subject),
        }));
        let own_roles: BTreeSet<_> = new.user.roles.iter().collect();
        held.extend(own_roles.into_iter().map(|role| user_roles::ActiveModel {
            subject: Set(subject),
            role: Set(role.as_str().to_owned()),
        }));
    }
    insert_rows::<subjects::Entity, _>(tx, taken).await?;
    insert_rows::<users::Entity, _>(tx, made).await?;
    insert_rows::<user_names::Entity, _>(tx, names).await?;
    insert_rows::<user_roles::Entity, _>(tx, held).await
}

async fn insert_rows<E, A>(tx: &Transaction, rows: Vec<A>) -> StoreResult<()>
where
    E: EntityTrait,
    A: ActiveModelTrait<Entity = E> + Clone + Send,
{
    for some in rows.chunks(ROWS) {
        E::insert_many(some.to_vec())
            .exec_without_returning(tx)
            .await
            .map_err(store_error)?;
    }
    Ok(())
}
