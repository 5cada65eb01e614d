//! The SQL stores: clients, users, keys, secrets, the revocation log and the embedded token store.
//!
//! [`SqlStore`] implements every port of [`symbolon_core::ports`], on SQLite for one node and on PostgreSQL for many.
//! Each write is one transaction that locks before it reads, so that what it decides by can't change under it: on
//! SQLite the whole database, by `BEGIN IMMEDIATE` on the one connection that writes; on PostgreSQL what
//! `transaction::Lock` says. Rotations, which are many and small, wait in a lane of their own and share transactions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use symbolon_core::Clock;
use symbolon_core::ports::StoreResult;

mod admin;
mod admin_tokens;
mod audit;
mod clients;
mod connection;
mod convert;
mod edit_clients;
mod edit_keys;
mod edit_profile;
mod edit_roles;
mod edit_scopes;
mod edit_users;
mod entity;
mod error;
mod facts;
mod idempotency;
mod import;
mod inspect;
mod key_schedule;
mod keys;
mod lane;
mod lists;
mod log;
mod lookup;
mod news;
mod notify;
mod postgres;
mod schema;
mod server;
mod session_list;
mod sessions;
mod sqlite;
#[cfg(test)]
mod tests;
mod transaction;
mod users;
mod verifiers;

pub use inspect::{PostgresFacts, sqlite_journal_mode};
pub use postgres::URL_PARAMETERS;
pub use schema::MigrationState;

use connection::{Connections, Pools};
use error::store_error;
use lane::Lane;
use notify::Source;
use transaction::{Lock, Transaction};

/// Where the database is, and how long to wait for it.
#[derive(Clone)]
pub struct SqlConfig {
    /// `sqlite:` and a path, which is taken literally, or `sqlite::memory:` for a database that is gone when the
    /// store is; no parameters. Or `postgres://user:password@host:5432/database`, with parameters as in
    /// <https://docs.rs/sqlx/0.9/sqlx/postgres/struct.PgConnectOptions.html>, of which these are supported: `sslmode`,
    /// `sslrootcert`, `sslcert`, `sslkey`, `application_name`, and `host` for the folder of a Unix socket. Without
    /// `sslmode=verify-full` the server's identity is not verified.
    pub url: String,
    /// Most connections for requests, at least 1. On SQLite these read, and one more writes. On PostgreSQL they do both,
    /// and two more are kept for what a node needs to go on serving: the head of the log, what is new on it, the clock.
    /// [`SqlStore::watch`] has one more of its own.
    pub max_connections: u32,
    /// How long to wait at the start for a server that does not answer yet. SQLite has none.
    pub connect_timeout: Duration,
    /// How long to wait for a connection when all are in use, making a new one included.
    pub acquire_timeout: Duration,
    /// How long a statement may take, waiting for the locks of others included. On SQLite, how long to wait for the
    /// lock of another process. PostgreSQL is told; where it says nothing either, the wait ends a second later.
    pub statement_timeout: Duration,
}

impl SqlConfig {
    /// A database with at most 8 connections, and time-outs of 5 s, 2 s and 5 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 8,
            connect_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for SqlConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlConfig")
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

/// All the ports on one SQL database. Clones share connections.
#[derive(Clone)]
pub struct SqlStore {
    inner: Arc<Inner>,
}

struct Inner {
    read: Connections,
    write: Connections,
    vital: Connections,
    lane: Lane,
    source: Source,
    clock: Arc<dyn Clock>,
}

impl SqlStore {
    /// Opens the database; a file that is missing is created, readable by its owner alone, in a folder likewise. A
    /// file that is there keeps its mode. A server is waited for.
    /// The schema is left as it is: see [`SqlStore::migrate`]. `clock` stamps entries on the log.
    ///
    /// Must be called within a Tokio runtime, on which the store keeps one task.
    ///
    /// # Errors
    /// [`symbolon_core::ports::StoreError`] where the URL is not understood or the database can't be opened; never
    /// quotes the URL.
    pub async fn connect(config: &SqlConfig, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        let (Pools { read, write, vital }, source) = if postgres::is_meant(&config.url) {
            postgres::open(config).await?
        } else {
            sqlite::open(config).await?
        };
        Ok(Self {
            inner: Arc::new(Inner {
                lane: Lane::start(write.clone()),
                read,
                write,
                vital,
                source,
                clock,
            }),
        })
    }

    /// Asks the database for nothing, to see that it answers.
    ///
    /// # Errors
    /// [`symbolon_core::ports::StoreError::Unavailable`] where it does not.
    pub async fn ping(&self) -> StoreResult<()> {
        self.inner.vital.ping().await.map_err(store_error)
    }

    /// The clock of the database's server, in microseconds since the Unix epoch; `None` where there is none: SQLite
    /// goes by the clock of this process.
    ///
    /// # Errors
    /// [`symbolon_core::ports::StoreError`] where the server gives no answer.
    pub async fn time_micros(&self) -> StoreResult<Option<u64>> {
        let backend = self.vital().get_database_backend();
        if backend != DbBackend::Postgres {
            return Ok(None);
        }
        let ask = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let answer = self
            .vital()
            .query_one_raw(Statement::from_string(backend, ask))
            .await;
        let micros: Option<i64> = match answer.map_err(store_error)? {
            Some(row) => row.try_get_by_index(0).map_err(store_error)?,
            None => None,
        };
        let micros = micros.ok_or_else(|| convert::corrupt("the server has no clock"))?;
        convert::number(micros, "the server's clock").map(Some)
    }

    /// Closes every connection once what runs has ended. What is asked of any clone from then on is refused.
    pub async fn close(&self) {
        for pool in [&self.inner.read, &self.inner.write, &self.inner.vital] {
            if let Err(error) = pool.close().await {
                tracing::warn!(%error, "the database was not closed in order");
            }
        }
    }

    /// Connections for single statements that read.
    fn read(&self) -> &Connections {
        &self.inner.read
    }

    /// Connections for single statements that a node must keep making to go on serving; requests use none of them.
    fn vital(&self) -> &Connections {
        &self.inner.vital
    }

    /// A transaction whose statements all read one state.
    async fn snapshot(&self) -> StoreResult<Transaction> {
        transaction::snapshot(&self.inner.read).await
    }

    /// A transaction that writes. Dropped without [`transaction::commit`] it has changed nothing.
    async fn writing(&self, lock: Lock) -> StoreResult<Transaction> {
        transaction::writing(&self.inner.write, lock).await
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").finish_non_exhaustive()
    }
}
