//! What the database's errors mean.

use std::borrow::Cow;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};
use symbolon_core::ports::{StoreError, StoreResult};

/// What an error means for the caller.
#[derive(Debug, Eq, PartialEq)]
enum Meaning {
    /// What is kept can't be, or what was to be written contradicts the schema.
    Corrupt(String),
    /// A key is taken: an outcome for those who expect it.
    Unique,
    /// Trying again may help.
    Unavailable(String),
}

/// The store's error of a database error that no outcome stands for.
pub(crate) fn store_error(error: DbErr) -> StoreError {
    match meaning(&error) {
        Meaning::Corrupt(what) => StoreError::Corrupt(what),
        Meaning::Unavailable(what) => StoreError::Unavailable(what),
        Meaning::Unique => StoreError::Corrupt("a key that must be new is taken".into()),
    }
}

/// The store's error of a driver's error at opening.
pub(crate) fn opening_error(error: SqlxError) -> StoreError {
    store_error(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}

/// Whether SQLite refused to wait for another's lock.
pub(crate) fn is_busy(error: &SqlxError) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xFF == SQLITE_BUSY)
}

/// `None` where a key is taken. The transaction is then good for nothing but being dropped.
pub(crate) fn unless_taken<T>(result: Result<T, DbErr>) -> StoreResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if meaning(&error) == Meaning::Unique => Ok(None),
        Err(error) => Err(store_error(error)),
    }
}

fn meaning(error: &DbErr) -> Meaning {
    match error {
        DbErr::ConnectionAcquire(why) => Meaning::Unavailable(why.to_string()),
        DbErr::Conn(why) | DbErr::Exec(why) | DbErr::Query(why) => match why {
            RuntimeErr::SqlxError(error) => driver_meaning(error),
            RuntimeErr::Internal(_) => Meaning::Unavailable("the connection is lost".into()),
        },
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } | DbErr::ConvertFromU64(_) => {
            Meaning::Corrupt("a column holds a value of another type".into())
        }
        DbErr::Custom(why) | DbErr::Migration(why) => Meaning::Unavailable(why.clone()),
        _ => Meaning::Unavailable("the database refused the operation".into()),
    }
}

fn driver_meaning(error: &SqlxError) -> Meaning {
    match error {
        SqlxError::Database(error) => match error.code() {
            Some(code) => code_meaning(code, error.message()),
            None => Meaning::Unavailable("the database gave an error without a code".into()),
        },
        SqlxError::ColumnDecode { index, .. } => {
            Meaning::Corrupt(format!("column {index} holds a value of another type"))
        }
        SqlxError::Decode(_)
        | SqlxError::ColumnIndexOutOfBounds { .. }
        | SqlxError::ColumnNotFound(_)
        | SqlxError::TypeNotFound { .. } => Meaning::Corrupt("a row has another shape than expected".into()),
        SqlxError::PoolTimedOut => Meaning::Unavailable("every connection is busy".into()),
        SqlxError::PoolClosed => Meaning::Unavailable("the database is closed".into()),
        SqlxError::Io(error) => Meaning::Unavailable(format!("input or output failed: {}", error.kind())),
        _ => Meaning::Unavailable("the driver refused the operation".into()),
    }
}

/// SQLSTATEs have five characters, SQLite's codes at most four digits.
fn code_meaning(code: Cow<'_, str>, message: &str) -> Meaning {
    if code.len() == 5 {
        // Messages may quote values; the code says enough.
        return match &*code {
            "23505" => Meaning::Unique,
            "42P01" => no_schema(),
            "XX001" | "XX002" => Meaning::Corrupt(format!("SQLSTATE {code}")),
            _ if code.starts_with("22") || code.starts_with("23") => {
                Meaning::Corrupt(format!("SQLSTATE {code}"))
            }
            _ => Meaning::Unavailable(format!("SQLSTATE {code}")),
        };
    }
    let number: u32 = code.parse().unwrap_or_default();
    // <https://www.sqlite.org/rescode.html>: the low byte of an extended code is the primary one.
    let text = format!("SQLite error {code}: {message}");
    match (number, number & 0xFF) {
        // There is no code of its own for a missing table.
        (SQLITE_ERROR, _) if message.starts_with("no such table") => no_schema(),
        (SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE, _) => Meaning::Unique,
        (_, SQLITE_CORRUPT | SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH | SQLITE_NOTADB) => {
            Meaning::Corrupt(text)
        }
        _ => Meaning::Unavailable(text),
    }
}

fn no_schema() -> Meaning {
    Meaning::Unavailable("the database lacks tables: run `symbolon migrate`".into())
}

const SQLITE_ERROR: u32 = 1;
const SQLITE_BUSY: u32 = 5;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_TOOBIG: u32 = 18;
const SQLITE_CONSTRAINT: u32 = 19;
const SQLITE_MISMATCH: u32 = 20;
const SQLITE_NOTADB: u32 = 26;
const SQLITE_CONSTRAINT_PRIMARYKEY: u32 = 1555;
const SQLITE_CONSTRAINT_UNIQUE: u32 = 2067;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_have_their_meaning() {
        let meaning = |code: &str| code_meaning(code.to_owned().into(), "text");
        for unique in ["23505", "1555", "2067"] {
            assert_eq!(meaning(unique), Meaning::Unique, "{unique}");
        }
        // Busy, busy snapshot, locked, read-only, I/O, full, can't open; serialization, deadlock, shutdown, no table.
        for code in [
            "5", "517", "6", "8", "10", "13", "14", "1", "40001", "40P01", "57P01", "42P01", "08006",
        ] {
            assert!(matches!(meaning(code), Meaning::Unavailable(_)), "{code}");
        }
        // Corrupt, foreign key, not null, check, not a database; bad data, foreign key, corrupted page.
        for code in ["11", "787", "1299", "275", "26", "22P02", "23503", "XX001"] {
            assert!(matches!(meaning(code), Meaning::Corrupt(_)), "{code}");
        }
    }

    #[test]
    fn a_missing_table_names_the_remedy() {
        let expected = Meaning::Unavailable("the database lacks tables: run `symbolon migrate`".into());
        assert_eq!(code_meaning("42P01".into(), ""), expected);
        assert_eq!(code_meaning("1".into(), "no such table: users"), expected);
    }

    #[test]
    fn messages_that_may_quote_values_are_left_out() {
        let Meaning::Corrupt(text) = code_meaning("22P02".into(), "invalid input: \"hunter2\"") else {
            panic!("data that does not parse is corrupt");
        };
        assert_eq!(text, "SQLSTATE 22P02");
    }

    #[test]
    fn pool_and_decoding_errors_have_their_meaning() {
        for error in [SqlxError::PoolTimedOut, SqlxError::PoolClosed] {
            assert!(matches!(driver_meaning(&error), Meaning::Unavailable(_)));
        }
        let decode = SqlxError::ColumnDecode {
            index: "\"digest\"".into(),
            source: "hunter2".into(),
        };
        assert_eq!(
            driver_meaning(&decode),
            Meaning::Corrupt("column \"digest\" holds a value of another type".into())
        );
    }
}
