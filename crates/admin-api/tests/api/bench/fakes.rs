//! What the API needs besides the database.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use symbolon_admin_api::{Denied, Gate, Passwords, Presented, Principal, Problem, ProblemKind, Settle};
use symbolon_core::UnixMillis;
use symbolon_core::audit::{Actor, AuditEvent, AuditSink, Counted, Judged};
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::StoreError;
use symbolon_core::revocation::{Head, Reach, UNKNOWN_TIP};
use symbolon_core::tokens::{AccessTokens, SignError, VerifiedAccessToken};
use symbolon_core::user::ADMIN_SCOPES;
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::AccessTokenClaims;
use symbolon_oauth_types::revocation::Revocable;
use symbolon_testkit::{fresh_client_uid, password_hash};
use uuid::Uuid;

/// The token that the gate admits.
pub(crate) const GOOD: &str = "good";
/// The token for which the gate can't be asked.
pub(crate) const UNASKED: &str = "unasked";
/// The id of every request.
pub(crate) const REQUEST: Uuid = Uuid::from_u128(0x0190_c7a0_0000_7000_8000_0000_0000_0042);
/// Where every request comes from.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// Admits [`GOOD`] as whom the test says.
pub(crate) struct FakeGate {
    principal: Mutex<Principal>,
    /// How often it still does.
    left: AtomicUsize,
}

impl FakeGate {
    /// The token is good so many times more, and revoked then.
    pub(crate) fn turning_after(&self, times: usize) {
        self.left.store(times, Ordering::SeqCst);
    }

    /// The token has just this scope from now on.
    pub(crate) fn holding(&self, scope: &str) {
        self.principal.lock().unwrap().scope = scope.parse().unwrap();
    }

    /// The token has every admin scope but those from now on.
    pub(crate) fn lacking(&self, scopes: &[&str]) {
        let held: Vec<_> = ADMIN_SCOPES
            .into_iter()
            .filter(|scope| !scopes.contains(scope))
            .collect();
        self.holding(&held.join(" "));
    }

    /// The client was deleted, and another one of its name calls from now on.
    pub(crate) fn as_namesake(&self) {
        self.principal.lock().unwrap().client = Some(fresh_client_uid());
    }

    /// Whoever calls is judged by a state that the database has never been in, from now on; or by none.
    pub(crate) fn judged_elsewhere(&self, elsewhere: bool) {
        let token = Revocable {
            started: UnixMillis(0),
            subject: Uuid::nil(),
            client_id: "console",
            session: None,
            token: None,
            kid: None,
        };
        let head = Head {
            log: Uuid::from_u128(1),
            seq: 0,
            facts: 0,
            tip: UNKNOWN_TIP,
        };
        self.principal.lock().unwrap().judged = elsewhere.then(|| Judged {
            head,
            of: token.lookup(),
        });
    }

    /// Another client calls from now on.
    pub(crate) fn as_client(&self, client_id: &str) {
        self.principal.lock().unwrap().actor = Actor::client(&client_id.parse().unwrap());
    }
}

impl Default for FakeGate {
    fn default() -> Self {
        Self {
            principal: Mutex::new(Principal {
                actor: Actor::client(&"console".parse().unwrap()),
                via: None,
                client: Some(fresh_client_uid()),
                scope: ADMIN_SCOPES.join(" ").parse().unwrap(),
                judged: None,
            }),
            left: AtomicUsize::new(usize::MAX),
        }
    }
}

#[async_trait]
impl Gate for FakeGate {
    async fn admit(&self, presented: &Presented<'_>) -> Result<Principal, Denied> {
        match presented.token {
            None => Err(Denied::Missing),
            Some(GOOD) => {
                let one_less = |left: usize| left.checked_sub(1);
                let admitted = self
                    .left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
                admitted.map_err(|_| Denied::Refused("revoked"))?;
                Ok(self.principal.lock().unwrap().clone())
            }
            Some(UNASKED) => Err(Denied::Unavailable(StoreError::Unavailable("down".into()))),
            Some(_) => Err(Denied::Refused("expired")),
        }
    }
}

/// Hashes as cheaply as Argon2 allows; [`CheapPasswords::REFUSED`] finds the lane full.
#[derive(Default)]
pub(crate) struct CheapPasswords {
    hashed: AtomicUsize,
}

impl CheapPasswords {
    /// A password for which there is no room.
    pub(crate) const REFUSED: &str = "no room for this one";

    /// How many were hashed.
    pub(crate) fn hashed(&self) -> usize {
        self.hashed.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Passwords for CheapPasswords {
    async fn hash(&self, password: SecretString) -> Result<PasswordHash, Problem> {
        if password.expose_secret() == Self::REFUSED {
            return Err(Problem::new(
                ProblemKind::Unavailable,
                "too many passwords are being hashed",
            ));
        }
        self.hashed.fetch_add(1, Ordering::SeqCst);
        Ok(password_hash(password.expose_secret()))
    }
}

/// Counts those who wait.
#[derive(Default)]
pub(crate) struct CountedSettle {
    times: AtomicUsize,
    is_cut_off: AtomicBool,
}

impl CountedSettle {
    /// How many have waited.
    pub(crate) fn times(&self) -> usize {
        self.times.load(Ordering::SeqCst)
    }

    /// From now on nothing can be promised.
    pub(crate) fn cut_off(&self) {
        self.is_cut_off.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Settle for CountedSettle {
    async fn settle(&self) -> Reach {
        self.times.fetch_add(1, Ordering::SeqCst);
        match self.is_cut_off.load(Ordering::SeqCst) {
            true => Reach::Logged,
            false => Reach::Everywhere,
        }
    }
}

/// Keeps what it is told.
#[derive(Default)]
pub(crate) struct Told {
    events: Mutex<Vec<AuditEvent>>,
    counted: Mutex<Vec<(&'static str, String)>>,
}

impl Told {
    /// The events so far, which are then forgotten.
    pub(crate) fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// The kinds and endpoints of what was counted so far, which are then forgotten.
    pub(crate) fn take_counted(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut *self.counted.lock().unwrap())
    }
}

impl AuditSink for Told {
    fn tell(&self, event: AuditEvent) {
        self.events.lock().unwrap().push(event);
    }

    fn count(&self, counted: Counted<'_>) {
        let counted = (counted.kind.as_str(), counted.endpoint.to_owned());
        self.counted.lock().unwrap().push(counted);
    }
}

/// Access tokens that a test says were signed.
#[derive(Default)]
pub(crate) struct KnownTokens(Mutex<HashMap<String, VerifiedAccessToken>>);

impl KnownTokens {
    /// The token was signed so.
    pub(crate) fn know(&self, token: &str, verified: VerifiedAccessToken) {
        self.0.lock().unwrap().insert(token.to_owned(), verified);
    }
}

#[async_trait]
impl AccessTokens for KnownTokens {
    async fn sign(&self, _: Option<SigningAlg>, _: &AccessTokenClaims) -> Result<String, SignError> {
        Err(SignError::NoKey(SigningAlg::Es256))
    }

    fn can_sign(&self, _: Option<SigningAlg>) -> Result<(), SignError> {
        Err(SignError::NoKey(SigningAlg::Es256))
    }

    fn verify(&self, token: &str) -> Option<VerifiedAccessToken> {
        self.0.lock().unwrap().get(token).cloned()
    }
}
