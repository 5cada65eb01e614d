//! What operators do with signing keys. Each operation is planned first, so that it can be shown, and carried out as
//! one change of the store. The command line calls these functions, and so will the admin API.

mod steps;

use std::sync::Arc;

use symbolon_core::audit::Act;
use symbolon_core::keys::{KeyAuthority, KeyChangeOutcome, SigningKeyRecord};
use symbolon_core::ports::KeyStore;
use symbolon_core::{Clock, Rng};
use symbolon_jose::{CertificateChain, Kid, PrivateKey, PublicJwk, SigningAlg};

use crate::board::{Board, RotationConfig};
use crate::error::{KeyOperationError, KeyringError, Refusal};
use crate::listing::{KeyInfo, MAX_LISTED, timeline};
use crate::maker::{KeyMaker, SharedEncryptionKeys};
use crate::plan::Plan;
use crate::snapshot::open_public;

/// How often others may be first before an operation gives up.
const ATTEMPTS: usize = 8;

/// What can be done with signing keys.
#[derive(Clone, Debug)]
pub enum KeyOperation {
    /// The pending key of this id becomes the active one of its algorithm.
    Activate {
        /// The key.
        kid: Kid,
        /// Also before every verifier can know it.
        at_once: bool,
    },
    /// What these keys signed is worth nothing from now on. Where one was active, the pending key takes over at
    /// once; pending ones are made anew.
    Compromise {
        /// Which.
        which: Compromised,
    },
    /// A new pending key takes the place of the present one, which never signed.
    Generate {
        /// Its algorithm.
        alg: SigningAlg,
    },
    /// A key from elsewhere takes the place of the pending one. Where the server has no key at all, it signs at once,
    /// and so do keys of the other algorithms, which are made with it.
    Import {
        /// The key.
        key: PrivateKey,
        /// Certificates to publish beside it; the first is this key's.
        certificates: Option<CertificateChain>,
    },
    /// A key stops: an active one hands over to the pending one, a pending one is withdrawn, a retiring one leaves the
    /// key set.
    Retire {
        /// The key.
        kid: Kid,
        /// Also before its successor can be known, or before what it signed has expired.
        at_once: bool,
    },
    /// Pending keys take over now rather than on schedule.
    Rotate {
        /// Of this algorithm alone.
        alg: Option<SigningAlg>,
        /// Also before every verifier can know them.
        at_once: bool,
    },
}

impl KeyOperation {
    /// Whether it has to be done though it costs something: a key leaked, or the operator says so.
    fn is_urgent(&self) -> bool {
        match self {
            Self::Activate { at_once, .. } | Self::Retire { at_once, .. } | Self::Rotate { at_once, .. } => {
                *at_once
            }
            Self::Compromise { .. } => true,
            Self::Generate { .. } | Self::Import { .. } => false,
        }
    }
}

/// Which keys are compromised.
#[derive(Clone, Debug)]
pub enum Compromised {
    /// All of them: whoever has read the store and the key-encryption key has them all, pending ones too.
    All,
    /// One.
    One(Kid),
}

/// Carries out operations on the keys of one store.
pub struct KeyOperations {
    store: Arc<dyn KeyStore>,
    maker: KeyMaker,
    config: RotationConfig,
    clock: Arc<dyn Clock>,
}

impl KeyOperations {
    /// Operations on the keys of `store`.
    pub fn new(
        store: Arc<dyn KeyStore>,
        encryption_keys: SharedEncryptionKeys,
        config: RotationConfig,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        Self {
            store,
            maker: KeyMaker { encryption_keys, rng },
            config,
            clock,
        }
    }

    /// What the operation would do, and when. Changes nothing.
    ///
    /// # Errors
    /// [`KeyOperationError::Refused`] where it would not be done, with the remedy; or the store's.
    pub async fn plan(&self, operation: &KeyOperation) -> Result<Plan, KeyOperationError> {
        let board = self.board().await?;
        self.plan_on(&board, operation).await
    }

    /// Does it as that doing, and returns what was done. When it returns, the store has the change, and it is on the audit
    /// trail; every node that can read the store goes by it within [`symbolon_core::revocation::LEASE`].
    ///
    /// # Errors
    /// As [`KeyOperations::plan`]; nothing was changed.
    pub async fn carry_out(&self, operation: &KeyOperation, act: &Act) -> Result<Plan, KeyOperationError> {
        for _ in 0..ATTEMPTS {
            let board = self.board().await?;
            let mut plan = self.plan_on(&board, operation).await?;
            let change = plan
                .change(&board, &self.maker, KeyAuthority::Operator, act)
                .await?;
            if self.store.change_keys(&change).await? == KeyChangeOutcome::Done {
                plan.name_made(&change.add);
                return Ok(plan);
            }
        }
        Err(KeyringError::Contended.into())
    }

    /// Whether every running node can open what is encrypted under the current key-encryption key: before records are
    /// put under it.
    ///
    /// # Errors
    /// [`KeyringError::NodeLacks`], or the store's.
    pub async fn check_nodes(&self) -> Result<(), KeyOperationError> {
        let keys = self.maker.encryption_keys.load();
        match self.board().await?.node_without(keys.current()) {
            None => Ok(()),
            Some(node) => Err(KeyringError::NodeLacks {
                node: node.to_owned(),
                key: keys.current().id().clone(),
            }
            .into()),
        }
    }

    /// The keys with their past and what is next for each, by algorithm, those that sign first; `all` includes those
    /// that are no longer published. At most 1,000 keys, the latest of them.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, all: bool) -> Result<Vec<KeyInfo>, KeyOperationError> {
        let board = self.board().await?;
        let keys = if all {
            self.store.key_history(MAX_LISTED).await?
        } else {
            board.records.clone()
        };
        Ok(timeline(&keys, &board, &self.config))
    }

    /// The published keys, or the one that is asked for, as they stand in the key set.
    ///
    /// # Errors
    /// There is no such key or it is no longer published; it can't be opened; or the store's.
    pub async fn export_public(&self, kid: Option<&Kid>) -> Result<Vec<PublicJwk>, KeyOperationError> {
        let records = self.store.signing_keys().await?;
        let wanted: Vec<_> = records
            .iter()
            .filter(|record| kid.is_none_or(|kid| record.kid == *kid))
            .collect();
        if let Some(kid) = kid.filter(|_| wanted.is_empty()) {
            let record = self.find(kid).await?;
            return Err(Refusal::Erased(record.kid, record.state.as_str()).into());
        }
        let keys = self.maker.encryption_keys.load();
        let open = |record: &&SigningKeyRecord| Ok(open_public(record, &keys)?.jwk().clone());
        wanted.iter().map(open).collect()
    }

    async fn board(&self) -> Result<Board, KeyOperationError> {
        Ok(Board::read(&*self.store, self.clock.now(), &self.config).await?)
    }

    async fn find(&self, kid: &Kid) -> Result<SigningKeyRecord, KeyOperationError> {
        let keys = self.store.key_history(MAX_LISTED).await?;
        let found = keys.into_iter().find(|record| record.kid == *kid);
        found.ok_or_else(|| Refusal::Unknown(kid.clone()).into())
    }

    async fn plan_on(&self, board: &Board, operation: &KeyOperation) -> Result<Plan, KeyOperationError> {
        let mut plan = self.plan_steps(board, operation).await?;
        if plan.brings_keys()
            && let Err(lacking) = self.maker.check(board)
        {
            if !operation.is_urgent() {
                return Err(lacking.into());
            }
            plan.warnings.push(format!(
                "{lacking}. Until then that node has no new keys to sign with"
            ));
        }
        Ok(plan)
    }
}
