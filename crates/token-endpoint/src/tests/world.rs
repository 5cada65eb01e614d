//! Everything that the endpoints are composed of, in memory: what a store would say is set by the test.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use symbolon_core::audit::{AuditEvent, AuditSink, Counted, Outcome};
use symbolon_core::client::Client;
use symbolon_core::facts::{Facts, Revocations};
use symbolon_core::password::{PasswordCost, PasswordHash};
use symbolon_core::ports::{
    AdminToken, AdminTokens, Begin, FactStore, Fence, KilledSession, NewSession, PublishedFacts,
    SessionStore, StoreError, StoreResult, VerifierReports,
};
use symbolon_core::refresh::RefreshSeal;
use symbolon_core::revocation::{Applied, Head, NewRevocation, Reach, UNKNOWN_TIP};
use symbolon_core::rotation::{Rotation, RotationRequest};
use symbolon_core::secret::{ClientSecrets, ServerSecret};
use symbolon_core::throttle::ThrottleRules;
use symbolon_core::tokens::{ACCESS_TOKEN_TYP, AccessTokens, SignError, VerifiedAccessToken};
use symbolon_core::user::{Credential, LoginName, User};
use symbolon_core::{
    ClientId, ClientUid, Clock, RequestInfo, SessionId, Subject, TokenId, UnixMillis, evidence,
};
use symbolon_jose::{PrivateKey, SigningAlg, verify_compact};
use symbolon_oauth_types::AccessTokenClaims;
use symbolon_oauth_types::revocation::{Cutoffs, Digest};
use symbolon_testkit::{FakeClock, SeqRng, password_hash};
use tower::ServiceExt as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Evidence, HashLane, LaneConfig, Lifetimes, MemoryThrottle, Metrics, Service, ServiceParts, router,
};

pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const SECRET: &str = "sbs_of-every-client";
/// Where requests come from.
pub(super) const ADDRESS: &str = "192.0.2.7";

/// What the stores hold, and whether they answer.
pub(super) struct World {
    pub(super) clients: Vec<Client>,
    pub(super) users: Vec<User>,
    /// Admin tokens, with the events that were written with them.
    pub(super) recorded: HashMap<TokenId, (AdminToken, Value)>,
    pub(super) told: Vec<Value>,
    /// Kind, outcome, client, endpoint and grant.
    pub(super) counted: Vec<String>,
    /// What rotations come to, one after the other; then all rotate.
    pub(super) rotations: VecDeque<Rotation>,
    pub(super) revoked: Vec<NewRevocation>,
    pub(super) killed: bool,
    pub(super) down: Down,
}

/// What does not answer.
#[derive(Clone, Copy, Default)]
pub(super) struct Down {
    pub(super) sessions: bool,
    pub(super) log: bool,
    pub(super) record: bool,
}

fn unless<T>(down: bool, value: T) -> StoreResult<T> {
    if down {
        return Err(StoreError::Unavailable("it is down".into()));
    }
    Ok(value)
}

/// The stores and what a node has applied.
pub(super) struct Stores {
    world: Mutex<World>,
    applied: RwLock<Applied>,
    key: PrivateKey,
    clock: Arc<FakeClock>,
}

impl Stores {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Changes a fact: the node learns of it when it looks.
    pub(super) fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world());
        self.applied.write().unwrap().head.facts += 1;
    }

    /// Puts an entry on the log, and applies it.
    pub(super) fn log(&self, entry: NewRevocation) {
        let mut applied = self.applied.write().unwrap();
        applied.head.seq += 1;
        applied.cutoffs.apply(&entry.entry);
    }
}

#[async_trait]
impl FactStore for Stores {
    async fn client(&self, id: &ClientId) -> StoreResult<Option<Client>> {
        Ok(self
            .world()
            .clients
            .iter()
            .find(|client| client.client_id == *id)
            .cloned())
    }

    async fn client_by_uid(&self, uid: ClientUid) -> StoreResult<Option<Client>> {
        Ok(self
            .world()
            .clients
            .iter()
            .find(|client| client.uid == uid)
            .cloned())
    }

    async fn user(&self, subject: Subject) -> StoreResult<Option<User>> {
        Ok(self
            .world()
            .users
            .iter()
            .find(|user| user.subject == subject)
            .cloned())
    }

    async fn subject(&self, name: &LoginName) -> StoreResult<Option<Subject>> {
        Ok(self
            .credential(name)
            .await?
            .map(|credential| credential.user.subject))
    }

    async fn credential(&self, name: &LoginName) -> StoreResult<Option<Credential>> {
        let world = self.world();
        let user = world.users.iter().find(|user| user.username == name.as_str());
        Ok(user.map(|user| Credential {
            user: user.clone(),
            password: password_hash(PASSWORD),
        }))
    }

