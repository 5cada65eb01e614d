//! Changing the names and the roles of users.

use std::collections::BTreeSet;

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use symbolon_core::Subject;
use symbolon_core::audit::{Act, EventKind};
use symbolon_core::ports::{Change, StoreResult};
use symbolon_core::profile::Profile;
use symbolon_core::user::{RoleName, User};

use crate::SqlStore;
use crate::audit::{is_stale, may_handle};
use crate::edit_users::{insert_names, insert_roles};
use crate::entity::{user_names, user_roles, users};
use crate::error::store_error;
use crate::log::advance_facts;
use crate::transaction::{Transaction, commit};
use crate::users::by_subject;

impl SqlStore {
    /// Sessions go on: the subject is the same.
    pub(crate) async fn update_profile(
        &self,
        act: &Act,
        subject: Subject,
        profile: &Profile,
    ) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = match by_subject(&tx, subject).await? {
            None => return Ok(Change::Unknown("user")),
            Some(before) if !may_handle(act, &before.scope) => return Ok(Change::Beyond),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            Some(before) => before,
        };
        let (renames, replaces_roles) = (
            !is_called(&before, profile),
            !holds_just(&before, profile.roles()),
        );
        if !renames && !replaces_roles {
            return Ok(Change::Done);
        }
        advance_facts(&tx).await?;
        let mut now = Some(before);
        if renames {
            if let Some(taken) = rename(&tx, subject, profile).await? {
                return Ok(Change::Taken(taken));
            }
            now = self.tell(&tx, act, EventKind::UserUpdated, subject, now).await?;
        }
        if replaces_roles {
            if !replace_roles(&tx, subject, profile.roles()).await? {
                return Ok(Change::Unknown("role"));
            }
            now = self.tell(&tx, act, EventKind::UserRolesSet, subject, now).await?;
        }
        if now.as_ref().is_some_and(|now| !may_handle(act, &now.scope)) {
            return Ok(Change::Beyond);
        }
        commit(tx).await?;
        Ok(Change::Done)
    }

    /// Writes the event, and returns the user as it is after it.
    async fn tell(
        &self,
        tx: &Transaction,
        act: &Act,
        kind: EventKind,
        subject: Subject,
        before: Option<User>,
    ) -> StoreResult<Option<User>> {
        let after = by_subject(tx, subject).await?;
        self.write_change(tx, act, kind, before.as_ref(), after.as_ref())
            .await?;
        Ok(after)
    }
}

fn is_called(user: &User, profile: &Profile) -> bool {
    (&*user.username, user.email.as_deref()) == (profile.username(), profile.email())
}

/// Whatever the order, and however often each is named.
fn holds_just(user: &User, roles: &[RoleName]) -> bool {
    user.roles.iter().collect::<BTreeSet<_>>() == roles.iter().collect()
}

/// Which of the names is taken, if one is.
async fn rename(tx: &Transaction, subject: Subject, profile: &Profile) -> StoreResult<Option<&'static str>> {
    let row = users::ActiveModel {
        subject: NotSet,
        username: Set(profile.username().to_owned()),
        email: Set(profile.email().map(str::to_owned)),
        active: NotSet,
        password_hash: NotSet,
        created_ms: NotSet,
    };
    users::Entity::update_many()
        .set(row)
        .filter(users::Column::Subject.eq(subject.0))
        .exec(tx)
        .await
        .map_err(store_error)?;
    user_names::Entity::delete_many()
        .filter(user_names::Column::Subject.eq(subject.0))
        .exec(tx)
        .await
        .map_err(store_error)?;
    insert_names(tx, subject, profile.username(), profile.names()).await
}

/// False where one of the roles does not exist.
async fn replace_roles(tx: &Transaction, subject: Subject, roles: &[RoleName]) -> StoreResult<bool> {
    user_roles::Entity::delete_many()
        .filter(user_roles::Column::Subject.eq(subject.0))
        .exec(tx)
        .await
        .map_err(store_error)?;
    insert_roles(tx, subject, roles).await
}
