//! Transactions: how they begin and how they end.

use sea_orm::{
    AccessMode, DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use symbolon_core::ports::StoreResult;

use crate::error::store_error;

/// A transaction whose statements all read one state.
pub(crate) async fn snapshot(db: &DatabaseConnection) -> StoreResult<DatabaseTransaction> {
    let options = match db.get_database_backend() {
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
    db.begin_with_options(options).await.map_err(store_error)
}

/// A transaction that writes. On SQLite it has the write lock from its first statement on: a transaction that
/// reads first and asks for the lock later is refused when another has written in between.
pub(crate) async fn writing(db: &DatabaseConnection) -> StoreResult<DatabaseTransaction> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    db.begin_with_options(options).await.map_err(store_error)
}

/// Makes the transaction's changes durable.
pub(crate) async fn commit(transaction: DatabaseTransaction) -> StoreResult<()> {
    transaction.commit().await.map_err(store_error)
}
