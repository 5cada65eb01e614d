//! The admin API of a node, and what watches over its audit trail.

mod sweep;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use symbolon_admin_api::trail::{
    CheckpointKeys, Checkpointer, ConfirmParts, Confirmations, Journal, TrailKeys, TrailStream,
};
use symbolon_admin_api::{Api, ApiParts};
use symbolon_core::Rng;
use symbolon_core::cursor::Cursors;
use symbolon_core::ports::StoreResult;
use symbolon_core::secret::ClientSecrets;
use symbolon_jwks_publisher::{KeyOperations, Keyring, SharedEncryptionKeys};
use symbolon_revocation::LiveLog;
use symbolon_token_endpoint::Service;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use sweep::keep_sweeping;

use super::{Stores, password_cost, rotation_config, token_endpoint};
use crate::admin::keys::{AdminKeys, KeyParts};
use crate::admin::{LanePasswords, NodeInfo, NodeSettle, TokenGate};
use crate::config::Settings;
use crate::health::Health;

/// The admin API of a node, and what runs for its audit trail.
pub(super) struct AdminSide {
    api: Arc<Api>,
    journal: Arc<Journal>,
    stream: Arc<TrailStream>,
    checkpointer: Arc<Checkpointer>,
    confirm: ConfirmParts,
    /// By which sweepers tell checkpoints that are genuine.
    trail_keys: TrailKeys,
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
        let trail_keys = signing.public();
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
            trail_keys,
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
        // What is left when it ends is written by `write_rest`, once no request is left.
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
        let sweeping = keep_sweeping(self.stores.clone(), self.retention, self.trail_keys.clone());
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(sweeping));
    }
}
