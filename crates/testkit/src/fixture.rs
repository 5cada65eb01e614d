use std::any::Any;
use std::sync::Arc;

use symbolon_core::lookup::{RevocationRecords, SessionLookup};
use symbolon_core::ports::{
    AdminStore, FactStore, KeyStore, RevocationLog, ServerStore, SessionStore, VerifierReports,
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
    /// Administrative changes.
    pub admin: Arc<dyn AdminStore>,
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
        S: AdminStore
            + FactStore
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
            admin: store.clone(),
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
