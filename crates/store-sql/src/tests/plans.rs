//! Pages of lists are read in the order of an index, whatever they are pages of.

use sea_orm::{ConnectionTrait, DbBackend, QuerySelect, QueryTrait, Statement};
use symbolon_core::lookup::SessionsOf;
use symbolon_core::ports::{Change, RegisteredScope, UserQuery};
use symbolon_core::{ClientUid, Subject};
use uuid::Uuid;

use super::*;
use crate::lists::{self, all_users, holders, matching_clients, served, users_named};
use crate::session_list::latest;
use crate::transaction::Transaction;

on_each_database!(every_list_has_its_index);

/// How the database goes about a statement, in words; on PostgreSQL, where it must not read a small table as a whole.
async fn plan(tx: &Transaction, mut query: Statement) -> String {
    let is_postgres = tx.get_database_backend() == DbBackend::Postgres;
    if is_postgres {
        let only_indexes = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
            SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off";
        tx.execute_unprepared(only_indexes).await.unwrap();
    }
    let (explain, column) = if is_postgres {
        ("EXPLAIN ", "QUERY PLAN")
    } else {
        ("EXPLAIN QUERY PLAN ", "detail")
    };
    query.sql.insert_str(0, explain);
    let lines = tx.query_all_raw(query).await.unwrap();
    let lines = lines
        .iter()
        .map(|line| line.try_get::<String>("", column).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// SQLite says of an index that it makes itself which table's it is, and of a sort that it needs a B-tree.
async fn every_list_has_its_index(place: &super::Place) {
    let store = migrated_at(&place.url).await;
    let tx = store.snapshot().await.unwrap();
    let backend = tx.get_database_backend();
    let id = Uuid::from_u128(7);
    let after = lists::Place::named(id, "alice".to_owned());
    let after = Some(&after);
    let (role, prefix) = ("clerk".parse().unwrap(), "app".parse().unwrap());
    let query = UserQuery {
        role: Some("clerk".parse().unwrap()),
        active: Some(true),
        ..UserQuery::default()
    };
    let at = FakeClock::START;
    let sessions = |of: SessionsOf| latest(&of, at, Some(id)).limit(10).build(backend);
    let client = SessionsOf::Client(ClientUid(id), "app".parse().unwrap());
    for (list, on_postgres, on_sqlite) in [
        (
            all_users(None, after).limit(10).build(backend),
            "users_pkey",
            "sqlite_autoindex_users_1",
        ),
        (
            all_users(Some(false), after).limit(10).build(backend),
            "users_active_subject",
            "users_active_subject",
        ),
        (
            holders(&role, Some(true), after, 10).build(backend),
            "user_roles_role_subject",
            "user_roles_role_subject",
        ),
        (
            users_named(&tx, "al", &query, after, 10).build(backend),
            "user_names_name_bytes",
            "sqlite_autoindex_user_names_1",
        ),
        (
            matching_clients(&tx, Some(&prefix), Some(true), after)
                .limit(10)
                .build(backend),
            "clients_client_id_bytes",
            "clients_client_id",
        ),
        (
            matching_clients(&tx, None, None, after).limit(10).build(backend),
            "clients_pkey",
            "sqlite_autoindex_clients_1",
        ),
        (
            served(&tx, Some("urn:a"), 10).build(backend),
            "resource_servers_audience_bytes",
            "sqlite_autoindex_resource_servers_1",
        ),
        (
            sessions(SessionsOf::All),
            "sessions_pkey",
            "sqlite_autoindex_sessions_1",
        ),
        (
            sessions(SessionsOf::Subject(Subject(id))),
            "sessions_subject_sid",
            "sessions_subject_sid",
        ),
        (
            sessions(client),
            "sessions_client_uid_sid",
            "sessions_client_uid_sid",
        ),
    ] {
        let index = match backend {
            DbBackend::Postgres => on_postgres,
            _ => on_sqlite,
        };
        let sql = list.sql.clone();
        let plan = plan(&tx, list).await;
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(
            !plan.contains("Sort") && !plan.contains("TEMP B-TREE"),
            "{sql}\n{plan}"
        );
        assert!(!plan.contains("SCAN users"), "{sql}\n{plan}");
    }
}

/// Capitals stand among small letters in most languages, and hyphens count for little.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_in_byte_order_whatever_the_collation() {
    use symbolon_testkit::contract::lists;

    let server = Postgres::shared();
    for case in 0..3 {
        let url = server.fresh_database().await;
        let (start, name) = url.rsplit_once('/').unwrap();
        let name = format!("{name}_en");
        let english = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'";
        server.sql("postgres", &format!("CREATE DATABASE {name} {english}"));
        let store = migrated_at(&format!("{start}/{name}")).await;
        let fixture = Fixture::of(store, ());
        match case {
            0 => lists::users_are_found_by_the_beginning_of_a_name(&fixture).await,
            1 => lists::clients_are_found_by_the_beginning_of_their_id(&fixture).await,
            _ => lists::audiences_are_listed_with_who_serves_them(&fixture).await,
        }
    }
}

/// Those that are there can still be replaced.
#[tokio::test]
async fn the_register_of_scopes_is_bounded() {
    let store = migrated_at("sqlite::memory:").await;
    let full = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) \
        INSERT INTO scopes SELECT 'scope' || i, '' FROM n";
    store.inner.write.execute_unprepared(full).await.unwrap();
    let scope = |name: &str, text: &str| RegisteredScope::new(name.parse().unwrap(), text).unwrap();
    let put = async |name: &str, text: &str| admin(&store).put_scope(&scope(name, text)).await;
    assert_eq!(put("last", "").await.unwrap(), Change::Done);
    let error = put("one-more", "").await.unwrap_err();
    assert!(error.to_string().contains("delete one first"), "{error}");
    assert_eq!(put("scope7", "lucky").await.unwrap(), Change::Done);
    assert_eq!(admin(&store).scopes().await.unwrap().len(), 1000);
}
