//! Transactions: how they begin, what they lock, and how they end.
//!
//! SQLite has one writer at a time. PostgreSQL has many, so whoever decides by what is kept locks it first, in this
//! order, which keeps two from waiting for each other:
//!
//! 1. the head of the log ([`Lock`]): one who changes the log or a fact is alone, those who decide by its position and
//!    change neither are among themselves;
//! 2. the row of the key schedule;
//! 3. sessions, each by a lock on its id, in order;
//! 4. rows of one table, in the order of their keys; sweepers, who take them in another, pass over what is locked;
//! 5. the head of the audit trail, by its row: whoever has it waits for nobody any more.
//!
//! The head is locked as a table, since such locks are given in the order in which they were asked for: a lock on its
//! row would be given to every new login and rotation while a revocation waits, for as long as they come.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, IsolationLevel,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions,
};
use symbolon_core::ports::{StoreError, StoreResult};

use crate::connection::{Connections, Limit, SILENT};
use crate::error::{is_conflict, is_lost, store_error};

/// What a transaction that writes has locked from its beginning on. SQLite locks everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lock {
    /// Nothing: it changes rows by themselves, each under a condition that the database sees to, or locks first what it
    /// decides by.
    Rows,
    /// The log and the facts do not move on before it ends.
    Head,
    /// Nobody else changes the log or a fact before it ends, nor decides by them.
    HeadAlone,
}

impl Lock {
    /// For PostgreSQL.
    fn statement(self) -> Option<&'static str> {
        match self {
            Self::Rows => None,
            Self::Head => Some("LOCK TABLE revocation_head IN SHARE MODE"),
            Self::HeadAlone => Some("LOCK TABLE revocation_head IN SHARE ROW EXCLUSIVE MODE"),
        }
    }
}

/// A transaction. Dropped without [`commit`] it has changed nothing.
pub(crate) struct Transaction {
    inner: DatabaseTransaction,
    limit: Limit,
    /// A statement has failed. PostgreSQL would answer a commit as if it had been one.
    failed: AtomicBool,
}

impl Transaction {
    pub(crate) fn new(inner: DatabaseTransaction, limit: Limit) -> Self {
        Self {
            inner,
            limit,
            failed: AtomicBool::new(false),
        }
    }

    /// The driver's own, whose answers nobody bounds.
    pub(crate) fn unbounded(&self) -> &DatabaseTransaction {
        &self.inner
    }

    async fn hold<T>(&self, answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let answer = self.limit.hold(answer).await;
        if answer.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        answer
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.hold(self.inner.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.hold(self.inner.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.hold(self.inner.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.hold(self.inner.query_all_raw(statement)).await
    }
}

/// A transaction whose statements all read one state.
pub(crate) async fn snapshot(connections: &Connections) -> StoreResult<Transaction> {
    let options = match connections.get_database_backend() {
        DbBackend::Sqlite => TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
            ..TransactionOptions::default()
        },
        _ => TransactionOptions {
            isolation_level: Some(IsolationLevel::RepeatableRead),
            access_mode: Some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        },
    };
    connections.begin(options).await.map_err(store_error)
}

/// A transaction that writes. On SQLite it has the write lock from its first statement on: a transaction that
/// reads first and asks for the lock later is refused when another has written in between. On PostgreSQL each of its
/// statements reads what was committed before it: what is read after a lock was given is what the lock protects.
pub(crate) async fn writing(connections: &Connections, lock: Lock) -> StoreResult<Transaction> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let tx = connections.begin(options).await.map_err(store_error)?;
    if let (DbBackend::Postgres, Some(lock)) = (tx.get_database_backend(), lock.statement()) {
        tx.execute_unprepared(lock).await.map_err(store_error)?;
    }
    Ok(tx)
}

/// Makes the transaction's changes durable. Where the database goes away meanwhile, whether they are is not known.
pub(crate) async fn commit(tx: Transaction) -> StoreResult<()> {
    if tx.failed.into_inner() {
        let why = "a statement of the transaction has failed: nothing was changed";
        return Err(StoreError::Unavailable(why.into()));
    }
    match tx.limit.hold(tx.inner.commit()).await {
        Err(error) if is_lost(&error) || matches!(&error, DbErr::Custom(why) if why == SILENT) => {
            let why = "the database went away during the commit: whether the change was made is not known";
            Err(StoreError::Unavailable(why.into()))
        }
        ended => ended.map_err(store_error),
    }
}

/// Most times that a transaction is tried.
const ATTEMPTS: u32 = 4;
/// How long to wait after the first that failed; after the next, as much more.
const PAUSE: Duration = Duration::from_millis(10);

/// Makes the transaction that `attempt` is, again where PostgreSQL undid it in favour of another (a deadlock, a failure
/// to serialize): it has changed nothing then. What it does must follow from its input and from what it reads.
pub(crate) async fn retried<T, F>(mut attempt: impl FnMut() -> F) -> StoreResult<T>
where
    F: Future<Output = StoreResult<T>>,
{
    for failed in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if is_conflict(&error) => tokio::time::sleep(PAUSE * failed).await,
            outcome => return outcome,
        }
    }
    attempt().await
}
