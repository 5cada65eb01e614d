//! Changing the names of users.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use symbolon_core::Subject;
use symbolon_core::audit::{Act, EventKind};
use symbolon_core::ports::{Change, StoreResult};
use symbolon_core::profile::Profile;

use crate::SqlStore;
use crate::audit::is_stale;
use crate::edit_users::insert_names;
use crate::entity::{user_names, users};
use crate::error::store_error;
use crate::log::advance_facts;
use crate::transaction::{Lock, commit};
use crate::users::by_subject;

impl SqlStore {
    /// Sessions go on: the subject is the same.
    pub(crate) async fn rename_user(
        &self,
        act: &Act,
        subject: Subject,
        profile: &Profile,
    ) -> StoreResult<Change> {
        let tx = self.writing(Lock::HeadAlone).await?;
        let before = match by_subject(&tx, subject).await? {
            None => return Ok(Change::Unknown("user")),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            Some(before) => before,
        };
        let (username, email) = (profile.username(), profile.email());
        if (&*before.username, before.email.as_deref()) == (username, email) {
            return Ok(Change::Done);
        }
        let row = users::ActiveModel {
            subject: NotSet,
            username: Set(username.to_owned()),
            email: Set(email.map(str::to_owned)),
            active: NotSet,
            password_hash: NotSet,
            created_ms: NotSet,
        };
        users::Entity::update_many()
            .set(row)
            .filter(users::Column::Subject.eq(subject.0))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        user_names::Entity::delete_many()
            .filter(user_names::Column::Subject.eq(subject.0))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        if let Some(taken) = insert_names(&tx, subject, username, profile.names()).await? {
            return Ok(Change::Taken(taken));
        }
        advance_facts(&tx).await?;
        let after = by_subject(&tx, subject).await?;
        self.write_change(&tx, act, EventKind::UserUpdated, Some(&before), after.as_ref())
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }
}
