//! What only PostgreSQL needs: the URL, and how its connections are set and kept.

use std::time::Duration;

use sea_orm::SqlxPostgresConnector;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::{ConnectOptions as _, Connection as _, Error as SqlxError, query_scalar};
use symbolon_core::ports::{StoreError, StoreResult};

use crate::SqlConfig;
use crate::connection::{Connections, Pools};
use crate::error::{is_starting, opening_error};
use crate::notify::Source;

/// Parameters that a `postgres://` URL may have. The others that the driver knows would undo what is set here, weaken what
/// is promised of transactions, or say twice what the URL says; and it logs what it does not know, with the value.
pub const URL_PARAMETERS: [&str; 6] = [
    "application_name",
    "host",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
];

/// How much longer than the server a statement is waited for: who asked is told by the server, where it can.
const GRACE: Duration = Duration::from_secs(1);

/// A connection that has been idle for this long is tried before it is used.
const TRIED_AFTER: Duration = Duration::from_secs(1);

/// How long to wait before another attempt to reach a server that is just starting.
const RETRY: Duration = Duration::from_millis(100);

/// Statements kept prepared on each connection; the batches of rotations alone have up to 128 forms.
const STATEMENTS: usize = 200;

/// Connections beside those of requests, for what a node must keep asking to go on serving: where the log stands, what is
/// new on it, what time it is. Requests that wait for locks, each on a connection, can't keep a node from it.
const VITAL: u32 = 2;

/// Longest wait for one of these: leases on what a node knows have ended by then, and it asks again.
const VITAL_ACQUIRE: Duration = Duration::from_secs(1);

/// Whether the URL is one of PostgreSQL.
pub(crate) fn is_meant(url: &str) -> bool {
    ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

/// Opens what the URL names, once the server answers.
pub(crate) async fn open(config: &SqlConfig) -> StoreResult<(Pools, Source)> {
    let options = options(config)?;
    reach(&options, config.connect_timeout).await?;
    let limit = config.statement_timeout.saturating_add(GRACE);
    let pool = |connections, acquire| {
        let pool = pool_options(connections, acquire).connect_lazy_with(options.clone());
        let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        Connections::remote(pool, connections, limit, acquire)
    };
    let requests = pool(config.max_connections.max(1), config.acquire_timeout);
    let pools = Pools {
        read: requests.clone(),
        write: requests,
        vital: pool(VITAL, config.acquire_timeout.min(VITAL_ACQUIRE)),
    };
    Ok((pools, Source::Server(Box::new(options))))
}

/// How connections are made.
pub(crate) fn options(config: &SqlConfig) -> StoreResult<PgConnectOptions> {
    let parameters = config
        .url
        .split_once('?')
        .map_or("", |(_, parameters)| parameters);
    let names = parameters.split('&').filter(|parameter| !parameter.is_empty());
    for parameter in names {
        let name = parameter.split('=').next().unwrap_or_default();
        if !URL_PARAMETERS.contains(&name) {
            let known = URL_PARAMETERS.join(", ");
            return Err(unavailable(&format!(
                "the URL has a parameter that is not supported; these are: {known}"
            )));
        }
    }
    let options: PgConnectOptions = config.url.parse().map_err(|_| {
        unavailable(
            "the URL is not understood; it should be as in postgres://user:password@host:5432/database",
        )
    })?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("symbolon"),
    };
    Ok(options
        .options(settings(config.statement_timeout))
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging())
}

/// What every session is set to. A node that stops in the middle of a transaction loses it, and its locks, before those
/// who wait for them give up.
fn settings(statement: Duration) -> [(&'static str, String); 9] {
    let ms = |duration: Duration| duration.as_millis().clamp(1, i32::MAX as u128).to_string();
    [
        ("statement_timeout", ms(statement)),
        ("lock_timeout", ms(statement * 4 / 5)),
        ("idle_in_transaction_session_timeout", ms(statement / 2)),
        // A node that is gone without a word: 5 s after the last, three times asked in vain.
        ("tcp_keepalives_idle", "5".into()),
        ("tcp_keepalives_interval", "2".into()),
        ("tcp_keepalives_count", "3".into()),
        // One that is there and does not read what it is sent.
        ("tcp_user_timeout", "11000".into()),
        ("default_transaction_isolation", "read committed".into()),
        ("client_min_messages", "warning".into()),
    ]
}

fn pool_options(connections: u32, acquire: Duration) -> PgPoolOptions {
    // Half of the wait for a connection goes to one that may be lost, so that the other half can make a new one.
    let patience = acquire / 2;
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire)
        .test_before_acquire(false)
        .before_acquire(move |connection, idle| {
            Box::pin(async move {
                if idle.idle_for < TRIED_AFTER {
                    return Ok(true);
                }
                answers(connection.ping(), patience).await
            })
        })
        // The driver tries every connection that is given back, for as long as it takes.
        .after_release(move |connection, _| Box::pin(answers(connection.ping(), patience)))
}

/// Whether the server answers; an error makes the pool let go of the connection without another word to the server.
async fn answers(
    ping: impl Future<Output = Result<(), SqlxError>>,
    patience: Duration,
) -> Result<bool, SqlxError> {
    match tokio::time::timeout(patience, ping).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(SqlxError::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Whether a crash of the server can lose what it has committed.
async fn loses_commits(connection: &mut PgConnection) -> Result<bool, SqlxError> {
    let set: String = query_scalar("SHOW synchronous_commit")
        .fetch_one(connection)
        .await?;
    Ok(set == "off")
}

/// Says so where it is set to lose them: the server, the database or the role may be.
async fn greet(mut connection: PgConnection) -> Result<(), SqlxError> {
    if loses_commits(&mut connection).await? {
        tracing::warn!(
            "synchronous_commit is off: a crash of the database can lose revocations that were answered; set it to on, \
             or to remote_apply where there are synchronous replicas"
        );
    }
    connection.close().await
}

/// Waits until the server lets somebody in.
async fn reach(options: &PgConnectOptions, patience: Duration) -> StoreResult<()> {
    let mut last = None;
    let reached = tokio::time::timeout(patience, async {
        loop {
            match options.connect().await {
                Ok(connection) => return greet(connection).await.map_err(opening_error),
                Err(error) if is_starting(&error) => last = Some(error),
                Err(error) => return Err(opening_error(error)),
            }
            tokio::time::sleep(RETRY).await;
        }
    })
    .await;
    match (reached, last) {
        (Ok(reached), _) => reached,
        (Err(_), Some(error)) => Err(opening_error(error)),
        (Err(_), None) => Err(unavailable(
            "the server gave no answer within database.connect_timeout",
        )),
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}

#[cfg(test)]
mod tests {
    use symbolon_testkit::servers::postgres::{Postgres, database_name};

    use super::*;

    #[tokio::test]
    async fn a_database_that_may_lose_commits_is_noticed() {
        let server = Postgres::shared();
        let url = server.fresh_database().await;
        for (set, loses) in [("off", true), ("on", false), ("remote_apply", false)] {
            let alter = format!(
                "ALTER DATABASE {} SET synchronous_commit = {set}",
                database_name(&url)
            );
            server.sql("postgres", &alter);
            let options = options(&SqlConfig::new(&*url)).unwrap();
            let mut connection = options.connect().await.unwrap();
            assert_eq!(loses_commits(&mut connection).await.unwrap(), loses, "{set}");
            greet(connection).await.unwrap();
        }
    }
}
