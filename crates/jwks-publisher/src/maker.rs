//! Making keys: generated or imported, encrypted, as records.

use std::sync::Arc;

use arc_swap::ArcSwap;
use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_core::{Rng, UnixMillis};
use symbolon_jose::{EncryptionKeys, KeyEncryptionKey, Kid, PrivateKey, SigningAlg};

use crate::board::Board;
use crate::error::KeyringError;

/// The key-encryption keys of a node; they can be replaced while it runs.
pub type SharedEncryptionKeys = Arc<ArcSwap<EncryptionKeys>>;

/// Lets all parts of a node share the key-encryption keys, so that they can be replaced in one place.
pub fn share_encryption_keys(keys: Arc<EncryptionKeys>) -> SharedEncryptionKeys {
    Arc::new(ArcSwap::new(keys))
}

/// What new records are made with.
#[derive(Clone)]
pub(crate) struct KeyMaker {
    pub(crate) encryption_keys: SharedEncryptionKeys,
    pub(crate) rng: Arc<dyn Rng>,
}

/// A state that a key can begin in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Beginning {
    /// It signs at once.
    Active,
    /// It is published first.
    Pending,
}

impl Beginning {
    pub(crate) fn state(self, now: UnixMillis) -> KeyState {
        match self {
            Self::Active => KeyState::Active {
                published: now,
                activated: now,
            },
            Self::Pending => KeyState::Pending { published: now },
        }
    }
}

impl KeyMaker {
    /// Generates the keys that are wanted. RSA keys take up to seconds each, so all are made at the same time, off
    /// the threads that serve.
    pub(crate) async fn generate(
        &self,
        wanted: &[(SigningAlg, Beginning)],
        board: &Board,
    ) -> Result<Vec<SigningKeyRecord>, KeyringError> {
        let start = |(alg, beginning): &(SigningAlg, Beginning)| {
            let (rng, alg) = (self.rng.clone(), *alg);
            let task = move || PrivateKey::generate(alg, &mut |dest| rng.fill(dest));
            (alg, *beginning, tokio::task::spawn_blocking(task))
        };
        let tasks: Vec<_> = wanted.iter().map(start).collect();
        let mut records = Vec::with_capacity(tasks.len());
        for (alg, beginning, task) in tasks {
            let key = task
                .await?
                .map_err(|problem| KeyringError::Generate { alg, problem })?;
            records.push(self.record(&key, beginning, board)?);
        }
        Ok(records)
    }

    /// Whether every live node could open what would be made: a key that a node can't open is of no use to it.
    ///
    /// # Errors
    /// [`KeyringError::NodeLacks`].
    pub(crate) fn check(&self, board: &Board) -> Result<(), KeyringError> {
        let keys = self.encryption_keys.load();
        match (common(&keys, board), board.node_without(keys.current())) {
            (None, Some(node)) => Err(KeyringError::NodeLacks {
                node: node.to_owned(),
                key: keys.current().id().clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The record of a key that begins. Where no key-encryption key is every node's it is under the current one: see
    /// [`KeyMaker::check`].
    pub(crate) fn record(
        &self,
        key: &PrivateKey,
        beginning: Beginning,
        board: &Board,
    ) -> Result<SigningKeyRecord, KeyringError> {
        let (kid, alg) = (key.kid().clone(), key.alg());
        let keys = self.encryption_keys.load();
        let wrapped = common(&keys, board)
            .unwrap_or(keys.current())
            .wrap(&purpose(alg, &kid), key.to_pkcs8_der())
            .map_err(|problem| KeyringError::Wrap {
                kid: kid.clone(),
                problem,
            })?;
        Ok(SigningKeyRecord {
            kid,
            alg,
            state: beginning.state(board.now),
            entered: board.entering,
            wrapped,
            certificates: None,
            created: board.now,
        })
    }
}

/// The key-encryption key for new records: the current one, or while a node does not have that yet, one that all have.
/// While it is being replaced, nodes and operators do not all have the same ones at the same time.
fn common<'k>(keys: &'k EncryptionKeys, board: &Board) -> Option<&'k KeyEncryptionKey> {
    keys.all().find(|key| board.node_without(key).is_none())
}

/// The purpose under which a signing key is encrypted. It binds the algorithm and the key id.
pub(crate) fn purpose(alg: SigningAlg, kid: &Kid) -> String {
    format!("signing-key/{alg}/{kid}")
}