    async fn rehash(&self, _: Subject, _: &PasswordHash, _: &PasswordHash) -> StoreResult<bool> {
        Ok(false)
    }

    async fn published(&self) -> StoreResult<PublishedFacts> {
        Ok(PublishedFacts::default())
    }
}

#[async_trait]
impl SessionStore for Stores {
    async fn begin(&self, _session: &NewSession, _applied: Head) -> StoreResult<Begin> {
        unless(self.world().down.sessions, Begin::Begun)
    }

    async fn rotate(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        let mut world = self.world();
        let rotated = Rotation::Rotated {
            generation: request.presented + 1,
            issued: request.now,
            adopted: false,
        };
        let outcome = world.rotations.pop_front().unwrap_or(rotated);
        unless(world.down.sessions, outcome)
    }

    async fn peek(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        self.rotate(request).await
    }

    async fn fence(&self, _subject: Subject, _session: Option<SessionId>) -> StoreResult<Fence> {
        let head = self.applied.read().unwrap().head;
        let world = self.world();
        let killed = world.killed;
        unless(world.down.sessions, Fence { head, killed })
    }

    async fn killed(&self, _limit: u32) -> StoreResult<Vec<KilledSession>> {
        Ok(Vec::new())
    }

    async fn killed_logged(&self, _killed: &KilledSession) -> StoreResult<()> {
        Ok(())
    }

    async fn sweep(&self, _before: UnixMillis, _limit: u32) -> StoreResult<u64> {
        Ok(0)
    }
}

#[async_trait]
impl Revocations for Stores {
    fn applied(&self) -> RwLockReadGuard<'_, Applied> {
        self.applied.read().unwrap()
    }

    async fn catch_up(&self) -> StoreResult<()> {
        unless(self.world().down.log, ())?;
        self.applied.write().unwrap().observed = self.clock.monotonic();
        Ok(())
    }

    async fn revoke(&self, revocation: NewRevocation) -> StoreResult<Reach> {
        self.log(revocation.clone());
        self.world().revoked.push(revocation);
        Ok(Reach::Everywhere)
    }

    async fn promise(&self, _whose: Option<Subject>) -> StoreResult<Reach> {
        Ok(Reach::Everywhere)
    }

    async fn live_tokens(&self, _owner: Digest) -> StoreResult<u64> {
        Ok(0)
    }
}

#[async_trait]
impl AdminTokens for Stores {
    async fn record_token(&self, token: &AdminToken, event: &AuditEvent) -> StoreResult<()> {
        let mut world = self.world();
        unless(world.down.record, ())?;
        world.recorded.insert(token.token, (*token, parsed(event)));
        Ok(())
    }

    async fn recorded_token(&self, token: TokenId, now: UnixMillis) -> StoreResult<Option<AdminToken>> {
        let world = self.world();
        let found = world.recorded.get(&token).map(|(token, _)| *token);
        unless(world.down.record, found.filter(|token| now < token.expires))
    }

    async fn sweep_tokens(&self, _before: UnixMillis, _limit: u32) -> StoreResult<u64> {
        Ok(0)
    }
}

#[async_trait]
impl AccessTokens for Stores {
    async fn sign(&self, _alg: Option<SigningAlg>, claims: &AccessTokenClaims) -> Result<String, SignError> {
        let json = serde_json::to_vec(claims).unwrap();
        Ok(self.key.sign_compact(ACCESS_TOKEN_TYP, &json).unwrap())
    }

    fn can_sign(&self, _alg: Option<SigningAlg>) -> Result<(), SignError> {
        Ok(())
    }

    fn verify(&self, token: &str) -> Option<VerifiedAccessToken> {
        let verified = verify_compact(token, ACCESS_TOKEN_TYP, |_| Some(self.key.public())).ok()?;
        Some(VerifiedAccessToken {
            claims: Arc::new(serde_json::from_slice(verified.payload()).ok()?),
            kid: verified.kid().clone(),
        })
    }
}

#[async_trait]
impl VerifierReports for Stores {
    async fn record_reports(&self, _reports: &[evidence::Report]) -> StoreResult<()> {
        Ok(())
    }

    async fn verifiers(&self) -> StoreResult<Vec<evidence::ListedVerifier>> {
        Ok(Vec::new())
    }

    async fn sweep_verifiers(&self, _before: UnixMillis) -> StoreResult<u64> {
        Ok(0)
    }
}

impl AuditSink for Stores {
    fn tell(&self, event: AuditEvent) {
        self.world().told.push(parsed(&event));
    }

    fn count(&self, counted: Counted<'_>) {
        let outcome = match counted.outcome {
            Outcome::Done => "done",
            Outcome::Refused(reason) => reason,
        };
        let client = counted
            .client
            .map_or("unknown", |client| client.client_id.as_str());
        let (kind, endpoint, grant) = (counted.kind.as_str(), counted.endpoint, counted.grant);
        let line = format!("{kind} {outcome} {client} {endpoint} {grant}");
        self.world().counted.push(line);
    }
}

