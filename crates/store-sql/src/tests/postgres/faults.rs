//! What becomes of the store when the server goes away.

use std::future::Future;

use symbolon_core::ports::RevocationLog;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rotation::Rotation;

use super::*;
use crate::transaction::{Lock, commit};

/// A server of its own with a database that has the schema.
async fn server(settings: &[&str]) -> (Postgres, String) {
    let server = Postgres::start(settings);
    let url = server.fresh_database().await;
    opened(&url).await.migrate(&SeqRng::new()).await.unwrap();
    (server, url)
}

/// However long a machine that is busy makes it: an answer comes.
async fn answered<T>(answer: impl Future<Output = T>) -> T {
    let bound = Duration::from_secs(60);
    tokio::time::timeout(bound, answer).await.expect("an answer")
}

#[tokio::test]
async fn connections_that_were_cut_are_made_again() {
    let url = database().await;
    let store = opened(&url).await;
    let request = begun(&store).await;
    // More than one, so that there is more than one to lose.
    let held = [store.snapshot().await.unwrap(), store.snapshot().await.unwrap()];
    drop(held);
    for _ in 0..2 {
        Postgres::shared().cut_connections(&url);
        assert_eq!(store.head().await.unwrap(), request.applied);
        store.ping().await.unwrap();
    }
    Postgres::shared().cut_connections(&url);
    assert!(matches!(
        store.rotate(&request).await,
        Ok(Rotation::Rotated { .. })
    ));

    let tx = store.writing(Lock::HeadAlone).await.unwrap();
    Postgres::shared().cut_connections(&url);
    assert_unavailable(commit(tx).await, "whether the change was made is not known");
    assert_eq!(store.head().await.unwrap(), request.applied);
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let (server, url) = server(&[]).await;
    let store = opened_by(&impatient(&url)).await;
    let request = begun(&store).await;
    let revocation = NewRevocation::all(request.now);
    for end in [Postgres::stop as fn(&Postgres), Postgres::kill] {
        end(&server);
        assert_unavailable(answered(store.head()).await, "database.acquire_timeout");
        assert_unavailable(answered(store.append(&revocation, request.now)).await, "");
        assert_unavailable(answered(store.rotate(&request)).await, "");
        server.restart();
        assert_eq!(store.head().await.unwrap(), request.applied);
    }
    assert!(matches!(
        store.rotate(&request).await,
        Ok(Rotation::Rotated { .. })
    ));
    store.close().await;
}

#[tokio::test]
async fn a_server_that_stands_still_keeps_nobody_waiting_forever() {
    let (server, url) = server(&[]).await;
    let store = opened_by(&impatient(&url)).await;
    let request = begun(&store).await;
    let revocation = NewRevocation::all(request.now);
    let tx = store.writing(Lock::Rows).await.unwrap();
    server.freeze();
    assert_unavailable(
        answered(commit(tx)).await,
        "whether the change was made is not known",
    );
    for _ in 0..2 {
        assert_unavailable(answered(store.head()).await, "no");
        assert_unavailable(answered(store.append(&revocation, request.now)).await, "no");
        assert_unavailable(answered(store.rotate(&request)).await, "no");
    }
    let late = SqlConfig {
        connect_timeout: Duration::from_millis(300),
        ..impatient(&url)
    };
    let opening = answered(SqlStore::connect(&late, Arc::new(FakeClock::new()))).await;
    assert_unavailable(opening, "database.connect_timeout");
    server.thaw();
    let head = answered(until_answered(|| store.head())).await;
    assert!(
        head.seq <= 4,
        "what was sent may have been done, each once: {head:?}"
    );
    let rotated = answered(until_answered(|| store.rotate(&request))).await;
    assert!(
        matches!(rotated, Rotation::Rotated { .. } | Rotation::CatchUp),
        "{rotated:?}"
    );
    answered(store.close()).await;
}

/// A server that was stopped works off what it was sent before it answers again.
async fn until_answered<T, F: Future<Output = Result<T, StoreError>>>(ask: impl Fn() -> F) -> T {
    loop {
        if let Ok(answer) = ask().await {
            return answer;
        }
    }
}

#[tokio::test]
async fn closing_does_not_wait_for_a_server_that_stands_still() {
    let (server, url) = server(&[]).await;
    let store = opened_by(&impatient(&url)).await;
    store.head().await.unwrap();
    server.freeze();
    assert_unavailable(answered(store.ping()).await, "no");
    answered(store.close()).await;
    assert_unavailable(store.head().await, "closed");
    server.thaw();
}

#[tokio::test]
async fn a_server_without_a_connection_left_names_the_settings() {
    let (server, url) = server(&["max_connections=4", "superuser_reserved_connections=0"]).await;
    let patient = SqlConfig {
        statement_timeout: Duration::from_secs(60),
        ..config(&url)
    };
    let store = opened_by(&patient).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        // The server may not have noticed yet that others have gone.
        held.push(answered(until_answered(|| store.snapshot())).await);
    }
    let late = SqlConfig {
        connect_timeout: Duration::from_millis(300),
        ..impatient(&url)
    };
    let opening = SqlStore::connect(&late, Arc::new(FakeClock::new())).await;
    assert_unavailable(opening, "lower database.max_connections");
    drop(held);
    store.close().await;
    drop(server);
}
