//! What only SQLite needs: the file, and how its connections are set.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use sea_orm::SqlxSqliteConnector;
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use symbolon_core::ports::{StoreError, StoreResult};

use crate::SqlConfig;
use crate::connection::{Connections, Pools};
use crate::error::{is_busy, opening_error};
use crate::notify::Source;

/// Statements kept prepared on each connection; the batches of rotations alone have up to 70 forms.
const STATEMENTS: usize = 200;

/// How long to wait before another attempt to open a file that others are opening.
const RETRY: Duration = Duration::from_millis(20);

/// Opens what the URL names.
pub(crate) async fn open(config: &SqlConfig) -> StoreResult<(Pools, Source)> {
    let location = config.url.strip_prefix("sqlite:").ok_or_else(|| {
        unavailable("the URL must start with `sqlite:` or `postgres://`, as in sqlite:/var/lib/symbolon/db")
    })?;
    if location.contains('?') {
        return Err(unavailable(
            "the URL takes no parameters: remove `?` and what follows",
        ));
    }
    let path = location.strip_prefix("//").unwrap_or(location);
    if path == ":memory:" {
        let options = options("sqlite::memory:".parse().map_err(|_| unavailable("no memory"))?);
        let only = pool(options, 1, config).await?;
        let pools = Pools {
            read: only.clone(),
            vital: only.clone(),
            write: only,
        };
        return Ok((pools, Source::Nowhere));
    }
    if path.is_empty() {
        return Err(unavailable(
            "the URL names no file, as in sqlite:/var/lib/symbolon/db",
        ));
    }
    create_private(Path::new(path))
        .map_err(|error| unavailable(&format!("the file {path} can't be opened: {error}")))?;
    let options = options(SqliteConnectOptions::new().filename(path)).busy_timeout(config.statement_timeout);
    let write = pool(options.clone(), 1, config).await?;
    let read = pool(options.clone(), config.max_connections.max(1), config).await?;
    let pools = Pools {
        vital: read.clone(),
        read,
        write,
    };
    Ok((pools, Source::File(Box::new(options))))
}

fn options(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // What was answered must survive a power cut; the second pragma does the same where fsync alone does not.
        .synchronous(SqliteSynchronous::Full)
        .pragma("fullfsync", "1")
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging()
}

async fn pool(
    options: SqliteConnectOptions,
    connections: u32,
    config: &SqlConfig,
) -> StoreResult<Connections> {
    let pool_options = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    let mut waited = Duration::ZERO;
    loop {
        match pool_options.clone().connect_with(options.clone()).await {
            Ok(pool) => {
                let pool = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
                return Ok(Connections::local(pool));
            }
            // A new file is switched to write-ahead logging once, and SQLite does not wait for others who are just
            // opening it.
            Err(error) if is_busy(&error) && waited < config.statement_timeout => {
                tokio::time::sleep(RETRY).await;
                waited += RETRY;
            }
            Err(error) => return Err(opening_error(error)),
        }
    }
}

/// Makes the file and its folder, where they are missing, for their owner alone. SQLite gives the files that it
/// makes beside it the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    /// Closing any descriptor of a file gives up the process's locks on it, those of SQLite included: a file that is
    /// there is not opened here, and one that is being made is closed before anybody else can come to open it.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    let mut file = fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folder.mode(0o700);
        file.mode(0o600);
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => folder.create(parent)?,
        _ => {}
    }
    match file.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}
