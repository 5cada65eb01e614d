//! What operators see of the revocation feed: read when it is asked for.

use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use symbolon_revocation::Feed;

/// The feed of this node, as metrics.
pub(crate) struct FeedMetrics {
    /// The feed.
    pub(crate) feed: Arc<Feed>,
}

impl std::fmt::Debug for FeedMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedMetrics").finish_non_exhaustive()
    }
}

impl Collector for FeedMetrics {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let status = self.feed.status();
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for (name, help, value) in [
            (
                "feed_streams",
                "Streams of the revocation feed that are open",
                status.streams,
            ),
            (
                "feed_entries",
                "Revocation entries in force on the feed",
                status.in_force,
            ),
            (
                "feed_batches",
                "Batches of the feed that are kept",
                status.batches,
            ),
            (
                "feed_snapshot_bytes",
                "Length of the feed's snapshot",
                status.snapshot_bytes,
            ),
            (
                "feed_snapshot_gzip_bytes",
                "Length of the feed's snapshot as it is compressed, 0 where it is not",
                status.snapshot_gzip_bytes,
            ),
        ] {
            let gauge = ConstGauge::new(signed(value));
            gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        if let Some(age) = status.age {
            let gauge = ConstGauge::new(age.as_secs_f64());
            let help = "How old what the present head of the feed says is";
            gauge.encode(to.encode_descriptor("feed_age_seconds", help, None, gauge.metric_type())?)?;
        }
        for (name, help, value) in [
            (
                "feed_publications",
                "Heads that were published, with batches or by themselves",
                status.publications,
            ),
            (
                "feed_streams_lagged",
                "Streams that were ended because their reader was too slow",
                status.lagged,
            ),
            (
                "feed_streams_refused",
                "Streams that were refused because there were too many",
                status.refused,
            ),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(to.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}
