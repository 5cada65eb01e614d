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

    /// Keys were asked for. `Ok` with their number, or `Err` with one of a fixed few reasons.
    fn keys_fetched(&self, outcome: Result<usize, &'static str>) {
        let _ = outcome;
    }
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl Metrics for NoMetrics {}
