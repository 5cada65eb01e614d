//! Users, clients, sessions, the revocation log, keys and secrets.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary_len, binary_len_null, boolean, integer, integer_null, string_len,
    string_len_null, text, uuid,
};

pub(crate) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "0001_ground"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        users(manager).await?;
        clients(manager).await?;
        sessions(manager).await?;
        revocations(manager).await?;
        server(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// A table of those columns, with a primary key over the first `key` of them.
fn table(name: &'static str, key: &[&'static str], columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut primary = Index::create();
    for column in key {
        primary.col(*column);
    }
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    table.primary_key(&mut primary).take()
}

/// The rows of `table` go when the row that `column` points to goes.
fn belongs_to(
    table: &mut TableCreateStatement,
    name: &'static str,
    column: &'static str,
    to: (&'static str, &'static str),
) -> TableCreateStatement {
    let mut key = ForeignKey::create();
    key.from(name, column)
        .to(to.0, to.1)
        .on_delete(ForeignKeyAction::Cascade);
    table.foreign_key(&mut key).take()
}

/// The row that `column` points to can't go before this one.
fn rests_on(
    table: &mut TableCreateStatement,
    name: &'static str,
    column: &'static str,
    to: (&'static str, &'static str),
) -> TableCreateStatement {
    let mut key = ForeignKey::create();
    key.from(name, column)
        .to(to.0, to.1)
        .on_delete(ForeignKeyAction::Restrict);
    table.foreign_key(&mut key).take()
}

fn index(name: &'static str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

async fn users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // Users and clients take their ids from here, and no row ever goes: an id is never given out twice.
    manager
        .create_table(table(
            "subjects",
            &["id"],
            vec![uuid("id"), string_len("kind", 8)],
        ))
        .await?;
    let mut users = table(
        "users",
        &["subject"],
        vec![
            uuid("subject"),
            string_len("username", 320),
            string_len_null("email", 320),
            boolean("active"),
            text("password_hash"),
            big_integer("created_ms"),
        ],
    );
    manager
        .create_table(rests_on(&mut users, "users", "subject", ("subjects", "id")))
        .await?;
    let mut names = table(
        "user_names",
        &["name"],
        vec![string_len("name", 320), uuid("subject")],
    );
    manager
        .create_table(belongs_to(
            &mut names,
            "user_names",
            "subject",
            ("users", "subject"),
        ))
        .await?;
    manager
        .create_index(index("user_names_subject", "user_names", &["subject"]))
        .await?;
    manager
        .create_table(table("roles", &["name"], vec![string_len("name", 64)]))
        .await?;
    let mut scopes = table(
        "role_scopes",
        &["role", "scope"],
        vec![string_len("role", 64), string_len("scope", 128)],
    );
    manager
        .create_table(belongs_to(&mut scopes, "role_scopes", "role", ("roles", "name")))
        .await?;
    let mut held = table(
        "user_roles",
        &["subject", "role"],
        vec![uuid("subject"), string_len("role", 64)],
    );
    let mut held = belongs_to(&mut held, "user_roles", "subject", ("users", "subject"));
    manager
        .create_table(belongs_to(&mut held, "user_roles", "role", ("roles", "name")))
        .await?;
    manager
        .create_index(index("user_roles_role", "user_roles", &["role"]))
        .await
}

async fn clients(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut clients = table(
        "clients",
        &["uid"],
        vec![
            uuid("uid"),
            string_len("client_id", 128),
            string_len("name", 800),
            string_len("client_type", 16),
            boolean("active"),
            string_len("rotation", 16),
            integer_null("access_token_lifetime"),
            integer_null("session_lifetime"),
            integer_null("refresh_idle_lifetime"),
            integer_null("late_recoveries"),
            string_len_null("signing_alg", 16),
            big_integer("created_ms"),
        ],
    );
    manager
        .create_table(rests_on(&mut clients, "clients", "uid", ("subjects", "id")))
        .await?;
    manager
        .create_index(
            index("clients_client_id", "clients", &["client_id"])
                .unique()
                .take(),
        )
        .await?;
    let mut values = table(
        "client_values",
        &["uid", "kind", "value"],
        vec![
            uuid("uid"),
            string_len("kind", 16),
            string_len("value", 512),
            integer("position"),
        ],
    );
    manager
        .create_table(belongs_to(
            &mut values,
            "client_values",
            "uid",
            ("clients", "uid"),
        ))
        .await?;
    let mut secrets = table(
        "client_secrets",
        &["uid", "position"],
        vec![
            uuid("uid"),
            integer("position"),
            integer("key_id"),
            binary_len("mac", 32),
            big_integer_null("expires_ms"),
        ],
    );
    manager
        .create_table(belongs_to(
            &mut secrets,
            "client_secrets",
            "uid",
            ("clients", "uid"),
        ))
        .await?;
    let mut servers = table(
        "resource_servers",
        &["audience"],
        vec![
            string_len("audience", 512),
            uuid("uid"),
            integer("position"),
            string_len_null("signing_alg", 16),
        ],
    );
    manager
        .create_table(belongs_to(
            &mut servers,
            "resource_servers",
            "uid",
            ("clients", "uid"),
        ))
        .await?;
    manager
        .create_index(index("resource_servers_uid", "resource_servers", &["uid"]))
        .await
}

