//! What is going to be done with keys, said before it is done: one plan is one change of the store.

use std::time::Duration;

use serde::Serialize;
use symbolon_core::UnixMillis;
use symbolon_core::audit::Act;
use symbolon_core::keys::{
    KeyAuthority, KeyChange, KeyMove, KeyState, KeyTransitionError, SETTLE, ScheduleTime, SigningKeyRecord,
};
use symbolon_core::revocation::NewRevocation;
use symbolon_jose::{Kid, SigningAlg};

use crate::board::{Board, Readiness, RotationConfig};
use crate::error::{KeyringError, Refusal};
use crate::maker::{Beginning, KeyMaker};

/// One key comes into one state.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PlannedStep {
    /// Its algorithm.
    pub alg: SigningAlg,
    /// The key; absent where it has not been generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<Kid>,
    /// The state it is in; absent where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'static str>,
    /// The state it gets.
    pub to: &'static str,
    /// When, in milliseconds since the epoch: at once, or on schedule as a consequence.
    pub at: UnixMillis,
    /// Whether it is part of the change itself rather than a consequence that the schedule brings later.
    pub now: bool,
}

/// What a change of keys would do, and when.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// Every step, the consequences that the schedule brings later included.
    pub steps: Vec<PlannedStep>,
    /// What the operator should know before.
    pub warnings: Vec<String>,
    #[serde(skip)]
    moves: Vec<KeyMove>,
    #[serde(skip)]
    make: Vec<(SigningAlg, Beginning)>,
    #[serde(skip)]
    add: Vec<SigningKeyRecord>,
    #[serde(skip)]
    entries: Vec<NewRevocation>,
}

impl Plan {
    /// The key goes into another state.
    pub(crate) fn go(&mut self, board: &Board, record: &SigningKeyRecord, to: KeyState) {
        self.moves.push(KeyMove {
            kid: record.kid.clone(),
            from: record.state,
            to,
        });
        self.steps.push(PlannedStep {
            alg: record.alg,
            kid: Some(record.kid.clone()),
            from: Some(record.state.as_str()),
            to: to.as_str(),
            at: board.now,
            now: true,
        });
    }

    /// A key is generated.
    pub(crate) fn make(
        &mut self,
        board: &Board,
        alg: SigningAlg,
        beginning: Beginning,
        config: &RotationConfig,
    ) {
        self.make.push((alg, beginning));
        self.begin(board, (alg, None), beginning, config);
    }

    /// When a pending key of the algorithm that begins now takes over: when the active key has had its time, and not
    /// before it has been published for long enough.
    fn turn(&self, board: &Board, alg: SigningAlg, config: &RotationConfig) -> Option<ScheduleTime> {
        let begun = |state: KeyState| state.is_active().then_some(board.entering);
        let handed_over = self.moves.iter().find_map(|step| {
            let record = board.records.iter().find(|record| record.kid == step.kid)?;
            begun(step.to).filter(|_| record.alg == alg)
        });
        let ready = board.entering.plus(config.timings.publish_before).plus(SETTLE);
        let made = self
            .make
            .contains(&(alg, Beginning::Active))
            .then_some(board.entering);
        let signing = handed_over
            .or(made)
            .or_else(|| board.active(alg).map(|active| active.entered));
        match signing {
            None => Some(ready),
            Some(since) if config.automatically => Some(ready.max(since.plus(config.timings.rotate_every))),
            Some(_) => None,
        }
    }

    /// A key that is there already begins.
    pub(crate) fn add(
        &mut self,
        board: &Board,
        record: SigningKeyRecord,
        beginning: Beginning,
        config: &RotationConfig,
    ) {
        self.begin(board, (record.alg, Some(record.kid.clone())), beginning, config);
        self.add.push(record);
    }

    /// An entry goes on the revocation log with the change, as the doing that the change is.
    pub(crate) fn log(&mut self, entry: NewRevocation) {
        self.entries.push(entry);
    }

    /// The active key, if there is one, goes into the state `to` makes of its own, and the pending key takes over; a new
    /// pending key is made.
    pub(crate) fn hand_over(&mut self, board: &Board, pending: &SigningKeyRecord, config: &RotationConfig) {
        let alg = pending.alg;
        if let Some(active) = board.active(alg) {
            self.stop(board, active, config);
        }
        if let Ok(state) = pending.state.activate(board.now) {
            self.go(board, pending, state);
        }
        self.make(board, alg, Beginning::Pending, config);
    }

