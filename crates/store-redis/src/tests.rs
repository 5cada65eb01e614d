//! On real servers: alone, in a cluster of three, watched by Sentinels, and over TLS.

mod contract;
mod decisions;
mod failover;
mod least;
mod losses;
mod overload;
mod precision;
mod shards;
mod throttle;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use symbolon_core::cluster::{Raised, SessionRecords};
use symbolon_core::revocation::Head;
use symbolon_core::rotation::{Rotation, RotationRequest, RotationRules};
use symbolon_core::{SessionId, Subject, UnixMillis};
use symbolon_testkit::FakeClock;
use symbolon_testkit::servers::redis::{Redis, RedisCluster};
use uuid::Uuid;

use crate::{RedisConfig, RedisRecords, Topology};

const NOW: UnixMillis = FakeClock::START;
/// Of a log that holds nothing.
const EMPTY: Head = Head {
    log: Uuid::nil(),
    seq: 0,
    facts: 0,
    tip: [0; 16],
};

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
        ca_file: None,
        sentinel_username: None,
        sentinel_password: None,
    }
}

async fn records(config: &RedisConfig) -> Arc<RedisRecords> {
    Arc::new(RedisRecords::connect(config).await.unwrap())
}

/// The use of a token of the subject's one session.
fn request(subject: Subject, presented: u32, applied: Head) -> RotationRequest {
    RotationRequest {
        session: SessionId(Uuid::from_u128(9)),
        subject,
        presented,
        ends: NOW.plus(3_600_000),
        applied,
        now: NOW,
        rules: RotationRules {
            rotate: true,
            overlap_ms: 30_000,
            late_per_day: Some(1),
            adopt: true,
        },
    }
}

fn rotated(outcome: Rotation, to: u32) -> bool {
    matches!(outcome, Rotation::Rotated { generation, .. } if generation == to)
}

/// Asks until it is answered as wanted.
async fn until<T>(mut ask: impl AsyncFnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    for _ in 0..1500 {
        let told = ask().await;
        if wanted(&told) {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come to what was wanted");
}
