//! Word of what other processes change, as soon as they have: whoever follows the log need not wait for its next look.
//!
//! PostgreSQL tells by itself (`LISTEN`), at the commit that moved the head. SQLite tells nobody: a look at its counter of
//! commits costs so little that it is made many times a second. Both are a favour and no promise. A proxy that pools
//! transactions lets no word through, and where the connection is lost nothing is heard until there is another: what
//! must be known by a certain time is asked for.

use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{Acquire as _, ConnectOptions as _, Connection as _, Error as SqlxError, query_scalar};
use sea_orm::{ConnectionTrait, DbBackend};
use symbolon_core::ports::StoreResult;
use tokio::sync::Notify;

use crate::SqlStore;
use crate::error::{opening_error, store_error};
use crate::transaction::Transaction;

/// The name under which the word is spread. It has no content.
const CHANNEL: &str = "symbolon_head";

/// Spreads the word when the transaction commits, whose lock on the head every such transaction has. SQLite spreads none.
///
/// A server keeps words until every listener has them, those of other applications, too, and when it has no room left
/// for more it refuses to commit: long before that nothing is said.
pub(crate) async fn tell(tx: &Transaction) -> StoreResult<()> {
    if tx.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let tell =
        format!("SELECT CASE WHEN pg_notification_queue_usage() < 0.5 THEN pg_notify('{CHANNEL}', '') END");
    tx.execute_unprepared(&tell).await.map(drop).map_err(store_error)
}

/// Where word comes from, by a connection that nothing else uses.
pub(crate) enum Source {
    /// A file.
    File(Box<SqliteConnectOptions>),
    /// A database in memory: there is no other process.
    Nowhere,
    /// A server.
    Server(Box<PgConnectOptions>),
}

/// How often is looked, and how long waited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two looks at a file.
    pub(crate) look: Duration,
    /// A server from which nothing came for so long is asked whether it is there.
    pub(crate) ask: Duration,
    /// For an answer of the server.
    pub(crate) answer: Duration,
    /// Before the first attempt to get a connection again; before each further one twice as long.
    pub(crate) retry: Duration,
    /// Longest rest between two attempts.
    pub(crate) retry_at_most: Duration,
}

impl Pace {
    const USUAL: Self = Self {
        look: Duration::from_millis(25),
        ask: Duration::from_secs(10),
        answer: Duration::from_secs(5),
        retry: Duration::from_millis(250),
        retry_at_most: Duration::from_secs(10),
    };
}

impl SqlStore {
    /// Tells `moved`, for ever, when the head of the log may have moved, by whichever process. A word may be lost and
    /// may be needless, and many may come as one: it is worth a look at the log, and no look may depend on it.
    pub async fn watch(&self, moved: &Notify) {
        self.watch_at(Pace::USUAL, moved).await;
    }

    pub(crate) async fn watch_at(&self, pace: Pace, moved: &Notify) {
        let (mut silent, mut pause) = (false, pace.retry);
        loop {
            let error = match Link::open(&self.inner.source, pace).await {
                Err(error) => error,
                Ok(mut link) => {
                    // Of what moved before nobody tells.
                    moved.notify_one();
                    loop {
                        match link.listen(pace).await {
                            Err(error) => break error,
                            Ok(Heard::News) => moved.notify_one(),
                            Ok(Heard::Nothing) => {}
                        }
                        pause = pace.retry;
                        if std::mem::take(&mut silent) {
                            tracing::info!("the database tells of changes by other processes again");
                        }
                    }
                }
            };
            if !std::mem::replace(&mut silent, true) {
                let error = opening_error(error);
                tracing::warn!(%error, "the database does not tell of changes by other processes: they are seen a little later");
            }
            tokio::time::sleep(pause).await;
            pause = pace.retry_at_most.min(pause * 2);
        }
    }
}

/// A connection on which word comes.
enum Link {
    File(FileLink),
    Server(PgListener),
}

/// What came of listening for a while.
enum Heard {
    News,
    Nothing,
}

impl Link {
    async fn open(source: &Source, pace: Pace) -> Result<Self, SqlxError> {
        match source {
            Source::File(options) => FileLink::open(options).await.map(Self::File),
            Source::Nowhere => std::future::pending().await,
            Source::Server(options) => within(pace.answer, listener(options, pace))
                .await
                .map(Self::Server),
        }
    }

    async fn listen(&mut self, pace: Pace) -> Result<Heard, SqlxError> {
        match self {
            Self::File(file) => {
                tokio::time::sleep(pace.look).await;
                file.look().await
            }
            Self::Server(listener) => hear(listener, pace).await,
        }
    }
}

/// A connection to a file, and what was seen there last.
struct FileLink {
    connection: SqliteConnection,
    commits: i64,
    tip: Option<Vec<u8>>,
}

impl FileLink {
    async fn open(options: &SqliteConnectOptions) -> Result<Self, SqlxError> {
        let mut link = Self {
            connection: options.connect().await?,
            commits: 0,
            tip: None,
        };
        link.look().await?;
        Ok(link)
    }

    /// The head is read only where there was a commit, of whatever, by any other connection.
    async fn look(&mut self) -> Result<Heard, SqlxError> {
        // <https://www.sqlite.org/pragma.html#pragma_data_version>
        let commits = query_scalar("PRAGMA data_version")
            .fetch_one(&mut self.connection)
            .await?;
        if commits == self.commits {
            return Ok(Heard::Nothing);
        }
        // One that no other head has.
        let tip = query_scalar("SELECT tip FROM revocation_head")
            .fetch_optional(&mut self.connection)
            .await?
            .flatten();
        self.commits = commits;
        let news = tip.is_none() || tip != self.tip;
        self.tip = tip;
        Ok(if news { Heard::News } else { Heard::Nothing })
    }
}

/// A connection to a server that tells of what it is told.
async fn listener(options: &PgConnectOptions, pace: Pace) -> Result<PgListener, SqlxError> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(pace.answer)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Waits for word; a server that is silent for long is asked whether it is there: a connection that the network has lost
/// is silent for ever.
async fn hear(listener: &mut PgListener, pace: Pace) -> Result<Heard, SqlxError> {
    match tokio::time::timeout(pace.ask, listener.try_recv()).await {
        Ok(Ok(Some(_))) => {
            while listener.next_buffered().is_some() {}
            Ok(Heard::News)
        }
        Ok(Ok(None)) => Err(SqlxError::Io(std::io::ErrorKind::UnexpectedEof.into())),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            within(pace.answer, async { listener.acquire().await?.ping().await }).await?;
            Ok(Heard::Nothing)
        }
    }
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, SqlxError>>,
) -> Result<T, SqlxError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(SqlxError::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

#[cfg(test)]
mod tests {
    use symbolon_core::UnixMillis;
    use symbolon_core::ports::RevocationLog as _;
    use symbolon_core::revocation::NewRevocation;

    use super::*;
    use crate::tests::{begun, migrated};

    #[tokio::test]
    async fn a_commit_that_moves_no_head_is_no_news() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let store = migrated(&path).await;
        let options = SqliteConnectOptions::new().filename(&path);
        let mut link = FileLink::open(&options).await.unwrap();
        for _ in 0..3 {
            assert!(matches!(link.look().await, Ok(Heard::Nothing)));
            begun(&store).await;
            let commits = link.commits;
            assert!(matches!(link.look().await, Ok(Heard::Nothing)));
            assert_ne!(link.commits, commits, "it was seen");
            let now = UnixMillis(1);
            store.append(&NewRevocation::all(now), now).await.unwrap();
            assert!(matches!(link.look().await, Ok(Heard::News)));
        }
    }
}
