//! What each operation changes, on the keys as they stand. Plans; changes nothing.

use std::collections::BTreeSet;

use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_core::revocation::NewRevocation;
use symbolon_jose::{CertificateChain, PrivateKey, SigningAlg};

use super::{Compromised, KeyOperation, KeyOperations};
use crate::board::{Board, Readiness};
use crate::error::{KeyOperationError, Refusal};
use crate::listing::MAX_LISTED;
use crate::maker::Beginning;
use crate::plan::{Plan, go, spell};

impl KeyOperations {
    pub(super) async fn plan_steps(
        &self,
        board: &Board,
        operation: &KeyOperation,
    ) -> Result<Plan, KeyOperationError> {
        match operation {
            KeyOperation::Activate { kid, at_once } => {
                let record = self.find(kid).await?;
                self.activate(board, &record, *at_once)
            }
            KeyOperation::Compromise { which } => {
                let keys = match which {
                    Compromised::All => board.records.clone(),
                    Compromised::One(kid) => vec![self.find(kid).await?],
                };
                if keys.is_empty() {
                    return Err(Refusal::NoKeys.into());
                }
                self.compromise(board, &keys)
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
            KeyOperation::Import { key, certificates } => {
                self.import(board, key, certificates.as_ref()).await
            }
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

    fn compromise(&self, board: &Board, keys: &[SigningKeyRecord]) -> Result<Plan, KeyOperationError> {
        let mut plan = Plan::default();
        let bad = |record: &SigningKeyRecord| keys.iter().any(|key| key.kid == record.kid);
        for key in keys {
            go(&mut plan, board, key, KeyState::compromise)?;
            plan.log(NewRevocation::key(&key.kid));
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

    async fn import(
        &self,
        board: &Board,
        key: &PrivateKey,
        certificates: Option<&CertificateChain>,
    ) -> Result<Plan, KeyOperationError> {
        let alg = key.alg();
        self.configured(alg)?;
        let mut plan = Plan::default();
        if let Some(chain) = certificates {
            let fits = key.public().with_certificates(chain.clone());
            fits.map_err(|error| Refusal::Certificates(key.kid().clone(), error.to_string()))?;
            if chain.not_after() < i64::try_from(board.now.as_secs()).unwrap_or(i64::MAX) {
                plan.warnings.push(
                    "the certificate of the key has expired: verifiers that look at `x5c` may refuse it"
                        .to_owned(),
                );
            }
        }
        let history = self.store.key_history(MAX_LISTED).await?;
        if let Some(known) = history.iter().find(|record| record.kid == *key.kid()) {
            return Err(Refusal::Duplicate(known.kid.clone(), known.alg, known.state.as_str()).into());
        }
        let beginning = if history.is_empty() {
            Beginning::Active
        } else {
            withdraw_pending(&mut plan, board, alg)?;
            Beginning::Pending
        };
        let record = SigningKeyRecord {
            certificates: certificates.map(CertificateChain::to_pem),
            ..self.maker.record(key, beginning, board)?
        };
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
