//! The contract of sessions, with their list in SQL.

use symbolon_core::ports::{RevocationLog, SessionStore as _};
use symbolon_core::revocation::NewRevocation;
use symbolon_revocation::{ClusterSessions, FencedLog};
use symbolon_store_sql::{SqlConfig, SqlStore};
use symbolon_testkit::{Fixture, SeqRng};

use super::*;

mod on_one_server {
    symbolon_testkit::session_contract!(crate::tests::contract::one_server);
}

mod on_a_cluster {
    symbolon_testkit::session_contract!(crate::tests::contract::a_cluster);
}

mod of_a_user_who_may_do_the_least {
    symbolon_testkit::session_contract!(crate::tests::contract::the_least_user);
}

async fn one_server() -> Fixture {
    fixture(config(Redis::shared().url(), Topology::Single)).await
}

async fn a_cluster() -> Fixture {
    fixture(config(RedisCluster::shared().url(), Topology::Cluster)).await
}

async fn the_least_user() -> Fixture {
    fixture(least::config()).await
}

async fn sql() -> Arc<SqlStore> {
    let config = SqlConfig::new("sqlite::memory:");
    let store = SqlStore::connect(&config, Arc::new(FakeClock::new()))
        .await
        .unwrap();
    store.migrate(&SeqRng::new()).await.unwrap();
    Arc::new(store)
}

async fn fixture(config: RedisConfig) -> Fixture {
    let (sql, records) = (sql().await, records(&config).await);
    records.rebuild(sql.head().await.unwrap()).await.unwrap();
    let log = Arc::new(FencedLog::new(sql.clone(), records));
    let sessions = ClusterSessions::new(sql.clone(), &log);
    Fixture::of((*sql).clone(), ()).with_sessions(Arc::new(sessions), log)
}

/// Whoever emptied Redis must not have brought back what was revoked.
#[tokio::test]
async fn an_emptied_redis_serves_nothing_before_its_fences_are_back() {
    let server = Redis::start(&[]);
    let config = config(server.url(), Topology::Single);
    let (sql, records) = (sql().await, records(&config).await);
    let log = FencedLog::new(sql.clone(), records.clone());
    let sessions = ClusterSessions::new(sql.clone(), &log);
    let subject = Subject(Uuid::from_u128(2));
    let head = log.head().await.unwrap();
    assert_eq!(
        sessions.rotate(&request(subject, 5, head)).await.unwrap(),
        Rotation::CatchUp
    );
    assert!(matches!(
        sessions.rotate(&request(subject, 5, head)).await.unwrap(),
        Rotation::Rotated {
            generation: 6,
            adopted: true,
            ..
        }
    ));
    server.cli(&["FLUSHALL"]);
    let revoked = log
        .append(&NewRevocation::subject(subject, NOW), NOW)
        .await
        .unwrap()
        .head;
    server.cli(&["FLUSHALL"]);
    // Not caught up with the revocation that the lost fences knew of: refused, though Redis knows nothing.
    for _ in 0..3 {
        assert_eq!(
            sessions.rotate(&request(subject, 6, head)).await.unwrap(),
            Rotation::CatchUp
        );
        assert_eq!(
            sessions.peek(&request(subject, 6, head)).await.unwrap(),
            Rotation::CatchUp
        );
    }
    assert_eq!(sessions.fence(subject, None).await.unwrap().head.seq, revoked.seq);
    assert!(matches!(
        sessions.rotate(&request(subject, 6, revoked)).await.unwrap(),
        Rotation::Rotated {
            generation: 7,
            adopted: true,
            ..
        }
    ));
}
