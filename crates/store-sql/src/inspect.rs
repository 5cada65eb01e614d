//! What a database says of itself, for whoever examines an installation. Nothing is written, and no file is made.

use std::path::Path;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{ConnectOptions as _, Connection as _, Error, query_as, query_scalar};
use symbolon_core::ports::StoreResult;

use crate::error::opening_error;
use crate::{SqlConfig, postgres};

/// What PostgreSQL says of itself, and of the connection that it says it over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PostgresFacts {
    /// Its version.
    pub version: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether the server's certificate was verified, with its name.
    pub verified: bool,
    /// The host that the URL names, or the folder of a Unix socket, which begins with a slash.
    pub host: String,
    /// When a commit is answered.
    pub synchronous_commit: String,
    /// Whether what is written is on disk: `on` or `off`.
    pub fsync: String,
    /// Whether it is a replica, or set to be read only.
    pub read_only: bool,
    /// Most connections at once.
    pub max_connections: i32,
    /// How many of them are for superusers alone.
    pub reserved: i32,
}

const ASK: &str = "SELECT current_setting('server_version'), \
     coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), \
     current_setting('synchronous_commit'), current_setting('fsync'), current_setting('transaction_read_only') = 'on', \
     current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int";

impl SqlConfig {
    /// Asks PostgreSQL, over one connection that is made as a store's are.
    ///
    /// # Errors
    /// It can't be reached, or the user may not ask.
    pub async fn inspect_postgres(&self) -> StoreResult<PostgresFacts> {
        let options = postgres::options(self)?;
        ask(&options).await.map_err(opening_error)
    }
}

async fn ask(options: &PgConnectOptions) -> Result<PostgresFacts, Error> {
    let mut connection = options.connect().await?;
    let (version, tls, synchronous_commit, fsync, read_only, max_connections, reserved) =
        query_as(ASK).fetch_one(&mut connection).await?;
    // What was asked is answered.
    let _ = connection.close().await;
    let socket = options.get_socket().map(|folder| folder.display().to_string());
    Ok(PostgresFacts {
        version,
        tls,
        verified: matches!(options.get_ssl_mode(), PgSslMode::VerifyFull),
        host: socket.unwrap_or_else(|| options.get_host().to_owned()),
        synchronous_commit,
        fsync,
        read_only,
        max_connections,
        reserved,
    })
}

/// How a file of SQLite is written now, such as `wal`: it is read, and not switched.
///
/// # Errors
/// There is none, or it is no sound database.
pub async fn sqlite_journal_mode(path: &Path) -> StoreResult<String> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .create_if_missing(false)
        .disable_statement_logging();
    let asked = async {
        let mut connection = options.connect().await?;
        let mode = query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(mode)
    };
    asked.await.map_err(opening_error)
}
