//! The signing keys as an operator sees them: what they are, what became of them, what is next.

use serde::Serialize;
use symbolon_core::UnixMillis;
use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_jose::{KeyEncryptionKey, Kid, SigningAlg};

use crate::board::{Board, Due, Readiness, RotationConfig, Step};
use crate::snapshot::place;

/// Most keys that are listed.
pub(crate) const MAX_LISTED: u32 = 1000;

/// What is known about a signing key without opening it. Moments are in milliseconds since the epoch.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct KeyInfo {
    /// RFC 7638 thumbprint.
    pub kid: Kid,
    /// The one algorithm it signs with.
    pub alg: SigningAlg,
    /// `pending`, `active`, `retiring`, `retired` or `compromised`.
    pub state: &'static str,
    /// Since when it is in that state.
    pub since: UnixMillis,
    /// When it was made or imported, and published.
    pub created: UnixMillis,
    /// From when on it signed, if it ever has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated: Option<UnixMillis>,
    /// What is next for it, if anything is on schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStep>,
    /// For a pending key: from when on every verifier can know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<UnixMillis>,
    /// For a pending key that may not sign because a node does not publish it: that node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld_by: Option<String>,
    /// Id of the key-encryption key that it is encrypted under; absent where its private key is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<String>,
}

/// What is next for a key.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct NextStep {
    /// The state that it gets.
    pub to: &'static str,
    /// When, if the schedule runs until then without a break.
    pub at: UnixMillis,
}

/// The keys with what is next for each, those that sign first.
pub(crate) fn timeline(keys: &[SigningKeyRecord], board: &Board, config: &RotationConfig) -> Vec<KeyInfo> {
    let due = board.due(config);
    let mut keys: Vec<_> = keys.iter().collect();
    keys.sort_by_key(|record| {
        let (rank, alg, created, kid) = place(record);
        (alg, rank, created, kid)
    });
    keys.into_iter()
        .map(|record| info(record, board, &due, config))
        .collect()
}

fn info(record: &SigningKeyRecord, board: &Board, due: &[Due], config: &RotationConfig) -> KeyInfo {
    let pending = record.state.is_pending();
    let readiness = pending.then(|| board.readiness(record, config));
    let (ready, withheld_by) = match readiness {
        Some(Readiness::At(at)) => (Some(board.wall(at)), None),
        Some(Readiness::Withheld { by }) => (None, Some(by)),
        None => (None, None),
    };
    KeyInfo {
        kid: record.kid.clone(),
        alg: record.alg,
        state: record.state.as_str(),
        since: record.state.since(),
        created: record.created,
        activated: record.state.activated(),
        next: next(record, board, due),
        ready,
        withheld_by,
        encryption_key: KeyEncryptionKey::key_id_of(&record.wrapped).map(|id| id.to_string()),
    }
}

fn next(record: &SigningKeyRecord, board: &Board, due: &[Due]) -> Option<NextStep> {
    let (step, to) = match record.state {
        KeyState::Pending { .. } => (Step::Rotate, "active"),
        KeyState::Active { .. } => (Step::Rotate, "retiring"),
        KeyState::Retiring { .. } => (Step::Finish, "retired"),
        KeyState::Retired { .. } | KeyState::Compromised { .. } => return None,
    };
    let its = |due: &&Due| {
        let own = due.kid.as_ref() == Some(&record.kid);
        due.step == step && due.alg == record.alg && (own || step == Step::Rotate)
    };
    due.iter().find(its).map(|due| NextStep {
        to,
        at: board.wall(due.at),
    })
}
