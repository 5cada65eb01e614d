//! What operators see of the stores that nodes share: gauges, read when they are asked for.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use symbolon_core::Clock as _;

use crate::node::Stores;

/// The stores of this node, as metrics.
pub(crate) struct ClusterMetrics {
    /// The stores.
    pub(crate) stores: Stores,
}

impl std::fmt::Debug for ClusterMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterMetrics").finish_non_exhaustive()
    }
}

impl Collector for ClusterMetrics {
    /// What is not there on this node has no sample: no Redis, a database without a clock of its own, no sweep yet.
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let clock = &self.stores.clock;
        let up = self.stores.redis_up().map(|up| f64::from(u8::from(up)));
        let uncertainty = clock.uncertainty().map(|_| clock.spread().as_secs_f64());
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of an offset fit many times over"
        )]
        let ahead = clock.local_ahead_ms().map(|ms| ms as f64 / 1000.0);
        #[expect(clippy::cast_precision_loss, reason = "no database has as many rows")]
        let backlog = self.stores.sweeps.backlog() as f64;
        let completed = self.stores.sweeps.completed();
        let age = completed.map(|at| clock.monotonic().saturating_sub(at).as_secs_f64());
        for (name, help, value) in [
            (
                "expired_rows",
                "Rows that had expired and were still there when the latest sweep began, as far as it has come",
                Some(backlog),
            ),
            (
                "sweep_age_seconds",
                "Time since a sweep has deleted all rows that had expired",
                age,
            ),
            (
                "redis_up",
                "1 where Redis answered the last time it was asked, a second ago at most",
                up,
            ),
            (
                "clock_spread_seconds",
                "How far this node's time may be from that of another node",
                uncertainty,
            ),
            (
                "clock_ahead_seconds",
                "How far the machine's clock, which is not used, is ahead of the database's",
                ahead,
            ),
        ] {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
