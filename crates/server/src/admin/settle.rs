//! Waiting until a change of facts holds on every node.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use symbolon_admin_api::Settle;
use symbolon_core::facts::Revocations;
use symbolon_core::revocation::{LEASE, Reach};
use symbolon_revocation::LiveLog;

/// On a node: it goes by the change at once, raises the fences where there are any, and then waits for the leases of the
/// others to end.
pub struct NodeSettle {
    log: Arc<LiveLog>,
}

impl NodeSettle {
    /// On the node that follows that log.
    pub fn new(log: Arc<LiveLog>) -> Self {
        Self { log }
    }

    async fn promise(&self) -> symbolon_core::ports::StoreResult<Reach> {
        self.log.catch_up().await?;
        self.log.promise(None).await
    }
}

#[async_trait]
impl Settle for NodeSettle {
    async fn settle(&self) -> Reach {
        let promised = self.promise().await;
        tokio::time::sleep(LEASE).await;
        promised.unwrap_or_else(|error| {
            // The change is committed: it is not for this to fail it.
            tracing::warn!(%error, "a change is made, but not every node may know of it yet");
            Reach::Logged
        })
    }
}

/// Beside the servers: waits as a command waits.
pub struct SettleBy {
    wait: Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
}

impl SettleBy {
    /// Waits by that.
    pub fn new(wait: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self { wait: Box::new(wait) }
    }
}

#[async_trait]
impl Settle for SettleBy {
    /// What could not be promised is remarked on where the command ends.
    async fn settle(&self) -> Reach {
        (self.wait)(LEASE).await;
        Reach::Everywhere
    }
}
