//! The admin API of a node, and what watches over its audit trail.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use symbolon_admin_api::trail::{
    CheckpointKeys, Checkpointer, ConfirmParts, Confirmations, Journal, TrailStream,
};
use symbolon_admin_api::{Api, ApiParts};
use symbolon_core::audit::AuditStore as _;
use symbolon_core::cursor::Cursors;
use symbolon_core::ports::{AdminTokens as _, IdempotencyStore as _, StoreResult};
use symbolon_core::secret::ClientSecrets;
use symbolon_core::{Clock as _, Rng, UnixMillis};
use symbolon_jwks_publisher::{KeyOperations, Keyring, SharedEncryptionKeys};
use symbolon_revocation::LiveLog;
use symbolon_token_endpoint::Service;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Stores, password_cost, rotation_config, token_endpoint};
use crate::admin::keys::{AdminKeys, KeyParts};
use crate::admin::{LanePasswords, NodeInfo, NodeSettle, TokenGate};
use crate::config::Settings;
use crate::health::Health;

/// How often what has come to its age is deleted, and how much at a time.
const SWEEP: Duration = Duration::from_secs(60);
const SWEEP_BATCH: u32 = 500;
/// Rest between two batches.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// How long an idempotency key is kept: a day, in milliseconds.
const KEY_AGE_MS: u64 = 24 * 3600 * 1000;

/// The admin API of a node, and what runs for its audit trail.
pub(super) struct AdminSide {
    api: Arc<Api>,
    journal: Arc<Journal>,
    stream: Arc<TrailStream>,
    checkpointer: Arc<Checkpointer>,
    confirm: ConfirmParts,
    stores: Stores,
    retention: Duration,
}

/// What it is made of.
pub(super) struct AdminSideParts<'a> {
    pub(super) settings: &'a Settings,
    pub(super) stores: &'a Stores,
    pub(super) service: Arc<Service>,
    pub(super) log: Arc<LiveLog>,
    pub(super) health: Arc<Health>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) encryption_keys: SharedEncryptionKeys,
    pub(super) journal: Arc<Journal>,
    pub(super) secrets: ClientSecrets,
    pub(super) cursors: Cursors,
    pub(super) checkpoints: CheckpointKeys,
    pub(super) rng: Arc<dyn Rng>,
}

impl AdminSide {
    pub(super) fn new(parts: AdminSideParts<'_>) -> Self {
        let AdminSideParts { settings, stores, .. } = parts;
        let (store, clock) = (Arc::new(stores.sql.clone()), stores.clock.clone());
        let issuer = settings.issuer.as_str().to_owned();
        let keys = AdminKeys::new(KeyParts {
            operations: KeyOperations::new(
                store.clone(),
                parts.encryption_keys.clone(),
                rotation_config(settings),
                clock.clone(),
                parts.rng.clone(),
            ),
            keys: store.clone(),
            secrets: store.clone(),
            encryption_keys: parts.encryption_keys,
            audit: store.clone(),
            algorithms: settings.keys.algorithms.clone(),
            max_age: settings.jwks.max_age,
            clock: clock.clone(),
        });
        let passwords = LanePasswords::new(parts.service.clone(), password_cost(settings), parts.rng.clone());
        let stream = Arc::new(TrailStream::new(store.clone(), settings.admin.max_streams));
        let info = NodeInfo::new(
            settings,
            parts.health,
            stores,
            parts.log.clone(),
            parts.keyring.clone(),
        );
        let signing = parts.checkpoints.clone();
        let checkpointer = Checkpointer::new(store.clone(), clock.clone(), issuer.clone(), signing);
        let confirm = ConfirmParts {
            records: store.clone(),
            reports: store.clone(),
            log: stores.log(),
            audit: store.clone(),
            clock: clock.clone(),
            rng: parts.rng.clone(),
        };
        let api = Api::new(ApiParts {
            token_endpoint: token_endpoint(&issuer),
            issuer,
            gate: Arc::new(TokenGate::new(parts.service)),
            admin: store.clone(),
            facts: store.clone(),
            sessions: store.clone(),
            revocations: parts.log.clone(),
            log: stores.log(),
            records: store.clone(),
            reports: store.clone(),
            audit: store.clone(),
            sink: parts.journal.clone(),
            tokens: parts.keyring,
            audit_retention: settings.audit.retention,
            trail: Some(stream.clone()),
            checkpoint_keys: Some(parts.checkpoints),
            server: Arc::new(info),
            idempotency: store,
            keys: Arc::new(keys),
            passwords: Arc::new(passwords),
            settle: Arc::new(NodeSettle::new(parts.log)),
            secrets: parts.secrets,
            cursors: parts.cursors,
            algorithms: settings.keys.algorithms.clone(),
            max_body_bytes: settings.admin.max_body_bytes,
            clock,
            rng: parts.rng,
        });
        Self {
            api,
            journal: parts.journal,
            stream,
            checkpointer: Arc::new(checkpointer),
            confirm,
            stores: stores.clone(),
            retention: settings.audit.retention,
        }
    }

