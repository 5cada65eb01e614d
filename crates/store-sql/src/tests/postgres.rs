//! The store on PostgreSQL.

use sea_orm::ConnectionTrait;
use symbolon_core::ports::StoreError;
use tokio::sync::OnceCell;

use super::*;

mod errors;
mod faults;
mod locks;
mod opening;

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

/// Waits for little.
fn impatient(url: &str) -> SqlConfig {
    SqlConfig {
        acquire_timeout: Duration::from_millis(400),
        statement_timeout: Duration::from_millis(400),
        ..config(url)
    }
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>, part: &str) {
    assert!(
        matches!(&outcome, Err(StoreError::Unavailable(why)) if why.contains(part)),
        "{part}: {outcome:?}"
    );
}

/// What a statement that the store does not know comes to.
async fn meddle(store: &SqlStore, sql: &str) -> Result<(), StoreError> {
    let done = store.inner.write.execute_unprepared(sql).await;
    done.map(drop).map_err(crate::error::store_error)
}
