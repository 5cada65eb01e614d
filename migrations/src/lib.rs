//! The schema, as forward steps. A step that was released is never changed; what it lacks is the next step's.
//!
//! # Two versions on one schema
//! Nodes are brought up to date one by one, so version N and the one before it must work on one database, whichever of
//! them started first. Steps therefore come in pairs. The one that version N takes only adds: tables, columns that may be
//! null or have a default, indexes that refuse nothing which the version before writes. What nobody uses any more goes by
//! a step of version N + 1, when no node reads or writes it.
//!
//! A version that starts on a database with a step that it does not know refuses, unless the step's name ends in
//! `_beside_` and a number, as in `0003_labels_beside_0002`, and that version knows the step of this number: whoever
//! writes a step says how far back versions can be used beside it, and whoever says nothing is safe. A step that takes
//! away has the number of the last step of the version that gave up using it.
//!
//! `0002_key_schedule` is named without: it erases the private keys of keys that are retired and refuses a second pending
//! key of an algorithm, and versions that know only `0001_ground` change keys without the schedule's lease. No version
//! without it was released.
//!
//! # Conventions
//! Moments are milliseconds since the Unix epoch in 64-bit integers, the largest of which stands for never; ids are
//! UUIDs (16-byte blobs on SQLite), digests are 16-byte blobs, sets are rows. Time of the schedule of signing keys,
//! which is no moment, stands in columns that end in `_schedule_ms`.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, EntityTrait, QueryOrder, Statement};
use sea_orm_migration::seaql_migrations;

mod step_0001;
mod step_0002;
mod step_0003;
mod step_0004;
mod step_0005;
mod step_0006;

/// All steps, in order.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(step_0001::Step),
            Box::new(step_0002::Step),
            Box::new(step_0003::Step),
            Box::new(step_0004::Step),
            Box::new(step_0005::Step),
            Box::new(step_0006::Step),
        ]
    }
}

pub use sea_orm_migration::MigratorTrait;

/// Names of all steps that this version knows, in order.
pub fn steps() -> Vec<String> {
    let steps = Migrator::migrations();
    steps.iter().map(|step| step.name().to_owned()).collect()
}

/// Names of the steps that the database has taken, in order, known or not. Changes nothing.
///
/// # Errors
/// Those of the database.
pub async fn steps_taken(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let backend = db.get_database_backend();
    let begun = match backend {
        DbBackend::Postgres => "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL",
        _ => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
    };
    if db
        .query_one_raw(Statement::from_string(backend, begun))
        .await?
        .is_none()
    {
        return Ok(Vec::new());
    }
    let rows = seaql_migrations::Entity::find()
        .order_by_asc(seaql_migrations::Column::Version)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Whether a version that knows the steps `known` can be used on a database that has taken `step`, which it does not
/// know.
pub fn can_stand_beside(step: &str, known: &[String]) -> bool {
    let Some((_, oldest)) = step.rsplit_once("_beside_") else {
        return false;
    };
    let is_number = oldest.len() == 4 && oldest.bytes().all(|byte| byte.is_ascii_digit());
    is_number && known.iter().any(|name| name.split('_').next() == Some(oldest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stands_beside_what_says_so_of_a_step_that_it_knows() {
        let known = ["0001_ground".to_owned(), "0002_key_schedule".to_owned()];
        for (step, can) in [
            ("0003_labels_beside_0002", true),
            ("0004_more_beside_0001", true),
            ("0004_less_beside_0003", false),
            ("0003_labels", false),
            ("0003_labels_beside_", false),
            ("0003_labels_beside_2", false),
            ("0003_labels_beside_0002_x", false),
        ] {
            assert_eq!(can_stand_beside(step, &known), can, "{step}");
        }
    }

    #[test]
    fn steps_are_numbered_in_order() {
        for (number, step) in (1..).zip(steps()) {
            assert_eq!(step.split('_').next(), Some(&*format!("{number:04}")), "{step}");
        }
    }
}
