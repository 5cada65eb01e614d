use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use symbolon_core::UnixMillis;
use symbolon_core::keys::{
    KeyChange, KeyChangeOutcome, KeyLease, KeyNode, KeySchedule, ScheduleTime, SigningKeyRecord,
};
use symbolon_core::ports::{KeyStore, StoreResult};
use symbolon_jose::Kid;
use uuid::Uuid;

use crate::tap::{Call, Tap};

/// The key store behind a [`Tap`].
pub(crate) struct TappedKeys {
    pub(crate) inner: Arc<dyn KeyStore>,
    pub(crate) tap: Tap,
}

impl TappedKeys {
    /// As the store would give them to a node that has not the right key-encryption key for some.
    fn spoil(&self, mut records: Vec<SigningKeyRecord>) -> Vec<SigningKeyRecord> {
        let spoiled = self.tap.spoiled();
        for record in &mut records {
            if Some(record.state.as_str()) == spoiled {
                record.wrapped = record.wrapped.chars().rev().collect();
            }
        }
        records
    }
}

#[async_trait]
impl KeyStore for TappedKeys {
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKeyRecord>> {
        self.tap.before(Call::SigningKeys).await?;
        let records = self.inner.signing_keys().await;
        self.tap.after(Call::SigningKeys).await;
        Ok(self.spoil(records?))
    }

    async fn key_history(&self, limit: u32) -> StoreResult<Vec<SigningKeyRecord>> {
        self.tap.before(Call::SigningKeys).await?;
        Ok(self.spoil(self.inner.key_history(limit).await?))
    }

    async fn change_keys(&self, change: &KeyChange) -> StoreResult<KeyChangeOutcome> {
        self.tap.before(Call::ChangeKeys).await?;
        let changed = self.inner.change_keys(change).await;
        self.tap.after(Call::ChangeKeys).await;
        changed
    }

    async fn rewrap_key(&self, kid: &Kid, from: &str, to: &str) -> StoreResult<bool> {
        self.tap.before(Call::ChangeKeys).await?;
        self.inner.rewrap_key(kid, from, to).await
    }

    async fn key_schedule(&self) -> StoreResult<KeySchedule> {
        self.tap.before(Call::KeySchedule).await?;
        self.inner.key_schedule().await
    }

    async fn take_key_lease(
        &self,
        holder: Uuid,
        now: UnixMillis,
        ttl: Duration,
        elapsed: ScheduleTime,
    ) -> StoreResult<Option<KeyLease>> {
        self.tap.before(Call::KeySchedule).await?;
        self.inner.take_key_lease(holder, now, ttl, elapsed).await
    }

    async fn release_key_lease(&self, lease: KeyLease) -> StoreResult<()> {
        self.tap.before(Call::KeySchedule).await?;
        self.inner.release_key_lease(lease).await
    }

    async fn report_key_node(&self, node: &KeyNode) -> StoreResult<()> {
        self.tap.before(Call::KeySchedule).await?;
        self.inner.report_key_node(node).await
    }

    async fn key_nodes(&self) -> StoreResult<Vec<KeyNode>> {
        self.tap.before(Call::KeySchedule).await?;
        self.inner.key_nodes().await
    }

    async fn forget_key_node(&self, node: Uuid) -> StoreResult<()> {
        self.tap.before(Call::KeySchedule).await?;
        self.inner.forget_key_node(node).await
    }
}