    pub(super) fn router(&self) -> Router {
        symbolon_admin_api::router(self.api.clone())
    }

    /// Writes what endpoints have told of and is not on the trail yet.
    pub(super) async fn write_rest(&self) -> StoreResult<()> {
        self.journal.write_rest().await
    }

    /// Starts what runs for the audit trail.
    pub(super) fn spawn(&self, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let journal = self.journal.clone();
        let stop = shutdown.clone();
        // It writes what is left before it ends.
        tasks.spawn(async move { journal.keep_writing(stop).await });
        let checkpointer = self.checkpointer.clone();
        tasks.spawn(
            shutdown
                .clone()
                .run_until_cancelled_owned(async move { checkpointer.keep_signing().await }),
        );
        let (stream, stop) = (self.stream.clone(), shutdown.clone());
        // Whoever listens would hold up the listener's end.
        tasks.spawn(async move {
            stop.cancelled().await;
            stream.close();
        });
        let stream = self.stream.clone();
        tasks.spawn(
            shutdown
                .clone()
                .run_until_cancelled_owned(async move { stream.follow().await }),
        );
        let confirmations = Confirmations::new(self.confirm.clone());
        tasks.spawn(
            shutdown
                .clone()
                .run_until_cancelled_owned(async move { confirmations.keep_looking().await }),
        );
        let sweeping = sweep(self.stores.clone(), self.retention);
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(sweeping));
    }
}

async fn sweep(stores: Stores, retention: Duration) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match sweep_once(&stores, retention).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "old records of the admin API were deleted"),
            Err(error) => tracing::error!(%error, "old records of the admin API could not be deleted"),
        }
    }
}

/// Deletes what has come to its age, a small batch at a time, so that nobody waits long for the one writer.
async fn sweep_once(stores: &Stores, retention: Duration) -> StoreResult<u64> {
    let (store, now) = (&stores.sql, stores.clock.safely_past());
    let ago = |ms: u64| UnixMillis(now.0.saturating_sub(ms));
    let retained = ago(u64::try_from(retention.as_millis()).unwrap_or(u64::MAX));
    let mut rows = 0;
    loop {
        let tokens = store.sweep_tokens(now, SWEEP_BATCH).await?;
        let keys = store.sweep_keys(ago(KEY_AGE_MS), SWEEP_BATCH).await?;
        rows += tokens + keys;
        if tokens.max(keys) < u64::from(SWEEP_BATCH) {
            break;
        }
        tokio::time::sleep(SWEEP_PAUSE).await;
    }
    // Last: where the trail was tampered with, it is not swept, and nothing else waits for that.
    loop {
        let swept = store.sweep_audit(retained, SWEEP_BATCH).await?;
        rows += swept;
        if swept < u64::from(SWEEP_BATCH) {
            return Ok(rows);
        }
        tokio::time::sleep(SWEEP_PAUSE).await;
    }
}
