use std::any::Any;
use std::sync::Arc;

use symbolon_core::audit::{Act, Actor, AuditStore};
use symbolon_core::lookup::{RevocationRecords, SessionLookup};
use symbolon_core::ports::{
    AdminStore, AdminStores, AdminTokens, FactStore, IdempotencyStore, KeyStore, RevocationLog, ServerStore,
    SessionStore, VerifierReports,
};

/// An empty store for one test, whatever is behind its ports.
#[derive(Clone)]
pub struct Fixture {
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The revocation log.
    pub log: Arc<dyn RevocationLog>,
    /// Facts.
    pub facts: Arc<dyn FactStore>,
    /// Administrative changes, as the doing of [`Fixture::act`].
    pub admin: Arc<dyn AdminStore>,
    /// Administrative changes, as anybody's doing.
    pub admins: Arc<dyn AdminStores>,
    /// The audit trail.
    pub audit: Arc<dyn AuditStore>,
    /// Tokens for the admin API.
    pub tokens: Arc<dyn AdminTokens>,
    /// Idempotency keys.
    pub idempotency: Arc<dyn IdempotencyStore>,
    /// Signing keys.
    pub keys: Arc<dyn KeyStore>,
    /// Server secrets.
    pub server: Arc<dyn ServerStore>,
    /// What verifiers report.
    pub verifiers: Arc<dyn VerifierReports>,
    /// The revocation log as people read it.
    pub records: Arc<dyn RevocationRecords>,
    /// The list of sessions as people read it.
    pub lookup: Arc<dyn SessionLookup>,
    _keep: Arc<dyn Any + Send + Sync>,
}

impl Fixture {
    /// One store behind all ports. `keep` lives as long as the fixture: a temporary folder, a server.
    pub fn of<S>(store: S, keep: impl Any + Send + Sync) -> Self
    where
        S: AdminStores
            + AdminTokens
            + AuditStore
            + FactStore
            + IdempotencyStore
            + KeyStore
            + RevocationLog
            + RevocationRecords
            + ServerStore
            + SessionLookup
            + SessionStore
            + VerifierReports
            + 'static,
    {
        let store = Arc::new(store);
        Self {
            sessions: store.clone(),
            log: store.clone(),
            facts: store.clone(),
            admin: store.acting(Self::act()).into(),
            admins: store.clone(),
            audit: store.clone(),
            tokens: store.clone(),
            idempotency: store.clone(),
            keys: store.clone(),
            server: store.clone(),
            verifiers: store.clone(),
            records: store.clone(),
            lookup: store,
            _keep: Arc::new(keep),
        }
    }
}

impl Fixture {
    /// Whose doing the changes of [`Fixture::admin`] are, and why.
    pub fn act() -> Act {
        Act::new(Actor::operator("test"), "to see what comes of it")
    }

    /// The same with sessions and a log of another store.
    #[must_use]
    pub fn with_sessions(self, sessions: Arc<dyn SessionStore>, log: Arc<dyn RevocationLog>) -> Self {
        Self {
            sessions,
            log,
            ..self
        }
    }
}

impl std::fmt::Debug for Fixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixture").finish_non_exhaustive()
    }
}
