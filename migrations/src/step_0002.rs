//! The schedule of signing keys, and the nodes that publish them.
//!
//! Columns that end in `_schedule_ms` hold time that the schedule has seen pass, in milliseconds; all others that end
//! in `_ms` are moments of wall clocks.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, integer, string_len, text_null, uuid, uuid_null,
};

pub(crate) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "0002_key_schedule"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        schedule(manager).await?;
        nodes(manager).await?;
        keys(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// One row: whoever changes keys or takes the lease locks it first.
async fn schedule(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut id = integer("id");
    let mut table = Table::create();
    table
        .table("key_schedule")
        .col(id.primary_key())
        .col(big_integer("fence"))
        .col(uuid_null("holder"))
        .col(big_integer("lease_ends_ms"))
        .col(big_integer("elapsed_schedule_ms"))
        .col(big_integer("seen_ms"))
        .check(Expr::col("id").eq(1));
    manager.create_table(table).await?;
    let mut row = Query::insert();
    row.into_table("key_schedule")
        .columns(["id", "fence", "lease_ends_ms", "elapsed_schedule_ms", "seen_ms"])
        .values_panic([1.into(), 0.into(), 0.into(), 0.into(), 0.into()]);
    manager.execute(row).await
}

async fn nodes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut node = uuid("node");
    let mut table = Table::create();
    table
        .table("key_nodes")
        .col(node.primary_key())
        .col(string_len("name", 800))
        .col(big_integer("seen_schedule_ms"))
        .col(big_integer_null("complete_since_schedule_ms"))
        .col(string_len("opens", 400));
    manager.create_table(table).await?;
    let mut seen = Index::create();
    seen.name("key_nodes_seen")
        .table("key_nodes")
        .col("seen_schedule_ms");
    manager.create_index(seen).await
}

/// Keys that are there enter their states anew, by the schedule, which begins now.
async fn keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut entered = big_integer("entered_schedule_ms");
    let mut table = Table::alter();
    table.table("signing_keys").add_column(entered.default(0));
    manager.alter_table(table).await?;
    let mut table = Table::alter();
    table.table("signing_keys").add_column(text_null("certificates"));
    manager.alter_table(table).await?;
    keep_what_came_before(manager).await?;
    withdraw_surplus(manager).await?;
    erase_what_is_gone(manager).await?;
    let mut pending = Index::create();
    pending
        .name("signing_keys_one_pending")
        .table("signing_keys")
        .col("alg")
        .unique()
        .and_where(Expr::col("state").eq("pending"));
    manager.create_index(pending).await
}

/// Rows keep the moments of earlier states from now on. When a retiring key was activated was not kept; no earlier than
/// it was published.
async fn keep_what_came_before(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut retiring = Query::update();
    retiring
        .table("signing_keys")
        .value("activated_ms", Expr::col("published_ms"))
        .and_where(Expr::col("state").eq("retiring"))
        .and_where(Expr::col("activated_ms").is_null());
    manager.execute(retiring).await
}

/// Two nodes that started together could each add a pending key. One of them stays; the others have never signed.
async fn withdraw_surplus(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let stays = Query::select()
        .expr(Expr::col("kid").min())
        .from("signing_keys")
        .and_where(Expr::col("state").eq("pending"))
        .add_group_by([Expr::col("alg")])
        .take();
    let mut surplus = Query::update();
    surplus
        .table("signing_keys")
        .value("state", "retired")
        .value("retired_ms", Expr::col("published_ms"))
        .and_where(Expr::col("state").eq("pending"))
        .and_where(Expr::col("kid").not_in_subquery(stays));
    manager.execute(surplus).await
}

async fn erase_what_is_gone(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut gone = Query::update();
    gone.table("signing_keys")
        .value("wrapped", "")
        .and_where(Expr::col("state").is_in(["retired", "compromised"]));
    manager.execute(gone).await
}
