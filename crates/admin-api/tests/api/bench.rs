//! The router over a database of its own, with everything else that it needs.

mod call;
mod fakes;
mod keys;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use sea_orm::{ConnectionTrait as _, Database};
use secrecy::SecretString;
use serde_json::Value;
use symbolon_admin_api::trail::{CheckpointKeys, TrailStream};
use symbolon_admin_api::{Api, ApiParts, HealthView, ServerInfo, ServerView, SettingView, document, router};
use symbolon_core::audit::{AuditEvent, AuditFilter, AuditStore as _, EventKind, Order, Outcome};
use symbolon_core::cursor::Cursors;
use symbolon_core::lookup::{RecordedRevocation, RevocationRecords as _};
use symbolon_core::ports::{AdminStore, AdminStores as _, FactStore as _, RevocationLog as _};
use symbolon_core::secret::{ClientSecrets, ServerSecret};
use symbolon_core::user::{Role, User};
use symbolon_core::{Subject, UnixMillis};
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::revocation::{Digest, RevocationKind};
use symbolon_revocation::LiveLog;
use symbolon_store_sql::{SqlConfig, SqlStore};
use symbolon_testkit::{FakeClock, Fixture, SeqRng, UserMother};
use tempfile::TempDir;
use tower::ServiceExt as _;
use zeroize::Zeroizing;

pub(crate) use call::{Answer, Call};
pub(crate) use fakes::{ADDRESS, REQUEST};

use fakes::{CheapPasswords, CountedSettle, FakeGate, KnownTokens, Told};
use keys::FakeKeys;

/// Largest body, in bytes.
pub(crate) const MAX_BODY: usize = 64 << 10;

/// The router over a database of its own.
pub(crate) struct Bench {
    pub(crate) store: SqlStore,
    pub(crate) clock: Arc<FakeClock>,
    /// Says who calls; at first a client that holds every admin scope.
    pub(crate) gate: Arc<FakeGate>,
    /// The access tokens that this server has signed.
    pub(crate) tokens: Arc<KnownTokens>,
    /// What was asked of the signing keys.
    pub(crate) keys: Arc<FakeKeys>,
    /// What hashes passwords.
    pub(crate) passwords: Arc<CheapPasswords>,
    /// The events that go with no change.
    pub(crate) told: Arc<Told>,
    /// How often somebody waited for a change to hold.
    pub(crate) settled: Arc<CountedSettle>,
    router: Router,
    document: Value,
    folder: TempDir,
}

