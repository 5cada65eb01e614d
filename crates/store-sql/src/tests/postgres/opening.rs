//! URLs, and what connections are set to.

use rcgen::{CertificateParams, KeyPair};

use super::*;

#[tokio::test]
async fn urls_that_are_not_understood_are_refused_and_not_quoted() {
    for (url, part) in [
        (
            "postgres://u:hunter2@localhost/x?options=-c%20fsync%3Dhunter2",
            "not supported",
        ),
        (
            "postgres://u:hunter2@localhost/x?sslmode=disable&hunter2",
            "not supported",
        ),
        ("postgres://u:hunter2@localhost:hunter2/x", "not understood"),
        (
            "postgresql://u:hunter2@localhost/x?sslmode=hunter2",
            "not understood",
        ),
    ] {
        let config = SqlConfig::new(url);
        let outcome = SqlStore::connect(&config, Arc::new(FakeClock::new())).await;
        let text = format!("{outcome:?} {config:?}");
        assert_unavailable(outcome, part);
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_says_why() {
    let server = Postgres::shared();
    let connect = async |url: String| SqlStore::connect(&impatient(&url), Arc::new(FakeClock::new())).await;
    assert_unavailable(connect(server.url("nowhere")).await, "3D000");
    let stranger = server.url("postgres").replace("symbolon@", "stranger@");
    assert_unavailable(connect(stranger).await, "28000");
    let nobody_there = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody_there.local_addr().unwrap().port();
    let config = SqlConfig {
        connect_timeout: Duration::from_millis(300),
        ..SqlConfig::new(format!("postgres://u@127.0.0.1:{port}/x"))
    };
    let silent = SqlStore::connect(&config, Arc::new(FakeClock::new())).await;
    assert_unavailable(silent, "database.connect_timeout");
    drop(nobody_there);
    let refused = SqlStore::connect(&config, Arc::new(FakeClock::new())).await;
    assert_unavailable(refused, "connection refused");
}

#[tokio::test]
async fn every_session_is_set_to_end() {
    let store = opened(&Postgres::shared().url("postgres")).await;
    for (name, expected) in [
        ("application_name", "symbolon"),
        ("default_transaction_isolation", "read committed"),
        ("idle_in_transaction_session_timeout", "2500ms"),
        ("lock_timeout", "4s"),
        ("statement_timeout", "5s"),
        ("tcp_keepalives_idle", "5"),
    ] {
        assert_eq!(shown(&store, &format!("SHOW {name}")).await, expected, "{name}");
    }
    let named = format!("{}?application_name=other", Postgres::shared().url("postgres"));
    assert_eq!(
        shown(&opened(&named).await, "SHOW application_name").await,
        "other"
    );
}

async fn shown(store: &SqlStore, sql: &str) -> String {
    let backend = store.inner.read.get_database_backend();
    let statement = sea_orm::Statement::from_string(backend, sql);
    let row = store.inner.read.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn the_server_is_who_its_certificate_says() {
    let server = Postgres::start(&[]);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    server.give("server.key", &key.serialize_pem());
    server.give("server.crt", &certificate);
    server.sql("postgres", "ALTER SYSTEM SET ssl = on");
    server.restart();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, certificate).unwrap();

    let verified = format!("{}?sslmode=verify-full", server.url("postgres"));
    let refused = SqlStore::connect(&impatient(&verified), Arc::new(FakeClock::new())).await;
    assert_unavailable(refused, "TLS with the server failed");
    let store = opened(&format!("{verified}&sslrootcert={}", root.display())).await;
    let encrypted = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(shown(&store, encrypted).await, "TLSv1.3");
    store.close().await;
}
