//! The store on PostgreSQL.

use symbolon_testkit::servers::postgres::Postgres;
use tokio::sync::OnceCell;

use super::*;

/// A database of the shared server with the schema in it, and nothing else; returns its URL.
pub(super) async fn database() -> String {
    static MIGRATED: OnceCell<()> = OnceCell::const_new();
    let server = Postgres::shared();
    MIGRATED
        .get_or_init(|| async {
            server.sql("postgres", "CREATE DATABASE migrated");
            let store = opened(&server.url("migrated")).await;
            store.migrate(&SeqRng::new()).await.unwrap();
            store.close().await;
        })
        .await;
    server.copy_of("migrated").await
}
