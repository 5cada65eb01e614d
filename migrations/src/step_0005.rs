//! The audit trail.
//!
//! Versions that know only the steps before neither read nor write it: what is changed through them leaves no event.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, binary_len, integer, string_len, string_len_null, text, uuid_null,
};

pub(crate) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "0005_audit_beside_0002"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        head(manager).await?;
        log(manager).await?;
        checkpoints(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// One row: whoever writes on the trail locks it first, so that `seq` is gapless in commit order. The anchor is the
/// last record that was swept.
async fn head(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut id = integer("id");
    let mut table = Table::create();
    table
        .table("audit_head")
        .col(id.primary_key())
        .col(big_integer("seq"))
        .col(binary_len("hash", 32))
        .col(big_integer("anchor_seq"))
        .col(binary_len("anchor_hash", 32))
        .check(Expr::col("id").eq(1));
    manager.create_table(table).await?;
    let nothing = vec![0_u8; 32];
    let mut row = Query::insert();
    row.into_table("audit_head")
        .columns(["id", "seq", "hash", "anchor_seq", "anchor_hash"])
        .values_panic([
            1.into(),
            0.into(),
            nothing.clone().into(),
            0.into(),
            nothing.into(),
        ]);
    manager.execute(row).await
}

/// The body is the record. All columns but `seq` and `hash` say again, for searching, what it says.
async fn log(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut seq = big_integer("seq");
    let mut table = Table::create();
    table
        .table("audit_log")
        .col(seq.primary_key())
        .col(big_integer("at_ms"))
        .col(string_len("event", 40))
        .col(string_len("outcome", 16))
        .col(string_len("actor", 400))
        .col(string_len_null("target_kind", 40))
        .col(string_len_null("target", 600))
        .col(uuid_null("request_id"))
        .col(text("body"))
        .col(binary_len("hash", 32));
    manager.create_table(table).await?;
    for (name, columns) in [
        ("audit_log_event", &["event", "seq"] as &[&'static str]),
        ("audit_log_actor", &["actor", "seq"]),
        ("audit_log_target", &["target_kind", "target", "seq"]),
        ("audit_log_request_id", &["request_id"]),
        ("audit_log_at_ms", &["at_ms"]),
    ] {
        let mut index = Index::create();
        index.name(name).table("audit_log");
        for column in columns {
            index.col(*column);
        }
        manager.create_index(index).await?;
    }
    Ok(())
}

async fn checkpoints(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut seq = big_integer("seq");
    let mut table = Table::create();
    table
        .table("audit_checkpoints")
        .col(seq.primary_key())
        .col(big_integer("at_ms"))
        .col(text("signed"));
    manager.create_table(table).await
}
