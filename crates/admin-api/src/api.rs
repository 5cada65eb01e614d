//! What the operations are composed of.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use secrecy::SecretString;
use symbolon_core::audit::{Act, AuditSink, AuditStore};
use symbolon_core::cursor::Cursors;
use symbolon_core::facts::Revocations;
use symbolon_core::lookup::{RevocationRecords, SessionLookup};
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::{
    AdminStore, AdminStores, FactStore, IdempotencyStore, RevocationLog, VerifierReports,
};
use symbolon_core::revocation::{LEASE, Reach};
use symbolon_core::rights::ADMIN_AUDIENCE;
use symbolon_core::secret::ClientSecrets;
use symbolon_core::tokens::AccessTokens;
use symbolon_core::user::ADMIN_SCOPES;
use symbolon_core::{Clock, FirstOfMinute, Rng, UnixMillis};
use symbolon_jose::SigningAlg;

use tokio::sync::Semaphore;

use crate::access::Gate;
use crate::bodies::Bodies;
use crate::keys::Keys;
use crate::problem::Problem;
use crate::server_info::ServerInfo;
use crate::trail::{CheckpointKeys, TrailStream};

/// Hashes passwords where hashing them can starve nobody.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// The hash of a password at today's cost.
    ///
    /// # Errors
    /// [`Problem`]: the password breaks a rule, or too many are being hashed.
    async fn hash(&self, password: SecretString) -> Result<PasswordHash, Problem>;
}

/// Waits until a change that was committed holds everywhere.
#[async_trait]
pub trait Settle: Send + Sync {
    /// Returns once no node goes by older facts: nodes may use cached ones for [`LEASE`] after the commit. The change is made
    /// whatever is returned; [`Reach::Logged`] where a node that is cut off from the database may go by older facts until it
    /// is back.
    async fn settle(&self) -> Reach;
}

/// What the operations are composed of.
pub struct ApiParts {
    /// The issuer identifier.
    pub issuer: String,
    /// Where tokens for this API come from: the token endpoint.
    pub token_endpoint: String,
    /// Who may come in.
    pub gate: Arc<dyn Gate>,
    /// Changes, as doings.
    pub admin: Arc<dyn AdminStores>,
    /// Facts, read without a cache.
    pub facts: Arc<dyn FactStore>,
    /// The list of sessions.
    pub sessions: Arc<dyn SessionLookup>,
    /// The revocation log as this process follows it.
    pub revocations: Arc<dyn Revocations>,
    /// The same as it is kept.
    pub log: Arc<dyn RevocationLog>,
    /// The same as people read it.
    pub records: Arc<dyn RevocationRecords>,
    /// What verifiers report.
    pub reports: Arc<dyn VerifierReports>,
    /// The audit trail.
    pub audit: Arc<dyn AuditStore>,
    /// How long records stay on it.
    pub audit_retention: Duration,
    /// Who follows it on this node; `None` beside the servers.
    pub trail: Option<Arc<TrailStream>>,
    /// What signs its checkpoints; `None` where the secrets can't be opened.
    pub checkpoint_keys: Option<CheckpointKeys>,
    /// What is known of this process.
    pub server: Arc<dyn ServerInfo>,
    /// Where events go that go with no change.
    pub sink: Arc<dyn AuditSink>,
    /// Verifies access tokens.
    pub tokens: Arc<dyn AccessTokens>,
    /// Keys of repeated requests.
    pub idempotency: Arc<dyn IdempotencyStore>,
    /// The signing keys.
    pub keys: Arc<dyn Keys>,
    /// Hashes passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Waits for changes to hold.
    pub settle: Arc<dyn Settle>,
    /// Makes and hashes client secrets.
    pub secrets: ClientSecrets,
    /// Makes and checks page cursors.
    pub cursors: Cursors,
    /// The algorithms that the server has keys for, `keys.algorithms`.
    pub algorithms: Vec<SigningAlg>,
    /// Longest request body, bytes.
    pub max_body_bytes: usize,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// Who was refused what, and why.
pub(crate) type Refused = (String, Arc<str>, &'static str);

/// The operations' shared state.
pub struct Api {
    pub(crate) parts: ApiParts,
    /// Which refusals were told.
    pub(crate) told: FirstOfMinute<Refused>,
    /// What the bodies of requests are held in.
    pub(crate) bodies: Bodies,
    /// The right to read the whole trail, which one at a time has.
    pub(crate) verifying: Semaphore,
    /// The right to change something, which one at a time has.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Api {
    /// The API of those parts.
    pub fn new(parts: ApiParts) -> Arc<Self> {
        Arc::new(Self {
            bodies: Bodies::new(parts.max_body_bytes),
            parts,
            told: FirstOfMinute::default(),
            verifying: Semaphore::new(1),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// The lists, which are nobody's doing.
    pub(crate) fn reading(&self) -> Box<dyn AdminStore> {
        self.parts.admin.acting(Act::server("reading"))
    }

    /// The moment up to which a cutoff reaches that goes with a change of facts: when [`Settle::settle`] returns. What
    /// begins beside the change, by facts that are about to be old, is dead with what began before it.
    pub(crate) fn cutoff(&self) -> UnixMillis {
        self.parts.clock.now().plus(lease_ms())
    }
}

fn lease_ms() -> u64 {
    u64::try_from(Duration::as_millis(&LEASE)).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("issuer", &self.parts.issuer)
            .finish_non_exhaustive()
    }
}

/// What whoever wants to log in has to know; nothing of it is secret.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub struct Access {
    /// The issuer.
    pub issuer: String,
    /// Where tokens come from.
    pub token_endpoint: String,
    /// The audience to ask for: `resource` (RFC 8707).
    pub resource: String,
    /// Every scope that there is to ask for, separated by spaces.
    pub scope: String,
}

/// `GET /access`: open to everybody.
pub(crate) async fn access(State(api): State<Arc<Api>>) -> Json<Access> {
    Json(Access {
        issuer: api.parts.issuer.clone(),
        token_endpoint: api.parts.token_endpoint.clone(),
        resource: ADMIN_AUDIENCE.to_owned(),
        scope: ADMIN_SCOPES.join(" "),
    })
}
