use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_core::ports::{
    Appended, Begin, Fence, KilledSession, NewSession, RevocationLog, SessionStore, StoreError, StoreResult,
};
use symbolon_core::revocation::{Head, Logged, NewRevocation, Reach, Tip};
use symbolon_core::rotation::{Rotation, RotationRequest};
use symbolon_core::tokens::{AccessTokens, SignError, VerifiedAccessToken};
use symbolon_core::{SessionId, Subject, UnixMillis};
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::AccessTokenClaims;
use symbolon_oauth_types::revocation::Digest;
use symbolon_server::node::Wraps;
use tokio::sync::Semaphore;

use crate::tap_keys::TappedKeys;

/// One operation of a port.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Call {
    /// `RevocationLog::append`.
    Append,
    /// `SessionStore::begin`.
    Begin,
    /// `KeyStore::change_keys`.
    ChangeKeys,
    /// `RevocationLog::confirms`: what Redis says while the log is away.
    Confirms,
    /// `RevocationLog::entries`.
    Entries,
    /// `SessionStore::fence`.
    Fence,
    /// `RevocationLog::head`.
    Head,
    /// Whatever else of the key store but reading the keys: its schedule, its lease, its nodes.
    KeySchedule,
    /// `SessionStore::killed`.
    Killed,
    /// `SessionStore::killed_logged`.
    KilledLogged,
    /// `SessionStore::peek`.
    Peek,
    /// `RevocationLog::live_tokens`.
    LiveTokens,
    /// `SessionStore::rotate`.
    Rotate,
    /// `AccessTokens::sign`.
    Sign,
    /// `KeyStore::signing_keys` and `KeyStore::key_history`.
    SigningKeys,
    /// `SessionStore::sweep` and `RevocationLog::sweep_log`.
    Sweep,
}

/// Where a call is held.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Point {
    /// The port has done its work, and the caller does not know it yet.
    After(Call),
    /// The port has not been asked yet.
    Before(Call),
}

/// What stands between the endpoints and their ports: counts calls, holds them, and makes them fail.
#[derive(Clone, Default)]
pub struct Tap(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    counts: HashMap<Call, usize>,
    failing: HashSet<Call>,
    failing_once: HashSet<Call>,
    holds: HashMap<Point, Arc<Gate>>,
    lost_rotations: usize,
    spoiled: Option<&'static str>,
}

struct Gate {
    arrived: Semaphore,
    go: Semaphore,
}

/// The next call at one point, which waits there until it is released.
pub struct Hold(Arc<Gate>);

/// A call that never comes is a failed test, not one that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

impl Hold {
    /// Until a call waits at the point.
    ///
    /// # Panics
    /// None comes.
    #[expect(
        clippy::expect_used,
        reason = "test support: a call that never comes is a failed test"
    )]
    pub async fn reached(&self) {
        tokio::time::timeout(PATIENCE, self.0.arrived.acquire())
            .await
            .expect("a call reaches the point")
            .expect("the gate stays open")
            .forget();
    }

    /// Lets the call go on.
    pub fn release(self) {
        self.0.go.add_permits(1);
    }
}

impl Tap {
    /// Around every port.
    pub fn wraps(&self) -> Wraps {
        let (tokens, sessions, log, keys) = (self.clone(), self.clone(), self.clone(), self.clone());
        Wraps {
            tokens: Arc::new(move |inner| {
                Arc::new(TappedTokens {
                    inner,
                    tap: tokens.clone(),
                })
            }),
            sessions: Arc::new(move |inner| {
                Arc::new(TappedSessions {
                    inner,
                    tap: sessions.clone(),
                })
            }),
            log: Arc::new(move |inner| {
                Arc::new(TappedLog {
                    inner,
                    tap: log.clone(),
                })
            }),
            keys: Arc::new(move |inner| {
                Arc::new(TappedKeys {
                    inner,
                    tap: keys.clone(),
                })
            }),
        }
    }

    /// How often an operation was called.
    pub fn count(&self, call: Call) -> usize {
        self.state().counts.get(&call).copied().unwrap_or_default()
    }

    /// How often any operation of the session store and the log was called, signing and its keys left out.
    pub fn store_calls(&self) -> usize {
        const KEYS: [Call; 4] = [Call::ChangeKeys, Call::KeySchedule, Call::Sign, Call::SigningKeys];
        let state = self.state();
        let calls = state.counts.iter().filter(|(call, _)| !KEYS.contains(call));
        calls.map(|(_, count)| count).sum()
    }

    /// From now on the operation fails before it does anything.
    pub fn fail(&self, call: Call) {
        self.state().failing.insert(call);
    }

    /// The next such operation fails before it does anything; those behind it work.
    pub fn fail_next(&self, call: Call) {
        self.state().failing_once.insert(call);
    }

    /// Everything works again.
    pub fn mend(&self) {
        self.state().failing.clear();
    }

    /// Holds the next call that comes to the point; those behind it pass.
    pub fn hold(&self, point: Point) -> Hold {
        let gate = Arc::new(Gate {
            arrived: Semaphore::new(0),
            go: Semaphore::new(0),
        });
        self.state().holds.insert(point, gate.clone());
        Hold(gate)
    }

    /// The store confirms the next rotation and loses it, as one does that is cut off before its replica has it.
    pub fn lose_rotation(&self) {
        self.state().lost_rotations += 1;
    }

