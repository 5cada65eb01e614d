//! Connections whose every answer comes within bounded time, whatever becomes of the database.
//!
//! PostgreSQL ends statements that take too long by itself, but a server that is stopped, or that the network has lost,
//! ends nothing: here the wait for it ends. SQLite waits for locks alone, and for as long as it is told to.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    Statement, TransactionOptions, TransactionTrait,
};

use crate::error::is_lost;
use crate::transaction::Transaction;

/// Waits for an answer for so long, or as long as it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

impl Limit {
    pub(crate) async fn hold<T>(self, answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        match self.0 {
            None => answer.await,
            Some(limit) => match tokio::time::timeout(limit, answer).await {
                Ok(answer) => answer,
                Err(_) => Err(DbErr::Custom(SILENT.into())),
            },
        }
    }
}

/// Told of a database that gives no answer.
pub(crate) const SILENT: &str = "the database gave no answer within database.statement_timeout";

/// What the driver will answer.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'a>>;

/// Connections that read, those that write, and those that what keeps a node alive need not share with requests.
pub(crate) struct Pools {
    pub(crate) read: Connections,
    pub(crate) write: Connections,
    pub(crate) vital: Connections,
}

/// Connections that share a database. What is asked of them directly reads, and only reads.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: DatabaseConnection,
    /// For one statement.
    limit: Limit,
    /// For one statement and the connection to send it on.
    with_connection: Limit,
    /// Connections that may all turn out to be lost before one is made anew.
    kept: u32,
}

impl Connections {
    /// Those of a driver that waits for no longer than it was told to.
    pub(crate) fn local(pool: DatabaseConnection) -> Self {
        Self {
            pool,
            limit: Limit(None),
            with_connection: Limit(None),
            kept: 0,
        }
    }

    /// `kept` connections at most to a server, which is waited for: `limit` for a statement, `acquire` for a connection.
    pub(crate) fn remote(pool: DatabaseConnection, kept: u32, limit: Duration, acquire: Duration) -> Self {
        Self {
            pool,
            limit: Limit(Some(limit)),
            with_connection: Limit(Some(limit.saturating_add(acquire))),
            kept,
        }
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&self, options: TransactionOptions) -> Result<Transaction, DbErr> {
        let begun = self.on_a_live_one(|| Box::pin(self.begin_once(options))).await?;
        Ok(Transaction::new(begun, self.limit))
    }

    async fn begin_once(&self, options: TransactionOptions) -> Result<DatabaseTransaction, DbErr> {
        if self.limit.0.is_none() {
            return self.pool.begin_with_options(options).await;
        }
        // The driver forgets of a transaction that its `BEGIN` was sent when whoever waits for it goes away, and would
        // give the connection to the next with the transaction open: this task does not go away.
        let (pool, limit) = (self.pool.clone(), self.with_connection);
        let begin = async move { limit.hold(pool.begin_with_options(options)).await };
        let lost = |_| DbErr::Custom("the process is ending".into());
        tokio::spawn(begin).await.map_err(lost).flatten()
    }

    pub(crate) async fn ping(&self) -> Result<(), DbErr> {
        self.on_a_live_one(|| self.pool.execute_unprepared("SELECT 1"))
            .await
            .map(drop)
    }

    /// Waits until every connection is given back, and closes it.
    pub(crate) async fn close(&self) -> Result<(), DbErr> {
        self.with_connection.hold(self.pool.close_by_ref()).await
    }

    /// Connections that the server has ended meanwhile fail at what is first sent on them, which has then done nothing
    /// that counts: it is sent on another.
    async fn on_a_live_one<'a, T>(&self, ask: impl Fn() -> Answer<'a, T>) -> Result<T, DbErr> {
        let asking = async {
            for _ in 0..self.kept {
                match ask().await {
                    Err(error) if is_lost(&error) => {}
                    answer => return answer,
                }
            }
            ask().await
        };
        self.with_connection.hold(asking).await
    }
}

#[async_trait]
impl ConnectionTrait for Connections {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.with_connection.hold(self.pool.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.with_connection.hold(self.pool.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.on_a_live_one(|| self.pool.query_one_raw(statement.clone()))
            .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.on_a_live_one(|| self.pool.query_all_raw(statement.clone()))
            .await
    }
}
