//! The store on real files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::ports::SessionStore;
use symbolon_testkit::{FakeClock, Fixture, SeqRng};
use tempfile::TempDir;

use crate::sqlite::Patience;
use crate::{SqlConfig, SqlStore};

mod files;
mod overload;
mod processes;
mod rows;
mod schema;

mod contract_on_a_file {
    symbolon_testkit::store_contract!(crate::tests::on_a_file);
}

mod contract_in_memory {
    symbolon_testkit::store_contract!(crate::tests::in_memory);
}

async fn on_a_file() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = migrated(&folder.path().join("db")).await;
    Fixture::of(store, folder)
}

async fn in_memory() -> Fixture {
    let store = opened("sqlite::memory:", Patience::DEFAULT).await;
    store.migrate(&SeqRng::new()).await.unwrap();
    Fixture::of(store, ())
}

async fn opened(url: &str, patience: Patience) -> SqlStore {
    let config = SqlConfig {
        url: url.to_owned(),
        max_connections: 4,
    };
    let clock = Arc::new(FakeClock::new());
    SqlStore::connect_with(&config, clock, patience).await.unwrap()
}

async fn migrated(path: &Path) -> SqlStore {
    let store = opened(&url(path), Patience::DEFAULT).await;
    store.migrate(&SeqRng::new()).await.unwrap();
    store
}

/// A store that waits for nothing, on a database that another process can lock.
async fn impatient(folder: &TempDir) -> (SqlStore, SqlStore) {
    let path = folder.path().join("db");
    let other = migrated(&path).await;
    let patience = Patience {
        lock: Duration::ZERO,
        ..Patience::DEFAULT
    };
    (opened(&url(&path), patience).await, other)
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// A session of the store and a request that rotates it.
async fn begun(store: &SqlStore) -> symbolon_core::rotation::RotationRequest {
    use symbolon_core::ports::{Begin, NewSession, RevocationLog};
    use symbolon_core::rotation::{RotationRequest, RotationRules};
    use symbolon_testkit::{fresh_client_uid, fresh_session, fresh_subject};

    let now = FakeClock::START;
    let session = NewSession {
        session: fresh_session(now),
        subject: fresh_subject(),
        client: fresh_client_uid(),
        scope: "orders:read".into(),
        ends: now.plus(1_000_000),
        issued: now,
        address: None,
        user_agent: None,
        refreshable: true,
    };
    let applied = store.head().await.unwrap();
    assert_eq!(store.begin(&session, applied).await.unwrap(), Begin::Begun);
    RotationRequest {
        session: session.session,
        subject: session.subject,
        presented: 0,
        ends: session.ends,
        applied,
        now: now.plus(10),
        rules: RotationRules {
            rotate: true,
            overlap_ms: 30_000,
            late_per_day: Some(1),
            adopt: false,
        },
    }
}
