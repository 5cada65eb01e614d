//! The SQL stores: clients, users, keys, secrets, the revocation log and the embedded token store.
//!
//! [`SqlStore`] implements every port of [`symbolon_core::ports`]. Each write is one transaction that takes the
//! database's write lock before it reads, so that what it decides by can't change under it; on SQLite that is
//! `BEGIN IMMEDIATE` on the one connection that writes. Rotations, which are many and small, wait in a lane of their own
//! and share transactions.

use std::fmt;
use std::sync::Arc;

use sea_orm::{DatabaseConnection, DatabaseTransaction};
use symbolon_core::Clock;
use symbolon_core::ports::StoreResult;

mod admin;
mod clients;
mod convert;
mod edit_clients;
mod edit_keys;
mod edit_roles;
mod edit_users;
mod entity;
mod error;
mod facts;
mod key_schedule;
mod keys;
mod lane;
mod log;
mod schema;
mod server;
mod sessions;
mod sqlite;
#[cfg(test)]
mod tests;
mod transaction;
mod users;

pub use schema::MigrationState;

use error::store_error;
use lane::Lane;

/// Where the database is.
#[derive(Clone, Debug)]
pub struct SqlConfig {
    /// `sqlite:` and a path, which is taken literally, or `sqlite::memory:` for a database that is gone when the
    /// store is. No parameters.
    pub url: String,
    /// Most connections that read at the same time, at least 1. One more writes.
    pub max_connections: u32,
}

/// All the ports on one SQL database. Clones share connections.
#[derive(Clone)]
pub struct SqlStore {
    inner: Arc<Inner>,
}

struct Inner {
    read: DatabaseConnection,
    write: DatabaseConnection,
    lane: Lane,
    clock: Arc<dyn Clock>,
}

impl SqlStore {
    /// Opens the database; a file that is missing is created, readable by its owner alone, in a folder likewise. A
    /// file that is there keeps its mode.
    /// The schema is left as it is: see [`SqlStore::migrate`]. `clock` stamps entries on the log.
    ///
    /// Must be called within a Tokio runtime, on which the store keeps one task.
    ///
    /// # Errors
    /// [`symbolon_core::ports::StoreError`] where the URL is not understood or the database can't be opened.
    pub async fn connect(config: &SqlConfig, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        Self::connect_with(config, clock, sqlite::Patience::DEFAULT).await
    }

    async fn connect_with(
        config: &SqlConfig,
        clock: Arc<dyn Clock>,
        patience: sqlite::Patience,
    ) -> StoreResult<Self> {
        let pools = sqlite::open(config, patience).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                lane: Lane::start(pools.write.clone()),
                read: pools.read,
                write: pools.write,
                clock,
            }),
        })
    }

    /// Asks the database for nothing, to see that it answers.
    ///
    /// # Errors
    /// [`symbolon_core::ports::StoreError::Unavailable`] where it does not.
    pub async fn ping(&self) -> StoreResult<()> {
        self.inner.read.ping().await.map_err(store_error)
    }

    /// Closes every connection once what runs has ended. What is asked of any clone from then on is refused.
    pub async fn close(&self) {
        for pool in [&self.inner.read, &self.inner.write] {
            if let Err(error) = pool.close_by_ref().await {
                tracing::warn!(%error, "the database was not closed in order");
            }
        }
    }

    /// Connections for single statements that read.
    fn read(&self) -> &DatabaseConnection {
        &self.inner.read
    }

    /// A transaction whose statements all read one state.
    async fn snapshot(&self) -> StoreResult<DatabaseTransaction> {
        transaction::snapshot(&self.inner.read).await
    }

    /// A transaction that writes. Dropped without [`transaction::commit`] it has changed nothing.
    async fn writing(&self) -> StoreResult<DatabaseTransaction> {
        transaction::writing(&self.inner.write).await
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").finish_non_exhaustive()
    }
}
