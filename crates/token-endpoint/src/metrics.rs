use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use symbolon_core::rotation::Rotation;
use symbolon_core::throttle::ThrottledBy;

/// Counters of the endpoints. Every label has a fixed set of values.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    requests: Family<RequestLabels, Counter>,
    latency: Family<EndpointLabels, Histogram, fn() -> Histogram>,
    rotations: Family<RotationLabels, Counter>,
    shed: Counter,
    logins_throttled: Family<ThrottleLabels, Counter>,
    login_locks: Family<ThrottleLabels, Counter>,
}

/// What may come of a refresh token, for alerts to watch from the start.
const ROTATIONS: [&str; 11] = [
    "adopted",
    "catch_up",
    "expired",
    "kept",
    "lost",
    "recovered_late",
    "replayed",
    "reused",
    "revoked",
    "rotated",
    "unknown",
];

impl Default for Inner {
    fn default() -> Self {
        let rotations = Family::<RotationLabels, Counter>::default();
        for outcome in ROTATIONS {
            drop(rotations.get_or_create(&RotationLabels { outcome }));
        }
        Self {
            requests: Family::default(),
            latency: Family::new_with_constructor(latency_buckets as fn() -> Histogram),
            rotations,
            shed: Counter::default(),
            logins_throttled: by_each_kind(),
            login_locks: by_each_kind(),
        }
    }
}

/// There from the start, for alerts to watch.
fn by_each_kind() -> Family<ThrottleLabels, Counter> {
    let family = Family::<ThrottleLabels, Counter>::default();
    for by in ThrottledBy::ALL {
        drop(family.get_or_create(&by.into()));
    }
    family
}

fn latency_buckets() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    ])
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    endpoint: &'static str,
    grant: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct EndpointLabels {
    endpoint: &'static str,
    grant: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RotationLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ThrottleLabels {
    by: &'static str,
}

impl From<ThrottledBy> for ThrottleLabels {
    fn from(by: ThrottledBy) -> Self {
        Self { by: by.as_str() }
    }
}

impl Metrics {
    /// Registers the counters under `symbolon_`.
    pub fn register(&self, registry: &mut Registry) {
        let i = &self.inner;
        registry.register(
            "requests",
            "Requests by endpoint, grant and outcome",
            i.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time to answer, in seconds",
            i.latency.clone(),
        );
        registry.register(
            "refresh_rotations",
            "Uses of refresh tokens by what came of them",
            i.rotations.clone(),
        );
        registry.register(
            "hash_lane_shed",
            "Logins refused because the hash lane was full or slow",
            i.shed.clone(),
        );
        registry.register(
            "logins_throttled",
            "Logins refused because too many had failed, by what they were counted under",
            i.logins_throttled.clone(),
        );
        registry.register(
            "login_locks",
            "Failed logins after which further ones were refused for a while, by what they were counted under",
            i.login_locks.clone(),
        );
    }

    pub(crate) fn request(
        &self,
        endpoint: &'static str,
        grant: &'static str,
        outcome: &'static str,
        took: Duration,
    ) {
        self.inner
            .requests
            .get_or_create(&RequestLabels {
                endpoint,
                grant,
                outcome,
            })
            .inc();
        let took = took.as_secs_f64();
        self.inner
            .latency
            .get_or_create(&EndpointLabels { endpoint, grant })
            .observe(took);
        if matches!(outcome, "hash_lane_full" | "hash_lane_deadline") {
            self.inner.shed.inc();
        }
    }

    pub(crate) fn login_throttled(&self, by: ThrottledBy) {
        self.inner.logins_throttled.get_or_create(&by.into()).inc();
    }

    pub(crate) fn login_locked(&self, by: ThrottledBy) {
        self.inner.login_locks.get_or_create(&by.into()).inc();
    }

    pub(crate) fn rotation(&self, outcome: &Rotation) {
        let outcome = match outcome {
            Rotation::CatchUp => "catch_up",
            Rotation::Expired => "expired",
            Rotation::Kept => "kept",
            Rotation::Lost => "lost",
            Rotation::Replayed { late: false, .. } => "replayed",
            Rotation::Replayed { late: true, .. } => "recovered_late",
            Rotation::Reused => "reused",
            Rotation::Revoked => "revoked",
            Rotation::Rotated { adopted: false, .. } => "rotated",
            Rotation::Rotated { adopted: true, .. } => "adopted",
            Rotation::Unknown => "unknown",
        };
        self.inner
            .rotations
            .get_or_create(&RotationLabels { outcome })
            .inc();
    }
}