impl Bench {
    /// Why requests of somebody who is known were refused so far, which is then forgotten.
    pub(crate) fn refusals(&self) -> Vec<&'static str> {
        let reason = |event: AuditEvent| match (event.kind, event.outcome) {
            (EventKind::AdminRefused, Outcome::Refused(reason)) => Some(reason),
            _ => None,
        };
        self.told.take().into_iter().filter_map(reason).collect()
    }

    /// An empty database.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, rng) = (Arc::new(FakeClock::new()), Arc::new(SeqRng::new()));
        let url = format!("sqlite:{}", folder.path().join("db").display());
        let store = SqlStore::connect(&SqlConfig::new(url), clock.clone())
            .await
            .unwrap();
        store.migrate(&*rng).await.unwrap();
        let db = Arc::new(store.clone());
        let revocations = LiveLog::open(db.clone(), clock.clone()).await.unwrap();
        let (gate, tokens, keys) = (Arc::<FakeGate>::default(), Arc::default(), Arc::default());
        let passwords = Arc::<CheapPasswords>::default();
        let (told, settled) = (Arc::<Told>::default(), Arc::<CountedSettle>::default());
        let api = Api::new(ApiParts {
            issuer: "https://id.example".to_owned(),
            token_endpoint: "https://id.example/token".to_owned(),
            gate: gate.clone(),
            admin: db.clone(),
            facts: db.clone(),
            sessions: db.clone(),
            revocations: Arc::new(revocations),
            log: db.clone(),
            records: db.clone(),
            reports: db.clone(),
            audit: db.clone(),
            audit_retention: std::time::Duration::from_secs(400 * 86_400),
            trail: Some(Arc::new(TrailStream::new(db.clone(), 2))),
            checkpoint_keys: Some(CheckpointKeys::new(&[secret(3)]).unwrap()),
            server: Arc::new(KnownServer),
            sink: told.clone(),
            tokens: Arc::<KnownTokens>::clone(&tokens),
            idempotency: db,
            keys: Arc::<FakeKeys>::clone(&keys),
            passwords: passwords.clone(),
            settle: settled.clone(),
            secrets: ClientSecrets::new(vec![secret(1)]),
            cursors: Cursors::new(&secret(2)),
            algorithms: vec![SigningAlg::Es256],
            max_body_bytes: MAX_BODY,
            clock: clock.clone(),
            rng,
        });
        Self {
            store,
            clock,
            gate,
            tokens,
            keys,
            passwords,
            told,
            settled,
            router: router(api),
            document: serde_json::to_value(document()).unwrap(),
            folder,
        }
    }

    /// What comes of a call. Whatever the test is about: the answer is one that the document names, no cache may keep it,
    /// what is refused is a problem document, and none of it holds the hash of a password.
    pub(crate) async fn call(&self, call: Call) -> Answer {
        let (method, path) = (call.method.clone(), call.path.clone());
        let (head, body) = self.send(call).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        let status = head.status.as_u16();
        let what = format!("{method} {path}: {status} {text}");
        assert!(self.documents(method.as_str(), &path, status), "{what}");
        assert_eq!(head.headers[CACHE_CONTROL], "no-store", "{what}");
        assert!(
            !text.contains("$argon2id$v") && !text.contains("$2b$05$"),
            "{what}"
        );
        let kind = head.headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap());
        let wanted = match status {
            200..300 if text.is_empty() => None,
            200..300 => Some("application/json"),
            _ => Some("application/problem+json"),
        };
        assert_eq!(kind, wanted, "{what}");
        Answer {
            status,
            headers: head.headers,
            body: if text.is_empty() {
                Value::Null
            } else {
                serde_json::from_str(text).expect(&what)
            },
            text: text.to_owned(),
        }
    }

    /// The answer as it comes, whose body may never end.
    pub(crate) async fn send(&self, call: Call) -> Response<Body> {
        self.send_request(call.into_request()).await
    }

    /// The answer to a request that is made by hand.
    pub(crate) async fn send_request(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Whether the document names that status for the operation.
    fn documents(&self, method: &str, path: &str, status: u16) -> bool {
        let path = path.split('?').next().unwrap();
        let is_it = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            let same = |(wanted, part): (&&str, &&str)| wanted.starts_with('{') || wanted == part;
            template.len() == path.len() && template.iter().zip(&path).all(same)
        };
        let paths = self.document["paths"].as_object().unwrap();
        // Fixed paths go before those with something that varies.
        let item = paths.get(path).or_else(|| {
            let mut of_it = paths.iter().filter(|(template, _)| is_it(template));
            of_it.next().map(|(_, item)| item)
        });
        let responses = item.map(|item| &item[method.to_lowercase()]["responses"]);
        responses.is_some_and(|responses| responses.get(status.to_string()).is_some())
    }

    /// The trail, the earliest record first.
    pub(crate) async fn trail(&self) -> Vec<Value> {
        let every = AuditFilter::default();
        let records = self.store.audit_records(&every, Order::Earliest, None, 500).await;
        let bodies = records.unwrap().into_iter().map(|record| record.body);
        bodies.map(|body| serde_json::from_str(&body).unwrap()).collect()
    }

    /// The last record on the trail.
    pub(crate) async fn last_event(&self) -> Value {
        self.trail().await.pop().expect("there is one")
    }

    /// How far trail, revocation log and facts have come: nothing was changed where it is as before.
    pub(crate) async fn state(&self) -> (u64, u64, u64) {
        let (trail, log) = (
            self.store.audit_head().await.unwrap(),
            self.store.head().await.unwrap(),
        );
        (trail.seq, log.seq, log.facts)
    }

    /// Changes what is kept by hand, as whoever can write to the database does.
    pub(crate) async fn sql(&self, statement: &str) {
        let url = format!("sqlite:{}", self.folder.path().join("db").display());
        let by_hand = Database::connect(url).await.unwrap();
        by_hand.execute_unprepared(statement).await.unwrap();
        by_hand.close().await.unwrap();
    }

    /// Changes beside the API.
    pub(crate) fn admin(&self) -> Box<dyn AdminStore> {
        self.store.acting(Fixture::act())
    }

    /// Makes a role.
    pub(crate) async fn role(&self, name: &str, scope: &str) {
        let role = Role {
            name: name.parse().unwrap(),
            scope: scope.parse().unwrap(),
        };
        self.admin().put_role(&role).await.unwrap();
    }

    /// Makes a user.
    pub(crate) async fn user(&self, user: UserMother) -> User {
        let new = user.build_new();
        self.admin().add_user(&new).await.unwrap();
        self.stored(new.user.subject).await.expect("it was made")
    }

    /// The user as the database has it.
    pub(crate) async fn stored(&self, subject: Subject) -> Option<User> {
        self.store.user(subject).await.unwrap()
    }

    /// Whether somebody can log in so.
    pub(crate) async fn logs_in(&self, name: &str, password: &str) -> bool {
        let found = self.store.credential(&name.parse().unwrap()).await.unwrap();
        let password = SecretString::from(password);
        found.is_some_and(|it| it.password.verify(&password, &mut Default::default()))
    }

    /// The last entry on the revocation log about a user.
    pub(crate) async fn revoked(&self, subject: Subject) -> Option<RecordedRevocation> {
        let digest = Digest::of_uuid(RevocationKind::Subject, subject.0);
        self.store.last_revocation_of(digest).await.unwrap()
    }
}

pub(crate) fn secret(id: u16) -> ServerSecret {
    ServerSecret {
        id,
        active_from: UnixMillis(0),
        key: Zeroizing::new([u8::try_from(id).unwrap(); 32]),
    }
}

/// A process of which everything is known.
struct KnownServer;

#[async_trait]
impl ServerInfo for KnownServer {
    fn server(&self) -> ServerView {
        ServerView {
            version: "0.0.0".to_owned(),
            issuer: "https://id.example".to_owned(),
            node: "here:1".to_owned(),
            started: "2023-11-14T22:13:20.000Z".to_owned(),
            started_ms: 1_700_000_000_000,
        }
    }

    fn settings(&self) -> Vec<SettingView> {
        vec![SettingView {
            key: "issuer".to_owned(),
            value: "https://id.example".to_owned(),
            source: "a test".to_owned(),
        }]
    }

    async fn health(&self) -> HealthView {
        HealthView {
            ready: true,
            reason: None,
            dependencies: Vec::new(),
        }
    }
}
