//! The contract of sessions, on a real Redis and on a real cluster of three, and what only Redis can do.

mod decisions;
mod losses;
mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use symbolon_core::cluster::SessionRecords;
use symbolon_core::ports::RevocationLog;
use symbolon_revocation::{ClusterSessions, FencedLog};
use symbolon_store_sql::{SqlConfig, SqlStore};
use symbolon_testkit::{FakeClock, Fixture, SeqRng};

use self::servers::{cluster_url, single_url};
use crate::{RedisConfig, RedisRecords, Topology};

mod contract_on_one_server {
    symbolon_testkit::session_contract!(crate::tests::on_one_server);
}

mod contract_on_a_cluster {
    symbolon_testkit::session_contract!(crate::tests::on_a_cluster);
}

async fn on_one_server() -> Fixture {
    fixture(config(single_url().to_owned(), Topology::Single)).await
}

async fn on_a_cluster() -> Fixture {
    fixture(config(cluster_url().to_owned(), Topology::Cluster)).await
}

/// A prefix of its own gives each test an empty store: no record, no fence.
fn config(url: String, topology: Topology) -> RedisConfig {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    RedisConfig {
        url,
        topology,
        prefix: format!("t{}:", NEXT.fetch_add(1, Ordering::Relaxed)),
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(5),
        replicas: 0,
    }
}

async fn records(config: &RedisConfig) -> Arc<RedisRecords> {
    Arc::new(RedisRecords::connect(config).await.unwrap())
}

async fn sql() -> Arc<SqlStore> {
    let config = SqlConfig {
        url: "sqlite::memory:".to_owned(),
        max_connections: 1,
    };
    let store = SqlStore::connect(&config, Arc::new(FakeClock::new()))
        .await
        .unwrap();
    store.migrate(&SeqRng::new()).await.unwrap();
    Arc::new(store)
}

async fn fixture(config: RedisConfig) -> Fixture {
    let (sql, records) = (sql().await, records(&config).await);
    records.rebuild(sql.head().await.unwrap()).await.unwrap();
    let log: Arc<dyn RevocationLog> = Arc::new(FencedLog::new(sql.clone(), records.clone()));
    let sessions = ClusterSessions::new(sql.clone(), records as Arc<dyn SessionRecords>, log.clone());
    Fixture::of((*sql).clone(), ()).with_sessions(Arc::new(sessions), log)
}
