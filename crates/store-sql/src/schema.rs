//! Bringing the schema up to date.

use sea_orm::ActiveValue::Set;
use sea_orm::{DatabaseTransaction, EntityTrait};
use symbolon_core::Rng;
use symbolon_core::ports::StoreResult;
use symbolon_migrations::{MigrationStatus, Migrator, MigratorTrait};

use crate::SqlStore;
use crate::entity::revocation_head;
use crate::error::store_error;
use crate::log::HEAD_ID;
use crate::transaction::commit;

/// One step of the schema.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MigrationState {
    /// Its name.
    pub name: String,
    /// Whether this database has taken it.
    pub applied: bool,
}

impl SqlStore {
    /// Takes every step that is pending, all or none, and returns how many there were. Processes that start at the
    /// same time wait for each other. `rng` gives a new revocation log its identity.
    ///
    /// # Errors
    /// [`symbolon_core::ports::StoreError`]; nothing was changed. So also where the database has taken a step that
    /// this version does not know: it belongs to a newer one.
    pub async fn migrate(&self, rng: &dyn Rng) -> StoreResult<u32> {
        let tx = self.writing().await?;
        let pending = Migrator::get_pending_migrations(&tx)
            .await
            .map_err(store_error)?
            .len();
        Migrator::up(&tx, None).await.map_err(store_error)?;
        begin_log(&tx, rng).await?;
        commit(tx).await?;
        Ok(u32::try_from(pending).unwrap_or(u32::MAX))
    }

    /// Every step and whether this database has taken it, in order. Changes nothing.
    ///
    /// # Errors
    /// As [`SqlStore::migrate`].
    pub async fn migration_status(&self) -> StoreResult<Vec<MigrationState>> {
        let steps = Migrator::get_migration_with_status_read_only(self.read())
            .await
            .map_err(store_error)?;
        let state = |step: &symbolon_migrations::Migration| MigrationState {
            name: step.name().to_owned(),
            applied: step.status() == MigrationStatus::Applied,
        };
        Ok(steps.iter().map(state).collect())
    }

    /// Names of the steps that this database has not taken, in order. Changes nothing.
    ///
    /// # Errors
    /// As [`SqlStore::migrate`].
    pub async fn pending_migrations(&self) -> StoreResult<Vec<String>> {
        let steps = self.migration_status().await?;
        Ok(steps
            .into_iter()
            .filter(|step| !step.applied)
            .map(|step| step.name)
            .collect())
    }
}

/// Gives the log its identity, where it has none.
async fn begin_log(tx: &DatabaseTransaction, rng: &dyn Rng) -> StoreResult<()> {
    let head = revocation_head::Entity::find_by_id(HEAD_ID)
        .one(tx)
        .await
        .map_err(store_error)?;
    if head.is_some() {
        return Ok(());
    }
    let mut random = [0; 16];
    rng.fill(&mut random);
    let head = revocation_head::ActiveModel {
        id: Set(HEAD_ID),
        log_id: Set(uuid::Builder::from_random_bytes(random).into_uuid()),
        seq: Set(0),
        facts: Set(0),
    };
    revocation_head::Entity::insert(head)
        .exec_without_returning(tx)
        .await
        .map_err(store_error)?;
    Ok(())
}
