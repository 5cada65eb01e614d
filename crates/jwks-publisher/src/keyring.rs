//! The opened keys of this node.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use symbolon_core::facts::Revocations;
use symbolon_core::keys::{MAX_UNCONFIRMED, SETTLE, SigningKeyRecord};
use symbolon_core::ports::KeyStore;
use symbolon_core::revocation::FactsVersion;
use symbolon_core::tokens::{ACCESS_TOKEN_TYP, AccessTokens, SignError, VerifiedAccessToken};
use symbolon_core::{Clock, Rng};
use symbolon_documents::Document;
use symbolon_jose::{EncryptionKeys, PrivateKey, SigningAlg, verify_compact};
use symbolon_oauth_types::AccessTokenClaims;
use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::board::RotationConfig;
use crate::error::KeyringError;
use crate::import::is_rsa;
use crate::key_set::{self, Caching, Change};
use crate::maker::SharedEncryptionKeys;
use crate::provision::Provision;
use crate::snapshot::{Opening, Snapshot, StateChange};

/// Which keys a node has, and for whom they sign.
#[derive(Clone, Debug)]
pub struct KeyringConfig {
    /// The issuer identifier; tokens of any other are refused.
    pub issuer: String,
    /// How keys come and go.
    pub rotation: RotationConfig,
    /// The algorithm where none is asked for; one of those that rotate.
    pub default_algorithm: SigningAlg,
    /// Folder of PEM files to import at start.
    pub import_dir: Option<PathBuf>,
    /// How long the key set may be cached at most, in whole seconds.
    pub max_age: Duration,
}

/// The opened keys of this node. Signing, verifying and publishing read one consistent snapshot and never wait for a
/// reload.
pub struct Keyring {
    store: Arc<dyn KeyStore>,
    encryption_keys: SharedEncryptionKeys,
    config: KeyringConfig,
    clock: Arc<dyn Clock>,
    revocations: Arc<dyn Revocations>,
    current: ArcSwap<Reading>,
    caching: Caching,
    document: ArcSwap<Served>,
    confirmation: Confirmation,
    /// One reload at a time, so that an older reading never replaces a newer one.
    reloading: Mutex<()>,
    /// RSA signatures at the same time, at most one for each processor.
    rsa_lane: Arc<Semaphore>,
}

/// The keys and the version of the facts that they are of, or a later one.
struct Reading {
    snapshot: Snapshot,
    version: FactsVersion,
}

/// The key set as it is served.
struct Served {
    document: Document,
    cache_control: String,
}

/// What this node knows of its keys being the store's. Times are monotonic.
struct Confirmation {
    /// When it last knew, in milliseconds.
    at_ms: AtomicU64,
    state: SyncMutex<Publication>,
}

/// The planned change, and since when the node publishes what it should.
#[derive(Default)]
struct Publication {
    /// When the key set changes next, as far as is planned.
    next_change: Option<Change>,
    /// Since when the key set has been complete; from the start of the node where there is none.
    complete_since: Option<Duration>,
}

impl Keyring {
    /// Opens the keys of the store, imports PEM files, and makes the keys that algorithms lack: a pending key, and in
    /// a store without any key an active one. Blocks the thread for as long as the files take to read; call it at
    /// start.
    ///
    /// # Errors
    /// [`KeyringError`]; no key that exists was changed.
    pub async fn open(
        store: Arc<dyn KeyStore>,
        config: KeyringConfig,
        encryption_keys: SharedEncryptionKeys,
        revocations: Arc<dyn Revocations>,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
    ) -> Result<Self, KeyringError> {
        if !config.rotation.algorithms.contains(&config.default_algorithm) {
            return Err(KeyringError::DefaultAlgorithm(config.default_algorithm));
        }
        let caching = Caching::new(config.max_age, &*rng);
        let confirmed = clock.monotonic();
        // Known before the store is read: what changes in between makes the keys look too old, not too new.
        let version = version(&*revocations);
        let provision = Provision::new(&*store, &config, encryption_keys.clone(), &*clock, rng);
        let snapshot = provision.run().await?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let cache_control = caching.header(None, confirmed);
        Ok(Self {
            document: ArcSwap::from_pointee(Served {
                document: key_set::document(&snapshot.jwks, &cache_control),
                cache_control,
            }),
            store,
            encryption_keys,
            config,
            clock,
            revocations,
            current: ArcSwap::from_pointee(Reading { snapshot, version }),
            caching,
            confirmation: Confirmation {
                at_ms: AtomicU64::new(millis(confirmed)),
                state: SyncMutex::default(),
            },
            reloading: Mutex::new(()),
            rsa_lane: Arc::new(Semaphore::new(processors)),
        })
    }

