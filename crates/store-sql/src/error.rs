//! What the database's errors mean.

use std::borrow::Cow;
use std::io::ErrorKind;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
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

/// Whether PostgreSQL undid the transaction in favour of another.
pub(crate) fn is_conflict(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(why) if why == CONFLICT)
}

/// Whether the connection is gone, by a word of the server or without one. What was sent last may have been done.
pub(crate) fn is_lost(error: &DbErr) -> bool {
    // What goes wrong before there is a connection is `DbErr::Conn`.
    let (DbErr::Exec(why) | DbErr::Query(why)) = error else {
        return false;
    };
    match why {
        RuntimeErr::SqlxError(error) => match &**error {
            SqlxError::Io(_) => true,
            error => sqlstate(error).is_some_and(|code| LOST.contains(&&*code) || code.starts_with("08")),
        },
        RuntimeErr::Internal(_) => false,
    }
}

/// Whether a server is not up yet, or has no connection left for now.
pub(crate) fn is_starting(error: &SqlxError) -> bool {
    match error {
        SqlxError::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        error => sqlstate(error).is_some_and(|code| matches!(&*code, "53300" | "57P03")),
    }
}

fn sqlstate(error: &SqlxError) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code().filter(|code| code.len() == 5)
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
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Meaning::Unavailable(NO_CONNECTION.into()),
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => Meaning::Unavailable(CLOSED.into()),
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
        SqlxError::PoolTimedOut => Meaning::Unavailable(NO_CONNECTION.into()),
        SqlxError::PoolClosed => Meaning::Unavailable(CLOSED.into()),
        // What is wrong with a certificate; it quotes none.
        SqlxError::Io(error) if error.kind() == ErrorKind::InvalidData => {
            Meaning::Unavailable(format!("TLS with the server failed: {error}"))
        }
        SqlxError::Tls(_) => Meaning::Unavailable(
            "TLS with the server failed: see sslmode and sslrootcert in the URL of the database".into(),
        ),
        SqlxError::Io(error) => Meaning::Unavailable(format!("input or output failed: {}", error.kind())),
        _ => Meaning::Unavailable("the driver refused the operation".into()),
    }
}

/// The meaning of an SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>. Messages may quote
/// values; the code says enough.
fn state_meaning(code: &str) -> Meaning {
    let told = match code {
        "23505" => return Meaning::Unique,
        "40001" | "40P01" => return Meaning::Unavailable(CONFLICT.into()),
        "42P01" | "42703" => return no_schema(),
        _ if code.starts_with("22") || code.starts_with("23") => return Meaning::Corrupt(named(code, "")),
        "XX001" | "XX002" => return Meaning::Corrupt(named(code, ": a page or an index is damaged")),
        "25006" => ": it takes no writes: name the primary in the URL",
        "25P03" => ": this process stopped for too long within a transaction",
        "3D000" => ": there is no database of that name: create it",
        "28000" | "28P01" => {
            ": the server does not let this user in: see the user and the password in the URL"
        }
        "42501" => ": the user lacks a right to the tables",
        "53100" => ": the disk of the server is full",
        "53200" => ": the server is out of memory",
        "53300" => ": the server has no connection left: lower database.max_connections, or raise its own",
        "55P03" => ": another transaction holds a lock for too long",
        "57014" => ": it took longer than database.statement_timeout",
        "57P01" | "57P02" | "57P03" => ": the server stops or starts",
        _ => "",
    };
    Meaning::Unavailable(named(code, told))
}

fn named(code: &str, told: &str) -> String {
    format!("SQLSTATE {code}{told}")
}

/// SQLSTATEs have five characters, SQLite's codes at most four digits.
fn code_meaning(code: Cow<'_, str>, message: &str) -> Meaning {
    if code.len() == 5 {
        return state_meaning(&code);
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

const CLOSED: &str = "the database is closed";
const CONFLICT: &str = "other transactions were in the way";
const NO_CONNECTION: &str = "no connection within database.acquire_timeout: the database does not answer, or all \
    connections are in use (database.max_connections)";

/// SQLSTATEs with which the server ends a connection: administrator, crash, idle within a transaction, idle.
const LOST: [&str; 4] = ["57P01", "57P02", "25P03", "57P05"];

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
            "53100", "57014", "53300", "25006",
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
    fn what_an_operator_can_mend_is_said() {
        for (code, part) in [
            ("25006", "name the primary"),
            ("28P01", "the password in the URL"),
            ("3D000", "create it"),
            ("53100", "disk of the server is full"),
            ("53300", "database.max_connections"),
            ("57014", "database.statement_timeout"),
        ] {
            let meaning = code_meaning(code.into(), "hunter2");
            assert!(
                matches!(&meaning, Meaning::Unavailable(text) if text.contains(part) && text.contains(code)),
                "{meaning:?}"
            );
        }
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
