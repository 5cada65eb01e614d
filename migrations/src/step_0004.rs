//! What verifiers report that they have applied of the revocation log.
//!
//! Versions that know only the steps before neither read nor write it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len, text, uuid};

pub(crate) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "0004_verifiers_beside_0002"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("verifiers")
            .col(uuid("client_uid"))
            .col(string_len("name", 100))
            .col(big_integer("first_seen_ms"))
            .col(big_integer("last_seen_ms"))
            .col(uuid("log_id"))
            .col(big_integer("seq"))
            .col(big_integer("as_of_ms"))
            .col(text("kids"))
            .col(text("steps"))
            .primary_key(Index::create().col("client_uid").col("name"));
        manager.create_table(table).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