    /// Reads the store again, for when its facts have changed. Opens only keys that this node does not have yet.
    /// Returns whether a key is in another state than before.
    ///
    /// A key that can't be opened does not sign, and is published only where the node knew it before; that is logged and
    /// told to the other nodes.
    ///
    /// # Errors
    /// [`KeyringError`]; the keys stay as they were.
    pub async fn reload(&self) -> Result<bool, KeyringError> {
        let turn = self.reloading.lock().await;
        self.read_again(&turn).await
    }

    /// Reads the store again if facts have changed since it was read, so that no key signs that was taken back before
    /// the request came in. Where it can't be read, the keys go on for as long as [`MAX_UNCONFIRMED`].
    async fn catch_up(&self) {
        if !self.is_behind() {
            return;
        }
        let turn = self.reloading.lock().await;
        if self.is_behind()
            && let Err(error) = self.read_again(&turn).await
        {
            tracing::error!(%error, "signing keys could not be renewed: the old ones go on");
        }
    }

    fn is_behind(&self) -> bool {
        self.current.load().version != version(&*self.revocations)
    }

    async fn read_again(&self, _one_at_a_time: &MutexGuard<'_, ()>) -> Result<bool, KeyringError> {
        let (read, version) = (self.clock.monotonic(), version(&*self.revocations));
        let records = self.store.signing_keys().await?;
        let known = self.current.load_full();
        let known = &known.snapshot;
        let snapshot = Snapshot::open(
            &records,
            &Opening {
                keys: &self.encryption_keys.load(),
                algorithms: &self.config.rotation.algorithms,
                known: Some(known),
            },
        )?;
        let changes = snapshot.changes_since(known);
        for error in snapshot.newly_unopened(known) {
            tracing::error!(
                error,
                "this node can't use a signing key: the other nodes wait with it"
            );
        }
        // What it published meanwhile was not what the store said.
        let was_incomplete =
            !known.unopened.is_empty() || (!changes.is_empty() && self.unconfirmed_for() > SETTLE);
        if snapshot.jwks != known.jwks {
            let cache_control = self.cache_control();
            self.document.store(Arc::new(Served {
                document: key_set::document(&snapshot.jwks, &cache_control),
                cache_control,
            }));
        }
        if was_incomplete {
            self.publication().complete_since = Some(self.clock.monotonic());
        }
        // Only now does the node pass for complete, so that a report in between can't say that it always was.
        self.current.store(Arc::new(Reading { snapshot, version }));
        self.confirmation.at_ms.fetch_max(millis(read), Ordering::Relaxed);
        changes.iter().for_each(log);
        Ok(!changes.is_empty())
    }

    /// Replaces the key-encryption keys, if the new ones open everything that is published.
    ///
    /// # Errors
    /// [`KeyringError`]; the old ones stay.
    pub async fn replace_encryption_keys(&self, keys: Arc<EncryptionKeys>) -> Result<(), KeyringError> {
        let turn = self.reloading.lock().await;
        let records = self.store.signing_keys().await?;
        Snapshot::open_all(
            &records,
            &Opening {
                keys: &keys,
                algorithms: &self.config.rotation.algorithms,
                known: None,
            },
        )?;
        self.encryption_keys.store(keys);
        self.read_again(&turn).await.map(drop)
    }

    /// Brings `Cache-Control` of the key set up to date with the time that is left until its next change. Costs
    /// nothing while that makes no difference; call it every second. It also notes that the keys are still the store's.
    pub fn refresh_caching(&self) {
        // A node that nobody asks for a token would find, when its keys change, that it had not known of them for long.
        self.unconfirmed_for();
        let cache_control = self.cache_control();
        let served = self.document.load();
        if served.cache_control != cache_control {
            self.document.store(Arc::new(Served {
                document: served.document.with_cache_control(&cache_control),
                cache_control,
            }));
        }
    }

    /// Answers with the key set.
    pub(crate) fn answer(&self, request: &http::HeaderMap) -> axum::response::Response {
        self.document.load().document.answer(request)
    }

    /// Whether there are keys that this node should have and can't open.
    pub(crate) fn lacks_keys(&self) -> bool {
        !self.current.load().snapshot.unopened.is_empty()
    }

    /// When the key set changes next, as far as is planned.
    pub(crate) fn plan_change(&self, change: Option<Change>) {
        self.publication().next_change = change;
        self.refresh_caching();
    }

    /// Since when this node has published all that the store says, by the monotonic clock: [`Duration::ZERO`] where it
    /// always has, nothing where it does not. `records` are those of the store: a node that can't open a key when its
    /// turn comes does not count, though it publishes it.
    pub(crate) fn complete_since(&self, records: &[SigningKeyRecord]) -> Option<Duration> {
        let since = self.publication().complete_since.unwrap_or_default();
        let keys = self.encryption_keys.load();
        let openable = records.iter().all(|record| keys.include_key_of(&record.wrapped));
        (openable && !self.lacks_keys() && self.unconfirmed_for() <= SETTLE).then_some(since)
    }

