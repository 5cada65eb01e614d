//! Bringing the schema up to date.

use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter};
use symbolon_core::Rng;
use symbolon_core::ports::{StoreError, StoreResult};
use symbolon_migrations::{Migrator, MigratorTrait, can_stand_beside, steps, steps_taken};

use crate::SqlStore;
use crate::entity::revocation_head;
use crate::error::store_error;
use crate::log::{HEAD_ID, advance_facts, new_tip};
use crate::transaction::{Lock, Transaction, commit};

/// One step of the schema.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MigrationState {
    /// Its name.
    pub name: String,
    /// Whether this database has taken it.
    pub applied: bool,
}

/// How long to wait for the others that take steps, and for the steps.
const PATIENCE: Duration = Duration::from_secs(600);

/// On PostgreSQL one process at a time takes steps, by an advisory lock of a class that nothing else has; a later one
/// waits for as long as the first takes. A step waits for the locks of those who use the tables as long as any statement
/// does: while it waits, they wait for it.
const TAKE_TURNS: &str = "\
    SET LOCAL statement_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0; \
    SET LOCAL lock_timeout = 0; \
    SELECT pg_advisory_xact_lock(1398361412, 1); \
    SET LOCAL lock_timeout = DEFAULT";

impl SqlStore {
    /// Takes every step that is pending, all or none, and returns how many there were. Processes that start at the
    /// same time wait for each other, for ten minutes at most. `rng` gives a new revocation log its identity.
    ///
    /// # Errors
    /// [`symbolon_core::ports::StoreError`]; nothing was changed. So also where the database has taken a step that
    /// this version does not know, unless the step says that this version can be used beside it.
    pub async fn migrate(&self, rng: &dyn Rng) -> StoreResult<u32> {
        let stuck = |_| unavailable("the schema was not brought up to date within 10 minutes".into());
        let steps = self.take_steps(rng);
        tokio::time::timeout(PATIENCE, steps).await.map_err(stuck)?
    }

    async fn take_steps(&self, rng: &dyn Rng) -> StoreResult<u32> {
        let tx = self.writing(Lock::Rows).await?;
        if tx.get_database_backend() == DbBackend::Postgres {
            let turn = tx.unbounded().execute_unprepared(TAKE_TURNS);
            turn.await.map_err(store_error)?;
        }
        let states = states(steps_taken(tx.unbounded()).await.map_err(store_error)?)?;
        let pending = states.iter().filter(|step| !step.applied).count();
        if pending > 0 {
            Migrator::up(tx.unbounded(), None).await.map_err(store_error)?;
        }
        begin_log(&tx, rng).await?;
        commit(tx).await?;
        Ok(u32::try_from(pending).unwrap_or(u32::MAX))
    }

    /// Every step and whether this database has taken it, in order; behind those of this version, steps of newer
    /// versions that it has taken. Changes nothing.
    ///
    /// # Errors
    /// As [`SqlStore::migrate`].
    pub async fn migration_status(&self) -> StoreResult<Vec<MigrationState>> {
        states(steps_taken(self.read()).await.map_err(store_error)?)
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

fn states(taken: Vec<String>) -> StoreResult<Vec<MigrationState>> {
    let known = steps();
    let (ours, newer): (Vec<_>, Vec<_>) = taken.into_iter().partition(|step| known.contains(step));
    if let Some(step) = newer.iter().find(|step| !can_stand_beside(step, &known)) {
        return Err(unavailable(format!(
            "the database has taken step {step}, beside which this version can't be used: use the newer version"
        )));
    }
    if !newer.is_empty() && ours.len() < known.len() {
        let why =
            "the database has taken steps of a newer version, but not all of this one: use the newer version";
        return Err(unavailable(why.into()));
    }
    let own = known.into_iter().map(|name| MigrationState {
        applied: ours.contains(&name),
        name,
    });
    let newer = newer
        .into_iter()
        .map(|name| MigrationState { name, applied: true });
    Ok(own.chain(newer).collect())
}

impl SqlStore {
    /// Gives the revocation log another identity, after a backup was restored: it lacks what was appended since the
    /// backup was made, so that whoever follows it must read all of it anew. The facts count as changed.
    ///
    /// # Errors
    /// [`symbolon_core::ports::StoreError`]; nothing was changed.
    pub async fn renew_log(&self, rng: &dyn Rng) -> StoreResult<()> {
        let tx = self.writing(Lock::HeadAlone).await?;
        revocation_head::Entity::update_many()
            .col_expr(revocation_head::Column::LogId, Expr::value(new_identity(rng)))
            .filter(revocation_head::Column::Id.eq(HEAD_ID))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        advance_facts(&tx).await?;
        commit(tx).await
    }
}

fn new_identity(rng: &dyn Rng) -> uuid::Uuid {
    let mut random = [0; 16];
    rng.fill(&mut random);
    uuid::Builder::from_random_bytes(random).into_uuid()
}

/// Gives the log its identity, and its head a tip, where they have none.
async fn begin_log(tx: &Transaction, rng: &dyn Rng) -> StoreResult<()> {
    let head = revocation_head::Entity::find_by_id(HEAD_ID)
        .one(tx)
        .await
        .map_err(store_error)?;
    let has_tip = head.as_ref().is_some_and(|head| head.tip.is_some());
    if head.is_none() {
        let head = revocation_head::ActiveModel {
            id: Set(HEAD_ID),
            log_id: Set(new_identity(rng)),
            seq: Set(0),
            facts: Set(0),
            tip: Set(None),
        };
        revocation_head::Entity::insert(head)
            .exec_without_returning(tx)
            .await
            .map_err(store_error)?;
    }
    if !has_tip {
        revocation_head::Entity::update_many()
            .col_expr(revocation_head::Column::Tip, new_tip(tx))
            .filter(revocation_head::Column::Id.eq(HEAD_ID))
            .exec(tx)
            .await
            .map_err(store_error)?;
    }
    Ok(())
}

fn unavailable(why: String) -> StoreError {
    StoreError::Unavailable(why)
}
