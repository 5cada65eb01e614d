//! What the nodes of a test keep their data in.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use symbolon_server::config::Settings;
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;

/// The issuer of every test, unless a test says otherwise.
const ISSUER: &str = "https://as.example";

/// The same tests run on one node over SQLite, and where this variable is `cluster` on two nodes over PostgreSQL and Redis,
/// with the requests spread over both.
const BACKEND: &str = "SYMBOLON_TEST_BACKEND";

/// Whether this run is on a cluster.
pub(crate) fn is_cluster() -> bool {
    match std::env::var(BACKEND).as_deref() {
        Err(_) | Ok("embedded") => false,
        Ok("cluster") => true,
        Ok(other) => panic!("{BACKEND} is {other}, which is neither embedded nor cluster"),
    }
}

/// A database of a test's own, and room in Redis. Gone when the last who knows it is.
#[derive(Clone)]
pub(super) struct Place {
    database: String,
    redis: Option<(String, String)>,
    _keep: Arc<dyn Any + Send + Sync>,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Place {
    pub(super) async fn new() -> Self {
        if is_cluster() {
            return Self::on(Postgres::shared(), Redis::shared().url()).await;
        }
        let dir = tempfile::tempdir().expect("a folder");
        Self {
            database: format!("sqlite:{}", dir.path().join("test.db").display()),
            redis: None,
            _keep: Arc::new(dir),
        }
    }

    /// On these servers, with room of its own on both.
    pub(super) async fn on(postgres: &Postgres, redis: String) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("e{}:", NEXT.fetch_add(1, Ordering::Relaxed));
        Self {
            database: postgres.fresh_database().await,
            redis: Some((redis, prefix)),
            _keep: Arc::new(()),
        }
    }

    pub(super) fn settings(&self, changes: Vec<(&'static str, String)>) -> Settings {
        let key = STANDARD.encode((0..32).collect::<Vec<u8>>());
        let mut values = vec![
            ("issuer", ISSUER.to_owned()),
            ("database.url", self.database.clone()),
            ("keys.encryption_key", key),
            ("passwords.memory_kib", "8192".to_owned()),
            ("passwords.iterations", "1".to_owned()),
        ];
        if let Some((url, prefix)) = &self.redis {
            values.extend([("redis.url", url.clone()), ("redis.key_prefix", prefix.clone())]);
        }
        values.extend(changes);
        let cores = NonZeroUsize::new(2).expect("two");
        crate::settings(values, cores).unwrap_or_else(|errors| panic!("{errors}"))
    }
}