    #[cfg(test)]
    pub(crate) fn jwks(&self) -> symbolon_jose::JwkSet {
        self.current.load().snapshot.jwks.clone()
    }

    fn publication(&self) -> std::sync::MutexGuard<'_, Publication> {
        self.confirmation
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn cache_control(&self) -> String {
        let next_change = self.publication().next_change;
        self.caching.header(next_change, self.clock.monotonic())
    }

    /// For how long the node has not known from the store that its keys are the store's. Who only confirms that the log
    /// has not moved does not count: a key that was taken back may be one of the changes that nobody could promise.
    fn unconfirmed_for(&self) -> Duration {
        let (seen, read) = {
            let applied = self.revocations.applied();
            (applied.facts_version(), applied.read)
        };
        let at = &self.confirmation.at_ms;
        let confirmed = if self.current.load().version == seen {
            at.fetch_max(millis(read), Ordering::Relaxed).max(millis(read))
        } else {
            at.load(Ordering::Relaxed)
        };
        self.clock
            .monotonic()
            .saturating_sub(Duration::from_millis(confirmed))
    }

    /// The key that signs with the algorithm. A node that has not heard for too long whether another has taken over
    /// signs no more: the key may be about to leave the key set.
    fn signer(&self, alg: Option<SigningAlg>) -> Result<PrivateKey, SignError> {
        let alg = alg.unwrap_or(self.config.default_algorithm);
        if self.unconfirmed_for() > MAX_UNCONFIRMED {
            return Err(SignError::Unconfirmed);
        }
        let key = self.current.load().snapshot.active(alg).cloned();
        key.ok_or(SignError::NoKey(alg))
    }

    /// An RSA signature takes about a millisecond: too long for a thread that serves. The permit goes with the work,
    /// which runs to its end though its caller may be gone.
    async fn sign_aside(&self, alg: SigningAlg, claims: Vec<u8>) -> Result<String, SignError> {
        let failed = |reason: String| SignError::Failed(reason);
        let permit = self
            .rsa_lane
            .clone()
            .acquire_owned()
            .await
            .map_err(|closed| failed(closed.to_string()))?;
        // Only now: while it waited, another key may have taken over.
        let key = self.signer(Some(alg))?;
        let work = move || {
            let _permit = permit;
            key.sign_compact(ACCESS_TOKEN_TYP, &claims)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|cut_short| failed(cut_short.to_string()))?
            .map_err(|error| failed(error.to_string()))
    }
}

#[async_trait]
impl AccessTokens for Keyring {
    async fn sign(&self, alg: Option<SigningAlg>, claims: &AccessTokenClaims) -> Result<String, SignError> {
        self.catch_up().await;
        let claims = serde_json::to_vec(claims).map_err(|error| SignError::Failed(error.to_string()))?;
        let alg = alg.unwrap_or(self.config.default_algorithm);
        if is_rsa(alg) {
            return self.sign_aside(alg, claims).await;
        }
        self.signer(Some(alg))?
            .sign_compact(ACCESS_TOKEN_TYP, &claims)
            .map_err(|error| SignError::Failed(error.to_string()))
    }

    fn can_sign(&self, alg: Option<SigningAlg>) -> Result<(), SignError> {
        self.signer(alg).map(drop)
    }

    /// Pending keys verify too: another node may have activated one before this node has read so.
    fn verify(&self, token: &str) -> Option<VerifiedAccessToken> {
        let current = self.current.load();
        let verified = verify_compact(token, ACCESS_TOKEN_TYP, |kid| current.snapshot.public(kid)).ok()?;
        let claims: AccessTokenClaims = serde_json::from_slice(verified.payload()).ok()?;
        // RFC 9068 section 4: the issuer must be exactly ours.
        (claims.iss == self.config.issuer).then(|| VerifiedAccessToken {
            claims: Arc::new(claims),
            kid: verified.kid().clone(),
        })
    }
}

fn version(revocations: &dyn Revocations) -> FactsVersion {
    revocations.applied().facts_version()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn log(change: &StateChange) {
    let StateChange { kid, alg, from, to } = change;
    let gone = "not published";
    tracing::info!(
        %kid, %alg, from = from.unwrap_or(gone), to = to.unwrap_or(gone),
        "signing key {}", to.map_or("is no longer published", |to| match to {
            "active" => "signs from now on",
            "pending" => "is published and will sign",
            _ => "signs no more and stays published",
        })
    );
}
