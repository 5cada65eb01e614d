//! What tells one history of the revocation log from another that counts on from an earlier position.
//!
//! Versions that know only the steps before write no tip: the head keeps the last one meanwhile, and entries of theirs
//! have none.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::binary_len_null;

pub(crate) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "0003_tips_beside_0002"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["revocation_head", "revocation_log"] {
            let mut table = Table::alter();
            table.table(name).add_column(binary_len_null("tip", 16));
            manager.alter_table(table).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
