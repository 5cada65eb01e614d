use std::sync::Arc;

use symbolon_core::audit::AuditSink;
use symbolon_core::facts::{Facts, Revocations};
use symbolon_core::password::{PasswordCost, PasswordHash};
use symbolon_core::ports::{AdminTokens, SessionStore};
use symbolon_core::refresh::RefreshSeal;
use symbolon_core::secret::ClientSecrets;
use symbolon_core::throttle::{LoginThrottle, Network};
use symbolon_core::tokens::AccessTokens;
use symbolon_core::{Clock, FirstOfMinute, Rng};
use uuid::Uuid;

use crate::grant::detour::Detour;
use crate::{Evidence, HashLane, Metrics};

/// Lifetimes and rotation rules that hold where a client has none of its own.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Access token, seconds; at most 3600.
    pub access_token_secs: u32,
    /// Session, seconds.
    pub session_secs: u32,
    /// How long a refresh token may lie unused, seconds.
    pub refresh_idle_secs: u32,
    /// For how long the predecessor of a refresh token gets the same successor, milliseconds.
    pub refresh_overlap_ms: u64,
    /// Late recoveries per session and day.
    pub late_recoveries: u8,
    /// Whether sealed tokens are adopted where the store has lost writes.
    pub adopt_lost_sessions: bool,
}

/// What the endpoints are composed of.
pub struct ServiceParts {
    /// The issuer identifier, from the configuration alone.
    pub issuer: String,
    /// Clients and users.
    pub facts: Arc<Facts>,
    /// Sessions and rotation.
    pub sessions: Arc<dyn SessionStore>,
    /// The revocation log as this node follows it.
    pub revocations: Arc<dyn Revocations>,
    /// Signing and verifying.
    pub tokens: Arc<dyn AccessTokens>,
    /// The record of the access tokens for the admin API.
    pub admin_tokens: Arc<dyn AdminTokens>,
    /// Where the audit trail is told of what happens.
    pub audit: Arc<dyn AuditSink>,
    /// Seal of refresh tokens.
    pub seal: RefreshSeal,
    /// Client secrets.
    pub secrets: ClientSecrets,
    /// The lane in which passwords are hashed.
    pub lane: HashLane,
    /// What a password hash should cost today.
    pub password_cost: PasswordCost,
    /// Counts failed logins.
    pub throttle: Arc<dyn LoginThrottle>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Defaults.
    pub lifetimes: Lifetimes,
    /// Longest request body, bytes.
    pub max_body_bytes: usize,
    /// What verifiers report.
    pub evidence: Arc<Evidence>,
    /// Counters.
    pub metrics: Metrics,
    /// Whether an enabled client registered this origin.
    pub allows_origin: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

/// The endpoints' shared state.
pub struct Service {
    pub(crate) parts: ServiceParts,
    /// What names that nobody has are verified against.
    pub(crate) decoy: PasswordHash,
    /// What hashes that are not of today's cost take longer.
    pub(crate) detour: Detour,
    /// Which failed logins were told: whose, and from where. Nil is of those whose name nobody has.
    pub(crate) failed_logins: FirstOfMinute<Uuid, Option<Network>>,
    /// Which clients that did not authenticate were told, and from where. Apart from logins: to ask costs nothing here.
    pub(crate) refused_clients: FirstOfMinute<Uuid, Option<Network>>,
}

impl Service {
    /// Composes the endpoints.
    pub fn new(parts: ServiceParts) -> Arc<Self> {
        let decoy = PasswordHash::decoy(parts.password_cost, &*parts.rng);
        Arc::new(Self {
            parts,
            decoy,
            detour: Detour::default(),
            failed_logins: FirstOfMinute::default(),
            refused_clients: FirstOfMinute::default(),
        })
    }

    /// What verifiers report, to be written beside requests.
    pub fn evidence(&self) -> Arc<Evidence> {
        self.parts.evidence.clone()
    }

    /// The lane in which passwords are hashed.
    pub fn lane(&self) -> &HashLane {
        &self.parts.lane
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("issuer", &self.parts.issuer)
            .finish_non_exhaustive()
    }
}
