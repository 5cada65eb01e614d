//! What operators do with signing keys. Each operation is planned first, so that it can be shown, and carried out as
//! one change of the store. The command line calls these functions, and so will the admin API.

use std::collections::BTreeSet;
use std::sync::Arc;

use symbolon_core::keys::{KeyAuthority, KeyChangeOutcome, KeyState, SigningKeyRecord};
use symbolon_core::ports::KeyStore;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::{Clock, Rng};
use symbolon_jose::{Kid, PrivateKey, PublicJwk, SigningAlg};

use crate::board::{Board, Readiness, RotationConfig};
use crate::error::{KeyOperationError, KeyringError, Refusal};
use crate::listing::{KeyInfo, MAX_LISTED, timeline};
use crate::maker::{Beginning, KeyMaker, SharedEncryptionKeys};
use crate::plan::{Plan, go, spell};
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
        /// Why, for the record.
        reason: String,
        /// Who says so, for the record.
        actor: String,
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

    /// Does it, and returns what was done. When it returns, the store has the change; every node that can read the
    /// store goes by it within [`symbolon_core::revocation::LEASE`].
    ///
    /// # Errors
    /// As [`KeyOperations::plan`]; nothing was changed.
    pub async fn carry_out(&self, operation: &KeyOperation) -> Result<Plan, KeyOperationError> {
        for _ in 0..ATTEMPTS {
            let board = self.board().await?;
            let mut plan = self.plan_on(&board, operation).await?;
            let change = plan.change(&board, &self.maker, KeyAuthority::Operator).await?;
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

    async fn plan_steps(&self, board: &Board, operation: &KeyOperation) -> Result<Plan, KeyOperationError> {
        match operation {
            KeyOperation::Activate { kid, at_once } => {
                let record = self.find(kid).await?;
                self.activate(board, &record, *at_once)
            }
            KeyOperation::Compromise { which, reason, actor } => {
                let keys = match which {
                    Compromised::All => board.records.clone(),
                    Compromised::One(kid) => vec![self.find(kid).await?],
                };
                if keys.is_empty() {
                    return Err(Refusal::NoKeys.into());
                }
                self.compromise(board, &keys, |entry| entry.because(reason, actor))
            }
            KeyOperation::Generate { alg } => {
                self.configured(*alg)?;
                // A pending key alone would keep the server from starting until it may sign.
                if self.store.key_history(1).await?.is_empty() {
                    return Err(Refusal::NoKeys.into());
                }
                let mut plan = Plan::default();
                withdraw_pending(&mut plan, board, *alg)?;
                plan.make(board, *alg, Beginning::Pending, &self.config);
                Ok(plan)
            }
            KeyOperation::Import { key } => self.import(board, key).await,
            KeyOperation::Retire { kid, at_once } => {
                let record = self.find(kid).await?;
                self.retire(board, &record, *at_once)
            }
            KeyOperation::Rotate { alg, at_once } => self.rotate(board, *alg, *at_once),
        }
    }

    fn rotate(
        &self,
        board: &Board,
        alg: Option<SigningAlg>,
        at_once: bool,
    ) -> Result<Plan, KeyOperationError> {
        let mut plan = Plan::default();
        if let Some(alg) = alg {
            self.configured(alg)?;
        }
        let algorithms = alg.map_or_else(|| self.config.algorithms.clone(), |alg| vec![alg]);
        for alg in algorithms {
            let pending = board.pending(alg).ok_or(Refusal::NoPending(alg))?;
            self.hand_over(&mut plan, board, pending, at_once)?;
        }
        Ok(plan)
    }

    fn activate(
        &self,
        board: &Board,
        record: &SigningKeyRecord,
        at_once: bool,
    ) -> Result<Plan, KeyOperationError> {
        self.configured(record.alg)?;
        if !record.state.is_pending() {
            return Err(Refusal::NotPending(record.kid.clone(), record.state.as_str()).into());
        }
        let mut plan = Plan::default();
        self.hand_over(&mut plan, board, record, at_once)?;
        Ok(plan)
    }

    fn retire(
        &self,
        board: &Board,
        record: &SigningKeyRecord,
        at_once: bool,
    ) -> Result<Plan, KeyOperationError> {
        let mut plan = Plan::default();
        let configured = self.config.algorithms.contains(&record.alg);
        match record.state {
            KeyState::Pending { .. } => {
                go(&mut plan, board, record, KeyState::finish)?;
                if configured {
                    plan.make(board, record.alg, Beginning::Pending, &self.config);
                }
            }
            KeyState::Active { .. } if configured => {
                let pending = board.pending(record.alg).ok_or(Refusal::NoPending(record.alg))?;
                self.hand_over(&mut plan, board, pending, at_once)?;
            }
            KeyState::Active { .. } => plan.stop(board, record, &self.config),
            KeyState::Retiring { .. } => {
                let at = Board::finish_at(record, &self.config);
                if at > board.elapsed {
                    let wait = spell(at.since(board.elapsed));
                    if !at_once {
                        return Err(Refusal::StillNeeded(record.kid.clone(), wait).into());
                    }
                    plan.warnings.push(format!(
                        "tokens that key {} signed may be alive for {wait} more: every verifier refuses them",
                        record.kid
                    ));
                }
                go(&mut plan, board, record, KeyState::finish)?;
            }
            KeyState::Retired { .. } | KeyState::Compromised { .. } => {
                return Err(Refusal::Erased(record.kid.clone(), record.state.as_str()).into());
            }
        }
        Ok(plan)
    }

    fn compromise(
        &self,
        board: &Board,
        keys: &[SigningKeyRecord],
        because: impl Fn(NewRevocation) -> NewRevocation,
    ) -> Result<Plan, KeyOperationError> {
        let mut plan = Plan::default();
        let bad = |record: &SigningKeyRecord| keys.iter().any(|key| key.kid == record.kid);
        for key in keys {
            go(&mut plan, board, key, KeyState::compromise)?;
            plan.log(because(NewRevocation::key(&key.kid)));
        }
        // What signs elsewhere than here must go on signing there: another may have more algorithms configured.
        let algorithms: BTreeSet<_> = self
            .config
            .algorithms
            .iter()
            .copied()
            .chain(keys.iter().map(|key| key.alg))
            .collect();
        for alg in algorithms {
            let configured = self.config.algorithms.contains(&alg);
            let pending = board.pending(alg);
            let good_pending = pending.filter(|pending| !bad(pending));
            match (board.active(alg).filter(|active| bad(active)), good_pending) {
                (Some(_), Some(pending)) => {
                    plan.warn_unless_ready(board, pending, &self.config);
                    go(&mut plan, board, pending, KeyState::activate)?;
                }
                (Some(_), None) if configured => {
                    plan.warnings.push(format!(
                        "the new {alg} key signs before any verifier can know it: those that do not read the key set \
                         again for an unknown `kid` refuse valid tokens until they do"
                    ));
                    plan.make(board, alg, Beginning::Active, &self.config);
                }
                (None, None) if pending.is_some() => {}
                _ => continue,
            }
            if configured {
                plan.make(board, alg, Beginning::Pending, &self.config);
            }
        }
        Ok(plan)
    }

    async fn import(&self, board: &Board, key: &PrivateKey) -> Result<Plan, KeyOperationError> {
        let alg = key.alg();
        self.configured(alg)?;
        let history = self.store.key_history(MAX_LISTED).await?;
        if let Some(known) = history.iter().find(|record| record.kid == *key.kid()) {
            return Err(Refusal::Duplicate(known.kid.clone(), known.alg, known.state.as_str()).into());
        }
        let mut plan = Plan::default();
        let beginning = if history.is_empty() {
            Beginning::Active
        } else {
            withdraw_pending(&mut plan, board, alg)?;
            Beginning::Pending
        };
        let record = self.maker.record(key, beginning, board)?;
        plan.add(board, record, beginning, &self.config);
        if beginning == Beginning::Active {
            // The first start makes no active keys any more once there is one.
            let others = self.config.algorithms.iter().filter(|other| **other != alg);
            others.for_each(|other| plan.make(board, *other, beginning, &self.config));
        }
        Ok(plan)
    }

    /// The pending key takes over, if every verifier can know it.
    fn hand_over(
        &self,
        plan: &mut Plan,
        board: &Board,
        pending: &SigningKeyRecord,
        at_once: bool,
    ) -> Result<(), KeyOperationError> {
        if at_once {
            plan.warn_unless_ready(board, pending, &self.config);
        } else {
            self.ready(board, pending)?;
        }
        plan.hand_over(board, pending, &self.config);
        Ok(())
    }

    fn ready(&self, board: &Board, pending: &SigningKeyRecord) -> Result<(), Refusal> {
        let (kid, alg) = (pending.kid.clone(), pending.alg);
        match board.readiness(pending, &self.config) {
            Readiness::At(at) if at <= board.elapsed => Ok(()),
            Readiness::At(at) => Err(Refusal::NotReady {
                kid,
                alg,
                published: spell(board.elapsed.since(pending.entered)),
                needed: spell(self.config.timings.publish_before),
                left: spell(at.since(board.elapsed)),
            }),
            Readiness::Withheld { by } => Err(Refusal::Withheld { kid, alg, by }),
        }
    }

    fn configured(&self, alg: SigningAlg) -> Result<(), Refusal> {
        if self.config.algorithms.contains(&alg) {
            Ok(())
        } else {
            Err(Refusal::Algorithm(alg))
        }
    }
}

/// The pending key of the algorithm, if there is one, makes room: it never signed.
fn withdraw_pending(plan: &mut Plan, board: &Board, alg: SigningAlg) -> Result<(), Refusal> {
    match board.pending(alg) {
        Some(pending) => go(plan, board, pending, KeyState::finish),
        None => Ok(()),
    }
}