fn parsed(event: &AuditEvent) -> Value {
    serde_json::from_str(&event.body()).unwrap()
}

/// A node.
pub(super) struct Node {
    pub(super) stores: Arc<Stores>,
    pub(super) service: Arc<Service>,
    pub(super) clock: Arc<FakeClock>,
    pub(super) request: RequestInfo,
    router: Router,
}

impl Node {
    /// With those clients, each of which has [`SECRET`], and users, each of whom has [`PASSWORD`].
    pub(super) fn new(clients: Vec<Client>, users: Vec<User>) -> Self {
        let clock = Arc::new(FakeClock::new());
        let secret = |id| ServerSecret {
            id,
            active_from: UnixMillis(0),
            key: Zeroizing::new([7; 32]),
        };
        let secrets = ClientSecrets::new(vec![secret(1)]);
        let with_secret = |mut client: Client| {
            client.secrets = secrets.hash(client.uid, &SECRET.into()).into_iter().collect();
            client
        };
        let stores = Arc::new(Stores {
            world: Mutex::new(World {
                clients: clients.into_iter().map(with_secret).collect(),
                users,
                recorded: HashMap::new(),
                told: Vec::new(),
                counted: Vec::new(),
                rotations: VecDeque::new(),
                revoked: Vec::new(),
                killed: false,
                down: Down::default(),
            }),
            applied: RwLock::new(Applied {
                head: Head {
                    log: Uuid::from_u128(1),
                    seq: 1,
                    facts: 1,
                    tip: UNKNOWN_TIP,
                },
                cutoffs: Cutoffs::default(),
                observed: Duration::ZERO,
                read: Duration::ZERO,
                rereads: 0,
            }),
            key: PrivateKey::from_ed25519_seed(&[1; 32]).unwrap(),
            clock: clock.clone(),
        });
        let service = Service::new(parts(&stores, &clock, secrets, secret(1)));
        let request = RequestInfo {
            id: Uuid::from_u128(0xABC),
            received: clock.now(),
            address: Some(ADDRESS.parse().unwrap()),
        };
        Self {
            router: router(service.clone(), ""),
            stores,
            service,
            clock,
            request,
        }
    }

    /// Posts a form to `/oauth2/<endpoint>`, as that client or as none.
    pub(super) async fn post(&self, endpoint: &str, client: Option<&str>, form: &str) -> (StatusCode, Value) {
        let auth = client.map_or_else(String::new, |client| {
            format!("&client_id={client}&client_secret={SECRET}")
        });
        let mut request = Request::post(format!("/oauth2/{endpoint}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("{form}{auth}")))
            .unwrap();
        request.extensions_mut().insert(self.request);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// What was counted since the last time.
    pub(super) fn counted(&self) -> Vec<String> {
        std::mem::take(&mut self.stores.world().counted)
    }

    /// What was told since the last time.
    pub(super) fn told(&self) -> Vec<Value> {
        std::mem::take(&mut self.stores.world().told)
    }
}

fn parts(
    stores: &Arc<Stores>,
    clock: &Arc<FakeClock>,
    secrets: ClientSecrets,
    seal: ServerSecret,
) -> ServiceParts {
    let lane = LaneConfig {
        threads: 1,
        queue_length: 8,
        queue_deadline: Duration::from_secs(60),
    };
    let rules = ThrottleRules {
        max_failures: 2,
        lockout: Duration::from_secs(60),
        max_failures_per_address: 5,
        address_window: Duration::from_secs(600),
        known_address_lifetime: Duration::ZERO,
    };
    ServiceParts {
        issuer: "https://as.example".to_owned(),
        facts: Arc::new(Facts::new(stores.clone(), stores.clone(), clock.clone())),
        sessions: stores.clone(),
        revocations: stores.clone(),
        tokens: stores.clone(),
        admin_tokens: stores.clone(),
        audit: stores.clone(),
        seal: RefreshSeal::new(1, &[seal]),
        secrets,
        lane: HashLane::start(lane).unwrap(),
        password_cost: PasswordCost {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
        },
        throttle: Arc::new(MemoryThrottle::new(clock.clone(), rules)),
        clock: clock.clone(),
        rng: Arc::new(SeqRng::starting_at(1)),
        lifetimes: Lifetimes {
            access_token_secs: 300,
            session_secs: 86_400,
            refresh_idle_secs: 86_400,
            refresh_overlap_ms: 30_000,
            late_recoveries: 1,
            adopt_lost_sessions: true,
        },
        max_body_bytes: 16_384,
        evidence: Arc::new(Evidence::new(stores.clone(), clock.clone())),
        metrics: Metrics::default(),
        allows_origin: Arc::new(|_| false),
    }
}
