//! What the admin API keeps: the register of scopes, its tokens on record, idempotency keys, lifetimes of resource servers;
//! and indexes for its lists.
//!
//! Versions that know only the steps before neither read nor write it: a resource server whose tokens they issue has no say
//! in how long those live, and loses what it said when they replace the policy of its client.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, binary_len, integer_null, small_integer_null, string_len, text_null, uuid,
};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

pub(crate) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "0006_admin_beside_0002"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        scopes(manager).await?;
        admin_tokens(manager).await?;
        idempotency_keys(manager).await?;
        let mut servers = Table::alter();
        servers
            .table("resource_servers")
            .add_column(integer_null("access_token_lifetime"));
        manager.alter_table(servers).await?;
        lists(manager).await?;
        in_byte_order(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

async fn scopes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut name = string_len("name", 128);
    let mut table = Table::create();
    table
        .table("scopes")
        .col(name.primary_key())
        .col(string_len("description", 800));
    manager.create_table(table).await
}

async fn admin_tokens(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut jti = uuid("jti");
    let mut table = Table::create();
    table
        .table("admin_tokens")
        .col(jti.primary_key())
        .col(binary_len("digest", 32))
        .col(big_integer("expires_ms"));
    manager.create_table(table).await?;
    manager
        .create_index(index("admin_tokens_expires_ms", "admin_tokens", &["expires_ms"]))
        .await
}

/// Without a status while the request is under way.
async fn idempotency_keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut key = binary_len("key", 32);
    let mut table = Table::create();
    table
        .table("idempotency_keys")
        .col(key.primary_key())
        .col(binary_len("request", 32))
        .col(big_integer("begun_ms"))
        .col(small_integer_null("status"))
        .col(text_null("body"));
    manager.create_table(table).await?;
    manager
        .create_index(index(
            "idempotency_keys_begun_ms",
            "idempotency_keys",
            &["begun_ms"],
        ))
        .await
}

/// So that a page costs the same whatever it is a page of. Each index that goes leaves a wider one, which serves all that it
/// served.
async fn lists(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for (gone, table, name, columns) in [
        (
            "sessions_subject",
            "sessions",
            "sessions_subject_sid",
            ["subject", "sid"],
        ),
        (
            "sessions_client_uid",
            "sessions",
            "sessions_client_uid_sid",
            ["client_uid", "sid"],
        ),
        (
            "user_roles_role",
            "user_roles",
            "user_roles_role_subject",
            ["role", "subject"],
        ),
    ] {
        manager.create_index(index(name, table, &columns)).await?;
        let mut narrow = Index::drop();
        narrow.name(gone).table(table);
        manager.drop_index(narrow).await?;
    }
    manager
        .create_index(index("users_active_subject", "users", &["active", "subject"]))
        .await
}

/// For prefixes and lists in byte order. Those of SQLite are so anyway; PostgreSQL orders text by the database's collation,
/// in which what begins alike need not stand together.
async fn in_byte_order(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for (table, column) in [
        ("clients", "client_id"),
        ("resource_servers", "audience"),
        ("user_names", "name"),
    ] {
        let create = format!(r#"CREATE INDEX {table}_{column}_bytes ON {table} ({column} COLLATE "C")"#);
        manager.get_connection().execute_unprepared(&create).await?;
    }
    Ok(())
}

fn index(name: &'static str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}