    /// The active key stops signing; later the schedule takes it out of the key set.
    pub(crate) fn stop(&mut self, board: &Board, active: &SigningKeyRecord, config: &RotationConfig) {
        let Ok(state) = active.state.retire(board.now) else {
            return;
        };
        self.go(board, active, state);
        let stopped = SigningKeyRecord {
            entered: board.entering,
            ..active.clone()
        };
        self.steps.push(PlannedStep {
            alg: active.alg,
            kid: Some(active.kid.clone()),
            from: Some(state.as_str()),
            to: "retired",
            at: board.wall(Board::finish_at(&stopped, config)),
            now: false,
        });
    }

    /// Says that a pending key would sign too early.
    pub(crate) fn warn_unless_ready(
        &mut self,
        board: &Board,
        pending: &SigningKeyRecord,
        config: &RotationConfig,
    ) {
        let why = match board.readiness(pending, config) {
            Readiness::At(at) if at <= board.elapsed => return,
            Readiness::At(_) => {
                let published = spell(board.elapsed.since(pending.entered));
                format!("it has been published for {published} only")
            }
            Readiness::Withheld { by } => format!("node {by} does not publish it"),
        };
        self.warnings.push(format!(
            "key {} ({}) signs before every verifier can know it ({why}): those that do not read the key set again \
             for an unknown `kid` refuse valid tokens until they do",
            pending.kid, pending.alg
        ));
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.make.is_empty() && self.add.is_empty()
    }

    /// Whether it brings keys that nodes must open.
    pub(crate) fn brings_keys(&self) -> bool {
        !self.make.is_empty() || !self.add.is_empty()
    }

    /// Makes the keys that are missing: the change as the store takes it, as that doing.
    pub(crate) async fn change(
        &self,
        board: &Board,
        maker: &KeyMaker,
        authority: KeyAuthority,
        act: &Act,
    ) -> Result<KeyChange, KeyringError> {
        let mut add = maker.generate(&self.make, board).await?;
        add.extend(self.add.iter().cloned());
        Ok(KeyChange {
            authority,
            at: board.entering,
            moves: self.moves.clone(),
            add,
            entries: self.entries.iter().map(|entry| entry.clone().by(act)).collect(),
            act: act.clone(),
        })
    }

    /// Puts the ids of the keys that were made into the steps that speak of them.
    pub(crate) fn name_made(&mut self, added: &[SigningKeyRecord]) {
        for record in added {
            let made = record.state.as_str();
            let unnamed = |step: &&mut PlannedStep| {
                let begins = step.from.is_none() && step.to == made;
                let goes_on = step.from == Some(made);
                step.alg == record.alg && step.kid.is_none() && (begins || goes_on)
            };
            for step in self.steps.iter_mut().filter(unnamed) {
                step.kid = Some(record.kid.clone());
            }
        }
    }

    fn begin(
        &mut self,
        board: &Board,
        (alg, kid): (SigningAlg, Option<Kid>),
        beginning: Beginning,
        config: &RotationConfig,
    ) {
        let step = |from, to, at, now| PlannedStep {
            alg,
            kid: kid.clone(),
            from,
            to,
            at,
            now,
        };
        let to = beginning.state(board.now).as_str();
        self.steps.push(step(None, to, board.now, true));
        if beginning == Beginning::Pending
            && let Some(at) = self.turn(board, alg, config)
        {
            self.steps
                .push(step(Some("pending"), "active", board.wall(at), false));
        }
    }
}

/// The key goes into the state that the transition makes of its own.
pub(crate) fn go(
    plan: &mut Plan,
    board: &Board,
    record: &SigningKeyRecord,
    transition: fn(KeyState, UnixMillis) -> Result<KeyState, KeyTransitionError>,
) -> Result<(), Refusal> {
    let refused = |error| Refusal::Transition(record.kid.clone(), error);
    let to = transition(record.state, board.now).map_err(refused)?;
    plan.go(board, record, to);
    Ok(())
}

/// A time in its two largest units, rounded down: `3d 4h`, `2h 10m`, `5s`.
pub fn spell(time: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut secs = time.as_secs();
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        if secs >= unit {
            parts.push(format!("{}{name}", secs / unit));
            secs %= unit;
        }
    }
    parts.truncate(2);
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_in_two_units() {
        for (secs, text) in [
            (0, "0s"),
            (59, "59s"),
            (7_800, "2h 10m"),
            (86_400, "1d"),
            (90_061, "1d 1h"),
            (86_405, "1d 5s"),
        ] {
            assert_eq!(spell(Duration::from_secs(secs)), text);
        }
    }
}
