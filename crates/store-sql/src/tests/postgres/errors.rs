//! What the errors of a real server mean.

use std::sync::atomic::{AtomicU32, Ordering};

use symbolon_core::ports::{FactStore, RevocationLog, UserQuery};
use symbolon_core::revocation::NewRevocation;
use symbolon_testkit::user;
use tokio::sync::Barrier;

use super::*;
use crate::error::unless_taken;
use crate::transaction::{Lock, Transaction, commit, retried};

#[tokio::test]
async fn what_contradicts_the_schema_is_corrupt_or_taken() {
    let store = opened(&database().await).await;
    let role = "INSERT INTO roles (name) VALUES ('admin')";
    meddle(&store, role).await.unwrap();
    let again = store.inner.write.execute_unprepared(role).await;
    assert!(unless_taken(again).unwrap().is_none());
    for (sql, code) in [
        ("INSERT INTO role_scopes VALUES ('nobody', 'x')", "23503"),
        ("INSERT INTO roles VALUES (NULL)", "23502"),
        (
            "INSERT INTO revocation_head VALUES (2, gen_random_uuid(), 0, 0)",
            "23514",
        ),
        ("INSERT INTO roles VALUES (repeat('x', 65))", "22001"),
        ("SELECT 'hunter2'::bigint", "22P02"),
    ] {
        let error = meddle(&store, sql).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt(why) if why == &format!("SQLSTATE {code}")),
            "{sql}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_database_without_tables_names_the_remedy() {
    let store = opened(&Postgres::shared().fresh_database().await).await;
    assert_unavailable(store.head().await, "symbolon migrate");
    assert_unavailable(
        store
            .append(&NewRevocation::all(FakeClock::START), FakeClock::START)
            .await,
        "symbolon migrate",
    );
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_read() {
    let url = database().await;
    let read_only = format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database_name(&url)
    );
    Postgres::shared().sql("postgres", &read_only);
    let store = opened(&url).await;
    let applied = store.head().await.unwrap();
    assert_eq!(store.subject(&"alice".parse().unwrap()).await.unwrap(), None);
    assert_eq!(
        admin(&store)
            .users(&UserQuery::default(), None, 10)
            .await
            .unwrap()
            .items
            .len(),
        0
    );
    let revocation = NewRevocation::all(FakeClock::START);
    assert_unavailable(
        store.append(&revocation, FakeClock::START).await,
        "25006: it takes no writes",
    );
    assert_eq!(store.head().await.unwrap(), applied);
}

#[tokio::test]
async fn statements_and_locks_are_waited_for_so_long() {
    let url = database().await;
    let (store, other) = (opened_by(&impatient(&url)).await, opened(&url).await);
    let slow = meddle(&store, "SELECT pg_sleep(600)").await;
    assert_unavailable(slow, "57014: it took longer than database.statement_timeout");
    let locked = other.writing(Lock::HeadAlone).await.unwrap();
    let revocation = NewRevocation::all(FakeClock::START);
    assert_unavailable(
        store.append(&revocation, FakeClock::START).await,
        "55P03: another transaction holds a lock",
    );
    drop(locked);
    assert_eq!(
        other
            .append(&revocation, FakeClock::START)
            .await
            .unwrap()
            .head
            .seq,
        1
    );
}

/// A node that stops within a transaction does not keep the others waiting for longer than they wait.
#[tokio::test]
async fn a_transaction_that_stands_still_is_ended() {
    let url = database().await;
    let (stuck, store) = (opened_by(&impatient(&url)).await, opened(&url).await);
    let locked = stuck.writing(Lock::HeadAlone).await.unwrap();
    let revocation = NewRevocation::all(FakeClock::START);
    assert_eq!(
        store
            .append(&revocation, FakeClock::START)
            .await
            .unwrap()
            .head
            .seq,
        1
    );
    assert_unavailable(commit(locked).await, "not known");
    assert_eq!(
        stuck
            .append(&revocation, FakeClock::START)
            .await
            .unwrap()
            .head
            .seq,
        2
    );
}

