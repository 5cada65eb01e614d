//! Nodes over PostgreSQL and Redis, on real time, with all that runs beside requests, and what happens when one of them fails.

mod administration;
mod clocks;
mod failure_table;
mod faults;
mod feed;
mod lockout;
mod restored;
mod stage;
mod verifying;

use std::sync::Arc;

use symbolon_core::Clock;
use symbolon_tests::{Deployment, Harness, HarnessOptions};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A node and what it does beside requests, until this is dropped.
struct Running {
    h: Harness,
    stop: CancellationToken,
}

#[expect(
    clippy::unwrap_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Running {
    async fn start(deployment: &Deployment, machine: Arc<dyn Clock>) -> Self {
        Self::with(deployment, machine, Vec::new()).await
    }

    /// With settings of its own.
    async fn with(
        deployment: &Deployment,
        machine: Arc<dyn Clock>,
        settings: Vec<(&'static str, String)>,
    ) -> Self {
        let options = HarnessOptions {
            machine: Some(machine),
            settings,
            ..HarnessOptions::default()
        };
        let h = deployment.open(options).await.unwrap();
        let stop = CancellationToken::new();
        h.node.spawn(&TaskTracker::new(), &stop);
        Self { h, stop }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
