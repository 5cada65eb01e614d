//! The store on real files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::UnixMillis;
use symbolon_core::ports::{AdminStore, AdminStores, Begin, NewSession, RevocationLog, SessionStore};
use symbolon_core::rotation::{RotationRequest, RotationRules};
use symbolon_testkit::servers::postgres::{Postgres, database_name};
use symbolon_testkit::{FakeClock, Fixture, SeqRng, fresh_client_uid, fresh_session, fresh_subject};
use tempfile::TempDir;

use crate::{SqlConfig, SqlStore};

/// Makes two tests of each case, which takes a [`Place`].
macro_rules! on_each_database {
    ($($case:ident),* $(,)?) => {
        on_each_database!(@on on_a_file, file, [$($case),*]);
        on_each_database!(@on on_postgres, on_the_server, [$($case),*]);
    };
    (@on $module:ident, $place:ident, [$($case:ident),*]) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(&crate::tests::$place().await).await;
                }
            )*
        }
    };
}

mod audit;
mod files;
mod history;
mod notify;
mod overload;
mod plans;
mod postgres;
mod processes;
mod rows;
mod schema;

mod contract_on_a_file {
    symbolon_testkit::store_contract!(crate::tests::on_a_file);
}

mod contract_on_postgres {
    symbolon_testkit::store_contract!(crate::tests::on_postgres);
}

mod contract_in_memory {
    symbolon_testkit::store_contract!(crate::tests::in_memory);
}

/// A database without tables.
struct Place {
    url: String,
    _folder: Option<TempDir>,
}

async fn file() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place {
        url: url(&folder.path().join("db")),
        _folder: Some(folder),
    }
}

async fn on_the_server() -> Place {
    Place {
        url: Postgres::shared().fresh_database().await,
        _folder: None,
    }
}

async fn on_a_file() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = migrated(&folder.path().join("db")).await;
    Fixture::of(store, folder)
}

async fn in_memory() -> Fixture {
    let store = opened("sqlite::memory:").await;
    store.migrate(&SeqRng::new()).await.unwrap();
    Fixture::of(store, ())
}

async fn on_postgres() -> Fixture {
    Fixture::of(patient(&postgres::database().await).await, ())
}

fn config(url: &str) -> SqlConfig {
    SqlConfig {
        max_connections: 4,
        ..SqlConfig::new(url)
    }
}

async fn opened(url: &str) -> SqlStore {
    opened_by(&config(url)).await
}

/// Gives a crowd that shares few connections the time that it takes to be served, however busy the machine is.
async fn patient(url: &str) -> SqlStore {
    let long = Duration::from_secs(120);
    opened_by(&SqlConfig {
        acquire_timeout: long,
        statement_timeout: long,
        ..config(url)
    })
    .await
}

async fn opened_by(config: &SqlConfig) -> SqlStore {
    SqlStore::connect(config, Arc::new(FakeClock::new()))
        .await
        .unwrap()
}

pub(crate) async fn migrated(path: &Path) -> SqlStore {
    migrated_at(&url(path)).await
}

async fn migrated_at(url: &str) -> SqlStore {
    let store = opened(url).await;
    store.migrate(&SeqRng::new()).await.unwrap();
    store
}

/// Makes changes as a test does.
fn admin(store: &SqlStore) -> Box<dyn AdminStore> {
    store.acting(Fixture::act())
}

/// A store that waits for nothing, on a database that another process can lock.
async fn impatient(folder: &TempDir) -> (SqlStore, SqlStore) {
    let path = folder.path().join("db");
    let other = migrated(&path).await;
    let config = SqlConfig {
        statement_timeout: Duration::ZERO,
        ..config(&url(&path))
    };
    (opened_by(&config).await, other)
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// A session that nobody has begun.
fn new_session(now: UnixMillis) -> NewSession {
    NewSession {
        session: fresh_session(now),
        subject: fresh_subject(),
        client: fresh_client_uid(),
        scope: "orders:read".into(),
        ends: now.plus(1_000_000),
        issued: now,
        address: None,
        user_agent: None,
        refreshable: true,
    }
}

/// A session of the store and a request that rotates it.
pub(crate) async fn begun(store: &SqlStore) -> RotationRequest {
    let now = FakeClock::START;
    let session = new_session(now);
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
