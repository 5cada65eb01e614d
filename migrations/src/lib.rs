//! The schema, as forward steps. A step that was released is never changed; what it lacks is the next step's.
//!
//! Conventions: moments are milliseconds since the Unix epoch in 64-bit integers, the largest of which stands for
//! never; ids are UUIDs (16-byte blobs on SQLite), digests are 16-byte blobs, sets are rows. Time of the schedule of
//! signing keys, which is no moment, stands in columns that end in `_schedule_ms`.

use sea_orm_migration::prelude::*;

mod step_0001;
mod step_0002;

/// All steps, in order.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(step_0001::Step), Box::new(step_0002::Step)]
    }
}

pub use sea_orm_migration::{Migration, MigrationStatus, MigratorTrait};
