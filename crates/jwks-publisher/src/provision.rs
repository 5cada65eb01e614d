//! From what the store holds to a full set of keys: imports what was put into the folder, makes what is missing.

use std::sync::Arc;

use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_core::ports::KeyStore;
use symbolon_core::{Clock, Rng, UnixMillis};
use symbolon_jose::{KeyEncryptionKey, PrivateKey, SigningAlg};

use crate::error::{ImportProblem, KeyringError};
use crate::import::{self, ImportedKey};
use crate::keyring::KeyringConfig;
use crate::snapshot::{Opening, Snapshot, purpose};

/// How often other nodes may be first before this one gives up.
const ATTEMPTS: usize = 8;

/// What provisioning works with.
pub(crate) struct Provision<'a> {
    pub(crate) store: &'a dyn KeyStore,
    pub(crate) config: &'a KeyringConfig,
    pub(crate) kek: &'a KeyEncryptionKey,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) rng: Arc<dyn Rng>,
}

impl Provision<'_> {
    /// Opens, imports and makes keys. Every file is read and every key opened before the first is added.
    pub(crate) async fn run(&self) -> Result<Snapshot, KeyringError> {
        if let Some(dir) = &self.config.import_dir {
            let imports = import::read(dir, &self.config.algorithms)?;
            self.import(imports).await?;
        }
        self.complete().await
    }

    async fn load(&self) -> Result<(Vec<SigningKeyRecord>, Snapshot), KeyringError> {
        let records = self.store.signing_keys().await?;
        let snapshot = Snapshot::open(
            &records,
            &Opening {
                kek: self.kek,
                algorithms: &self.config.algorithms,
                max_age: self.config.max_age,
                known: None,
            },
        )?;
        Ok((records, snapshot))
    }

    /// Adds imported keys one by one, each placed by what is there at that moment.
    async fn import(&self, mut imports: Vec<ImportedKey>) -> Result<(), KeyringError> {
        let mut before = self.load().await?.0;
        for _ in 0..ATTEMPTS + 2 * imports.len() {
            let planned = self.place(&before, &imports)?;
            let Some(record) = planned.first() else {
                return Ok(());
            };
            let added = self.store.add_signing_keys(std::slice::from_ref(record)).await?;
            let after = self.load().await?.0;
            if added {
                log(record, "imported");
            } else if same_keys(&before, &after) {
                // No other node was first, so the store knows a key that it does not list: a retired one.
                tracing::warn!(
                    kid = %record.kid, alg = %record.alg,
                    "a key in keys.import_dir was retired and is not used again; remove its file"
                );
                imports.retain(|import| *import.key.kid() != record.kid);
            }
            before = after;
        }
        Err(KeyringError::Contended)
    }

    /// The records of those imported keys that are new: active where the algorithm has no active key, otherwise
    /// pending. Refuses the whole lot if there is no place for one.
    fn place(
        &self,
        records: &[SigningKeyRecord],
        imports: &[ImportedKey],
    ) -> Result<Vec<SigningKeyRecord>, KeyringError> {
        let now = self.clock.now();
        let mut keys = records.to_vec();
        for ImportedKey { file, key } in imports {
            if keys.iter().any(|record| record.kid == *key.kid()) {
                continue;
            }
            let state = if lacks(&keys, key.alg(), is_active) {
                active(now)
            } else if lacks(&keys, key.alg(), is_pending) {
                pending(now)
            } else {
                return Err(KeyringError::Import {
                    file: file.clone(),
                    problem: ImportProblem::SecondPending(key.alg()),
                });
            };
            keys.push(self.record(key, state, now)?);
        }
        Ok(keys.split_off(records.len()))
    }

    /// Makes an active and a pending key of each algorithm that lacks one, all in one step.
    async fn complete(&self) -> Result<Snapshot, KeyringError> {
        for _ in 0..ATTEMPTS {
            let (records, snapshot) = self.load().await?;
            let missing = self.missing(&records);
            if missing.is_empty() {
                return Ok(snapshot);
            }
            let made = self.make(missing).await?;
            if self.store.add_signing_keys(&made).await? {
                made.iter().for_each(|record| log(record, "generated"));
            } else {
                tracing::info!("another node was first to add signing keys; reading them");
            }
        }
        Err(KeyringError::Contended)
    }

    fn missing(&self, records: &[SigningKeyRecord]) -> Vec<(SigningAlg, KeyState)> {
        let now = self.clock.now();
        let of = |alg: SigningAlg| {
            let active = lacks(records, alg, is_active).then_some((alg, active(now)));
            let pending = lacks(records, alg, is_pending).then_some((alg, pending(now)));
            active.into_iter().chain(pending)
        };
        self.config.algorithms.iter().copied().flat_map(of).collect()
    }

    /// RSA keys take up to seconds each, so all are made at the same time, off the threads that serve.
    async fn make(&self, wanted: Vec<(SigningAlg, KeyState)>) -> Result<Vec<SigningKeyRecord>, KeyringError> {
        let start = |(alg, state)| {
            let rng = self.rng.clone();
            let task = move || PrivateKey::generate(alg, &mut |dest| rng.fill(dest));
            (alg, state, tokio::task::spawn_blocking(task))
        };
        let tasks: Vec<_> = wanted.into_iter().map(start).collect();
        let mut records = Vec::with_capacity(tasks.len());
        for (alg, state, task) in tasks {
            let key = task
                .await?
                .map_err(|source| KeyringError::Generate { alg, source })?;
            records.push(self.record(&key, state, self.clock.now())?);
        }
        Ok(records)
    }

    fn record(
        &self,
        key: &PrivateKey,
        state: KeyState,
        created: UnixMillis,
    ) -> Result<SigningKeyRecord, KeyringError> {
        let (kid, alg) = (key.kid().clone(), key.alg());
        let wrapped = self
            .kek
            .wrap(&purpose(alg, &kid), key.to_pkcs8_der())
            .map_err(|source| KeyringError::Wrap {
                kid: kid.clone(),
                source,
            })?;
        Ok(SigningKeyRecord {
            kid,
            alg,
            state,
            wrapped,
            created,
        })
    }
}

fn active(now: UnixMillis) -> KeyState {
    KeyState::Active {
        published: now,
        activated: now,
    }
}

fn pending(now: UnixMillis) -> KeyState {
    KeyState::Pending { published: now }
}

fn is_active(state: KeyState) -> bool {
    matches!(state, KeyState::Active { .. })
}

fn is_pending(state: KeyState) -> bool {
    matches!(state, KeyState::Pending { .. })
}

fn lacks(records: &[SigningKeyRecord], alg: SigningAlg, wanted: fn(KeyState) -> bool) -> bool {
    !records
        .iter()
        .any(|record| record.alg == alg && wanted(record.state))
}

fn same_keys(before: &[SigningKeyRecord], after: &[SigningKeyRecord]) -> bool {
    let places = |records: &[SigningKeyRecord]| {
        let mut places: Vec<_> = records
            .iter()
            .map(|record| (record.kid.clone(), record.state.as_str()))
            .collect();
        places.sort_unstable();
        places
    };
    places(before) == places(after)
}

fn log(record: &SigningKeyRecord, how: &'static str) {
    tracing::info!(
        kid = %record.kid, alg = %record.alg, state = record.state.as_str(),
        "signing key {how}"
    );
}
