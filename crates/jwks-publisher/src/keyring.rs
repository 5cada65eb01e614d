//! The opened keys of this node.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use symbolon_core::ports::{KeyStore, StoreResult};
use symbolon_core::tokens::{ACCESS_TOKEN_TYP, AccessTokens, SignError, VerifiedAccessToken};
use symbolon_core::{Clock, Rng};
use symbolon_jose::{KeyEncryptionKey, PrivateKey, SigningAlg, verify_compact};
use symbolon_oauth_types::AccessTokenClaims;
use tokio::sync::{Mutex, Semaphore};

use crate::error::KeyringError;
use crate::import::is_rsa;
use crate::listing::{KeyInfo, list_keys};
use crate::provision::Provision;
use crate::snapshot::{Opening, Snapshot};

/// Which keys a node has, and for whom they sign.
#[derive(Clone, Debug)]
pub struct KeyringConfig {
    /// The issuer identifier; tokens of any other are refused.
    pub issuer: String,
    /// Algorithms that sign; each has an active and a pending key.
    pub algorithms: Vec<SigningAlg>,
    /// The algorithm where none is asked for; one of `algorithms`.
    pub default_algorithm: SigningAlg,
    /// Folder of PEM files to import at start.
    pub import_dir: Option<PathBuf>,
    /// How long the key set may be cached, in whole seconds.
    pub max_age: Duration,
}

/// The opened keys of this node. Signing, verifying and publishing read one consistent snapshot and never wait for a
/// reload.
pub struct Keyring {
    store: Arc<dyn KeyStore>,
    kek: Arc<KeyEncryptionKey>,
    config: KeyringConfig,
    current: ArcSwap<Snapshot>,
    /// One reload at a time, so that an older reading never replaces a newer one.
    reloading: Mutex<()>,
    /// RSA signatures at the same time, at most one for each processor.
    rsa_lane: Arc<Semaphore>,
}

impl Keyring {
    /// Opens the keys of the store, imports PEM files, and makes an active and a pending key for each algorithm
    /// that lacks them. Pending keys are published and never sign. Blocks the thread for as long as the files take
    /// to read; call it at start.
    ///
    /// # Errors
    /// [`KeyringError`]; no key that exists was changed.
    pub async fn open(
        store: Arc<dyn KeyStore>,
        config: KeyringConfig,
        kek: Arc<KeyEncryptionKey>,
        clock: &dyn Clock,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, KeyringError> {
        if !config.algorithms.contains(&config.default_algorithm) {
            return Err(KeyringError::DefaultAlgorithm(config.default_algorithm));
        }
        let provision = Provision {
            store: &*store,
            config: &config,
            kek: &kek,
            clock,
            rng,
        };
        let snapshot = provision.run().await?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            store,
            kek,
            config,
            current: ArcSwap::from_pointee(snapshot),
            reloading: Mutex::new(()),
            rsa_lane: Arc::new(Semaphore::new(processors)),
        })
    }

    /// Reads the store again, for when its facts have changed. Opens only keys that this node does not have yet.
    ///
    /// # Errors
    /// [`KeyringError`]; the keys stay as they were.
    pub async fn reload(&self) -> Result<(), KeyringError> {
        let _one_at_a_time = self.reloading.lock().await;
        let records = self.store.signing_keys().await?;
        let known = self.current.load_full();
        let snapshot = Snapshot::open(
            &records,
            &Opening {
                kek: &self.kek,
                algorithms: &self.config.algorithms,
                max_age: self.config.max_age,
                known: Some(&known),
            },
        )?;
        self.current.store(Arc::new(snapshot));
        Ok(())
    }

    /// The keys of the store, as [`list_keys`] lists them.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> StoreResult<Vec<KeyInfo>> {
        list_keys(&*self.store).await
    }

    pub(crate) fn current(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// An RSA signature takes about a millisecond: too long for a thread that serves. The permit goes with the work,
    /// which runs to its end though its caller may be gone.
    async fn sign_aside(&self, key: PrivateKey, claims: Vec<u8>) -> Result<String, SignError> {
        let failed = |reason: String| SignError::Failed(reason);
        let permit = self
            .rsa_lane
            .clone()
            .acquire_owned()
            .await
            .map_err(|closed| failed(closed.to_string()))?;
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
        let alg = alg.unwrap_or(self.config.default_algorithm);
        let key = self
            .current
            .load()
            .active(alg)
            .cloned()
            .ok_or(SignError::NoKey(alg))?;
        let claims = serde_json::to_vec(claims).map_err(|error| SignError::Failed(error.to_string()))?;
        if is_rsa(alg) {
            return self.sign_aside(key, claims).await;
        }
        key.sign_compact(ACCESS_TOKEN_TYP, &claims)
            .map_err(|error| SignError::Failed(error.to_string()))
    }

    fn can_sign(&self, alg: Option<SigningAlg>) -> Result<(), SignError> {
        let alg = alg.unwrap_or(self.config.default_algorithm);
        let found = self.current.load().active(alg).map(drop);
        found.ok_or(SignError::NoKey(alg))
    }

    /// Pending keys verify too: another node may have activated one before this node has read so.
    fn verify(&self, token: &str) -> Option<VerifiedAccessToken> {
        let snapshot = self.current.load();
        let verified = verify_compact(token, ACCESS_TOKEN_TYP, |kid| snapshot.public(kid)).ok()?;
        let claims: AccessTokenClaims = serde_json::from_slice(verified.payload()).ok()?;
        // RFC 9068 section 4: the issuer must be exactly ours.
        (claims.iss == self.config.issuer).then(|| VerifiedAccessToken {
            claims: Arc::new(claims),
            kid: verified.kid().clone(),
        })
    }
}