#[tokio::test]
async fn nothing_is_committed_behind_a_statement_that_failed() {
    let store = opened(&database().await).await;
    let tx = store.writing(Lock::Rows).await.unwrap();
    tx.execute_unprepared("INSERT INTO roles VALUES ('a')")
        .await
        .unwrap();
    tx.execute_unprepared("INSERT INTO roles VALUES ('a')")
        .await
        .unwrap_err();
    assert_unavailable(commit(tx).await, "nothing was changed");
    assert!(admin(&store).roles().await.unwrap().is_empty());
}

#[tokio::test]
async fn all_connections_in_use_names_the_settings() {
    let config = SqlConfig {
        max_connections: 1,
        ..impatient(&database().await)
    };
    let store = opened_by(&config).await;
    let held = store.writing(Lock::Rows).await.unwrap();
    let name = "alice".parse().unwrap();
    assert_unavailable(store.subject(&name).await, "database.max_connections");
    assert_unavailable(store.subject(&name).await, "database.acquire_timeout");
    drop(held);
    store.subject(&name).await.unwrap();
}

/// What a node must know to go on serving it learns, however many requests wait for each other.
#[tokio::test]
async fn requests_do_not_keep_a_node_from_the_log() {
    let config = SqlConfig {
        max_connections: 2,
        ..impatient(&database().await)
    };
    let store = opened_by(&config).await;
    let revocation = NewRevocation::all(FakeClock::START);
    let head = store.append(&revocation, FakeClock::START).await.unwrap().head;
    let _locked = store.writing(Lock::HeadAlone).await.unwrap();
    let _held = store.writing(Lock::Rows).await.unwrap();
    let append = store.append(&revocation, FakeClock::START).await;
    assert_unavailable(append, "database.max_connections");
    assert_eq!(store.head().await.unwrap(), head);
    assert_eq!(store.entries(0, FakeClock::START, 10).await.unwrap().len(), 1);
    assert_eq!(store.tip_at(1).await.unwrap(), Some(head.tip));
    store.ping().await.unwrap();
    assert!(store.time_micros().await.unwrap().is_some());
}

/// Two transactions that lock two rows each in the order of the other: one is undone, and made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_undone_for_another_is_made_again() {
    let store = opened(&database().await).await;
    meddle(&store, "INSERT INTO roles VALUES ('a'), ('b')")
        .await
        .unwrap();
    let (both, attempts) = (Barrier::new(2), AtomicU32::new(0));
    let make = async |first: &str, second: &str| -> Result<(), StoreError> {
        let tx = store.writing(Lock::Rows).await?;
        lock_role(&tx, first).await?;
        if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
            both.wait().await;
        }
        lock_role(&tx, second).await?;
        commit(tx).await
    };
    let (one, other) = tokio::join!(retried(|| make("a", "b")), retried(|| make("b", "a")));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert!(attempts.into_inner() > 2, "nothing was undone");
}

async fn lock_role(tx: &Transaction, name: &str) -> Result<(), StoreError> {
    let lock = format!("SELECT 1 FROM roles WHERE name = '{name}' FOR UPDATE");
    let locked = tx.execute_unprepared(&lock).await;
    locked.map(drop).map_err(crate::error::store_error)
}

#[tokio::test]
async fn the_clock_of_the_server_is_told() {
    let server = Postgres::shared();
    let store = opened(&server.url("postgres")).await;
    let now = || -> u64 {
        let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        server.sql("postgres", now).parse().unwrap()
    };
    let before = now();
    let told = store.time_micros().await.unwrap().unwrap();
    assert!((before..=now()).contains(&told));
    assert_eq!(opened("sqlite::memory:").await.time_micros().await.unwrap(), None);
}

/// Names are compared by their characters alone, whatever the language of the database.
#[tokio::test]
async fn names_are_told_apart_in_a_database_of_any_language() {
    let server = Postgres::shared();
    let create = "CREATE DATABASE icelandic TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'is'";
    server.sql("postgres", create);
    let store = opened(&server.url("icelandic")).await;
    store.migrate(&SeqRng::new()).await.unwrap();
    for name in ["aoife", "aoi\u{66}\u{301}e", "áoife"] {
        admin(&store).add_user(&user(name).build_new()).await.unwrap();
        assert!(
            store.subject(&name.parse().unwrap()).await.unwrap().is_some(),
            "{name}"
        );
    }
    assert_eq!(
        admin(&store)
            .users(&UserQuery::default(), None, 10)
            .await
            .unwrap()
            .items
            .len(),
        3
    );
}
