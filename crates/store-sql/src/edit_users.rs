//! Changing users.

use std::collections::BTreeSet;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use symbolon_core::Subject;
use symbolon_core::audit::{Act, AuditEvent, EventKind};
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::{Change, NewUser, StoreResult};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::user::{LoginName, RoleName};
use uuid::Uuid;

use crate::SqlStore;
use crate::audit::{self, Recorded, is_stale, may_handle};
use crate::convert::to_ms;
use crate::entity::{roles, subjects, user_names, user_roles, users};
use crate::error::{store_error, unless_taken};
use crate::log::{advance_facts, append_with_facts};
use crate::transaction::{Transaction, commit};
use crate::users::by_subject;

const UNKNOWN: Change = Change::Unknown("user");

impl SqlStore {
    pub(crate) async fn insert_user(&self, act: &Act, new: &NewUser) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let subject = new.user.subject;
        if !take_subject(&tx, subject.0, "user").await? {
            return Ok(Change::Taken("subject"));
        }
        users::Entity::insert(row(new))
            .exec_without_returning(&tx)
            .await
            .map_err(store_error)?;
        if let Some(taken) = insert_names(&tx, subject, &new.user.username, &new.names).await? {
            return Ok(Change::Taken(taken));
        }
        if !insert_roles(&tx, subject, &new.user.roles).await? {
            return Ok(Change::Unknown("role"));
        }
        advance_facts(&tx).await?;
        let made = by_subject(&tx, subject).await?;
        if made.as_ref().is_some_and(|made| !may_handle(act, &made.scope)) {
            return Ok(Change::Beyond);
        }
        self.write_change(&tx, act, EventKind::UserCreated, None, made.as_ref())
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }

    pub(crate) async fn update_user_active(
        &self,
        act: &Act,
        subject: Subject,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = match by_subject(&tx, subject).await? {
            None => return Ok(UNKNOWN),
            Some(before) if !may_handle(act, &before.scope) => return Ok(Change::Beyond),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            // It is so already. A second lift would cut off what began since the first.
            Some(before) if before.active == active => return Ok(Change::Done),
            Some(before) => before,
        };
        users::Entity::update_many()
            .col_expr(users::Column::Active, Expr::value(active))
            .filter(users::Column::Subject.eq(subject.0))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        append_with_facts(&tx, &entry.clone().by(act), &*self.inner.clock).await?;
        let kind = if active {
            EventKind::UserEnabled
        } else {
            EventKind::UserDisabled
        };
        let after = by_subject(&tx, subject).await?;
        self.write_change(&tx, act, kind, Some(&before), after.as_ref())
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }

    /// The event has the record neither before nor after: what changes is not to be seen.
    pub(crate) async fn update_password(
        &self,
        act: &Act,
        subject: Subject,
        hash: &PasswordHash,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let user = match by_subject(&tx, subject).await? {
            None => return Ok(UNKNOWN),
            Some(user) if !may_handle(act, &user.scope) => return Ok(Change::Beyond),
            Some(user) if is_stale(act, Some(&user)) => return Ok(Change::Stale),
            Some(user) => user,
        };
        users::Entity::update_many()
            .col_expr(users::Column::PasswordHash, Expr::value(hash.as_str()))
            .filter(users::Column::Subject.eq(subject.0))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        append_with_facts(&tx, &entry.clone().by(act), &*self.inner.clock).await?;
        let now = self.inner.clock.now();
        let event = AuditEvent::new(EventKind::UserPasswordSet, now, act.clone()).to(user.target());
        audit::write(&tx, &[event]).await?;
        commit(tx).await?;
        Ok(Change::Done)
    }

    /// Names and roles go with the row; the subject stays taken.
    pub(crate) async fn remove_user(
        &self,
        act: &Act,
        subject: Subject,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = match by_subject(&tx, subject).await? {
            None => return Ok(UNKNOWN),
            Some(before) if !may_handle(act, &before.scope) => return Ok(Change::Beyond),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            Some(before) => before,
        };
        users::Entity::delete_by_id(subject.0)
            .exec(&tx)
            .await
            .map_err(store_error)?;
        append_with_facts(&tx, &entry.clone().by(act), &*self.inner.clock).await?;
        self.write_change(&tx, act, EventKind::UserDeleted, Some(&before), None)
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }
}

/// Takes an id for good, for a user or a client. False where either has or had it.
pub(crate) async fn take_subject(tx: &Transaction, id: Uuid, kind: &str) -> StoreResult<bool> {
    let row = subjects::ActiveModel {
        id: Set(id),
        kind: Set(kind.to_owned()),
    };
    let inserted = subjects::Entity::insert(row).exec_without_returning(tx).await;
    Ok(unless_taken(inserted)?.is_some())
}

/// The row of a user who is to be made.
pub(crate) fn row(new: &NewUser) -> users::ActiveModel {
    let user = &new.user;
    users::ActiveModel {
        subject: Set(user.subject.0),
        username: Set(user.username.clone()),
        email: Set(user.email.clone()),
        active: Set(user.active),
        password_hash: Set(new.password.as_str().to_owned()),
        created_ms: Set(to_ms(user.created)),
    }
}

/// Which of the user's names is taken, if one is.
pub(crate) async fn insert_names(
    tx: &Transaction,
    subject: Subject,
    username: &str,
    names: &[LoginName],
) -> StoreResult<Option<&'static str>> {
    let username = username.parse::<LoginName>().ok();
    for name in names.iter().collect::<BTreeSet<_>>() {
        let row = user_names::ActiveModel {
            name: Set(name.as_str().to_owned()),
            subject: Set(subject.0),
        };
        let inserted = user_names::Entity::insert(row).exec_without_returning(tx).await;
        if unless_taken(inserted)?.is_none() {
            let is_username = username.as_ref() == Some(name);
            return Ok(Some(if is_username { "username" } else { "email" }));
        }
    }
    Ok(None)
}

/// False where one of the roles does not exist.
pub(crate) async fn insert_roles(
    tx: &Transaction,
    subject: Subject,
    roles: &[RoleName],
) -> StoreResult<bool> {
    let roles: BTreeSet<_> = roles.iter().map(RoleName::as_str).collect();
    if roles.is_empty() {
        return Ok(true);
    }
    let known = roles::Entity::find()
        .filter(roles::Column::Name.is_in(roles.iter().copied()))
        .count(tx)
        .await
        .map_err(store_error)?;
    if known != roles.len() as u64 {
        return Ok(false);
    }
    let rows = roles.into_iter().map(|role| user_roles::ActiveModel {
        subject: Set(subject.0),
        role: Set(role.to_owned()),
    });
    user_roles::Entity::insert_many(rows)
        .exec_without_returning(tx)
        .await
        .map_err(store_error)?;
    Ok(true)
}
