use std::time::Duration;

/// What a verifier tells a metrics system. Every method does nothing unless it is overridden; none may block.
pub trait Metrics: Send + Sync + 'static {
    /// A token was accepted; `cached` if its signature had been verified before.
    fn accepted(&self, cached: bool) {
        let _ = cached;
    }

    /// A token was refused; `reason` is one of a fixed few, as [`crate::Refused::reason`] gives it.
    fn refused(&self, reason: &'static str) {
        let _ = reason;
    }

    /// A token was accepted though nobody can tell whether it was revoked: the revocation feed is stale, and
    /// [`crate::WhenStale::Accept`] the policy.
    fn accepted_stale(&self) {}

    /// The revocation feed was read up to entry `seq`, or there was none since; what is known is `age` old.
    fn feed_advanced(&self, seq: u64, age: Duration) {
        let _ = (seq, age);
    }

    /// The revocation feed could not be read; `reason` is one of a fixed few.
    fn feed_failed(&self, reason: &'static str) {
        let _ = reason;
    }

    /// The keys of the revocation feed were asked for, as in [`Metrics::keys_fetched`].
    fn feed_keys_fetched(&self, outcome: Result<usize, &'static str>) {
        let _ = outcome;
    }

    /// A document of the revocation feed was refused: `head`, `batch` or `snapshot`, for one of a fixed few reasons.
    fn feed_refused(&self, document: &'static str, reason: &'static str) {
        let _ = (document, reason);
    }

    /// A snapshot of the revocation feed has to be read again, for one of a fixed few reasons.
    fn feed_resynced(&self, reason: &'static str) {
        let _ = reason;
    }

    /// The stream of the revocation feed ended or could not be had, for one of a fixed few reasons.
    fn feed_stream_ended(&self, reason: &'static str) {
        let _ = reason;
    }

    /// Keys were asked for. `Ok` with their number, or `Err` with one of a fixed few reasons.
    fn keys_fetched(&self, outcome: Result<usize, &'static str>) {
        let _ = outcome;
    }
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl Metrics for NoMetrics {}