async fn sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(table(
            "sessions",
            &["sid"],
            vec![
                uuid("sid"),
                uuid("subject"),
                uuid("client_uid"),
                text("scope"),
                big_integer("started_ms"),
                big_integer("ends_ms"),
                string_len_null("address", 45),
                string_len_null("user_agent", 800),
            ],
        ))
        .await?;
    for (name, column) in [
        ("sessions_subject", "subject"),
        ("sessions_client_uid", "client_uid"),
        ("sessions_ends_ms", "ends_ms"),
    ] {
        manager.create_index(index(name, "sessions", &[column])).await?;
    }
    manager
        .create_table(table(
            "session_records",
            &["sid"],
            vec![
                uuid("sid"),
                big_integer("generation"),
                big_integer("rotated_ms"),
                big_integer("late_since_ms"),
                integer("late"),
                boolean("killed"),
                boolean("kill_logged"),
                big_integer("ends_ms"),
            ],
        ))
        .await?;
    manager
        .create_index(index("session_records_ends_ms", "session_records", &["ends_ms"]))
        .await?;
    // The outbox: empty but for the moment between a reuse and its entry on the log.
    let mut outbox = index("session_records_outbox", "session_records", &["sid"]);
    outbox
        .and_where(Expr::col("killed").eq(true))
        .and_where(Expr::col("kill_logged").eq(false));
    manager.create_index(outbox).await
}

async fn revocations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // One row: whoever changes the log or a fact takes its lock first, so that `seq` is gapless in commit order.
    let mut head = table(
        "revocation_head",
        &["id"],
        vec![
            integer("id"),
            uuid("log_id"),
            big_integer("seq"),
            big_integer("facts"),
        ],
    );
    manager
        .create_table(head.check(Expr::col("id").eq(1)).take())
        .await?;
    manager
        .create_table(table(
            "revocation_log",
            &["seq"],
            vec![
                big_integer("seq"),
                string_len("kind", 16),
                binary_len("digest", 16),
                string_len("effect", 16),
                big_integer_null("moment_ms"),
                binary_len_null("owner", 16),
                string_len("reason", 800),
                string_len("actor", 800),
                big_integer("at_ms"),
                big_integer("expires_ms"),
            ],
        ))
        .await?;
    for (name, columns) in [
        ("revocation_log_digest", &["digest"] as &[_]),
        ("revocation_log_owner", &["owner", "expires_ms"]),
        ("revocation_log_expires_ms", &["expires_ms"]),
    ] {
        manager
            .create_index(index(name, "revocation_log", columns))
            .await?;
    }
    Ok(())
}

async fn server(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(table(
            "signing_keys",
            &["kid"],
            vec![
                string_len("kid", 128),
                string_len("alg", 16),
                string_len("state", 16),
                big_integer_null("published_ms"),
                big_integer_null("activated_ms"),
                big_integer_null("retiring_ms"),
                big_integer_null("retired_ms"),
                big_integer_null("compromised_ms"),
                text("wrapped"),
                big_integer("created_ms"),
            ],
        ))
        .await?;
    let mut one_active = index("signing_keys_one_active", "signing_keys", &["alg"]);
    one_active.unique().and_where(Expr::col("state").eq("active"));
    manager.create_index(one_active).await?;
    manager
        .create_table(table(
            "server_secrets",
            &["purpose", "id"],
            vec![
                string_len("purpose", 32),
                integer("id"),
                big_integer("active_from_ms"),
                text("wrapped"),
            ],
        ))
        .await?;
    manager
        .create_table(table(
            "issuers",
            &["id"],
            vec![integer("id"), string_len("issuer", 2048)],
        ))
        .await?;
    manager
        .create_index(index("issuers_issuer", "issuers", &["issuer"]).unique().take())
        .await
}