    /// From now on the private keys of records in that state come damaged from the key store, until all are well again
    /// with `None`.
    pub fn spoil_keys(&self, state: Option<&'static str>) {
        self.state().spoiled = state;
    }

    pub(crate) fn spoiled(&self) -> Option<&'static str> {
        self.state().spoiled
    }

    pub(crate) async fn before(&self, call: Call) -> StoreResult<()> {
        *self.state().counts.entry(call).or_default() += 1;
        self.pass(Point::Before(call)).await;
        let mut state = self.state();
        if state.failing.contains(&call) || state.failing_once.remove(&call) {
            return Err(StoreError::Unavailable("the test has cut it off".into()));
        }
        Ok(())
    }

    pub(crate) async fn after(&self, call: Call) {
        self.pass(Point::After(call)).await;
    }

    async fn pass(&self, point: Point) {
        let gate = self.state().holds.remove(&point);
        if let Some(gate) = gate {
            gate.arrived.add_permits(1);
            if let Ok(permit) = gate.go.acquire().await {
                permit.forget();
            }
        }
    }

    fn loses(&self) -> bool {
        let mut state = self.state();
        let loses = state.lost_rotations > 0;
        state.lost_rotations -= usize::from(loses);
        loses
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TappedTokens {
    inner: Arc<dyn AccessTokens>,
    tap: Tap,
}

#[async_trait]
impl AccessTokens for TappedTokens {
    async fn sign(&self, alg: Option<SigningAlg>, claims: &AccessTokenClaims) -> Result<String, SignError> {
        let tapped = self.tap.before(Call::Sign).await;
        tapped.map_err(|error| SignError::Failed(error.to_string()))?;
        let signed = self.inner.sign(alg, claims).await;
        self.tap.after(Call::Sign).await;
        signed
    }

    fn can_sign(&self, alg: Option<SigningAlg>) -> Result<(), SignError> {
        self.inner.can_sign(alg)
    }

    fn verify(&self, token: &str) -> Option<VerifiedAccessToken> {
        self.inner.verify(token)
    }
}

struct TappedSessions {
    inner: Arc<dyn SessionStore>,
    tap: Tap,
}

#[async_trait]
impl SessionStore for TappedSessions {
    async fn begin(&self, session: &NewSession, applied: Head) -> StoreResult<Begin> {
        self.tap.before(Call::Begin).await?;
        let begun = self.inner.begin(session, applied).await;
        self.tap.after(Call::Begin).await;
        begun
    }

    async fn rotate(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        self.tap.before(Call::Rotate).await?;
        let rotated = if self.tap.loses() {
            Ok(Rotation::Rotated {
                generation: request.presented + 1,
                issued: request.now,
                adopted: false,
            })
        } else {
            self.inner.rotate(request).await
        };
        self.tap.after(Call::Rotate).await;
        rotated
    }

    async fn peek(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        self.tap.before(Call::Peek).await?;
        self.inner.peek(request).await
    }

    async fn fence(&self, subject: Subject, session: Option<SessionId>) -> StoreResult<Fence> {
        self.tap.before(Call::Fence).await?;
        let fence = self.inner.fence(subject, session).await;
        self.tap.after(Call::Fence).await;
        fence
    }

    async fn killed(&self, limit: u32) -> StoreResult<Vec<KilledSession>> {
        self.tap.before(Call::Killed).await?;
        self.inner.killed(limit).await
    }

    async fn killed_logged(&self, killed: &KilledSession) -> StoreResult<()> {
        self.tap.before(Call::KilledLogged).await?;
        self.inner.killed_logged(killed).await
    }

    async fn sweep(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        self.tap.before(Call::Sweep).await?;
        self.inner.sweep(before, limit).await
    }
}

struct TappedLog {
    inner: Arc<dyn RevocationLog>,
    tap: Tap,
}

#[async_trait]
impl RevocationLog for TappedLog {
    async fn head(&self) -> StoreResult<Head> {
        self.tap.before(Call::Head).await?;
        self.inner.head().await
    }

    async fn entries(&self, after: u64, now: UnixMillis, limit: u32) -> StoreResult<Vec<Logged>> {
        self.tap.before(Call::Entries).await?;
        self.inner.entries(after, now, limit).await
    }

    async fn tip_at(&self, seq: u64) -> StoreResult<Option<Tip>> {
        self.inner.tip_at(seq).await
    }

    async fn append(&self, revocation: &NewRevocation, now: UnixMillis) -> StoreResult<Appended> {
        self.tap.before(Call::Append).await?;
        let appended = self.inner.append(revocation, now).await;
        self.tap.after(Call::Append).await;
        appended
    }

    async fn promise(&self, whose: Option<Subject>, to: Head) -> StoreResult<Reach> {
        self.inner.promise(whose, to).await
    }

    async fn confirms(&self, applied: Head) -> StoreResult<bool> {
        self.tap.before(Call::Confirms).await?;
        self.inner.confirms(applied).await
    }

    async fn live_tokens(&self, owner: Digest, now: UnixMillis) -> StoreResult<u64> {
        self.tap.before(Call::LiveTokens).await?;
        self.inner.live_tokens(owner, now).await
    }

    async fn sweep_log(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        self.tap.before(Call::Sweep).await?;
        self.inner.sweep_log(before, limit).await
    }
}
