//! What operators want to know of the schedule: kept by the node that looks, read by its metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use symbolon_core::keys::ScheduleTime;
use symbolon_jose::SigningAlg;

use crate::board::{Board, Due, Readiness, RotationConfig, Step};

/// What became of a step.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RotationOutcome {
    /// It was done.
    Done,
    /// It failed and will be tried again; the present keys go on.
    Failed,
    /// Another node or an operator was first; nothing was done.
    Superseded,
}

impl RotationOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Superseded];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

impl Step {
    /// Every step.
    pub(crate) const ALL: [Self; 3] = [Self::Finish, Self::Generate, Self::Rotate];

    /// Its name in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Finish => "finish",
            Self::Generate => "generate",
            Self::Rotate => "rotate",
        }
    }
}

/// The schedule of one algorithm.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AlgorithmStatus {
    /// How long the active key has signed; absent where none is active.
    pub active_for: Option<Duration>,
    /// Published keys by the name of their state.
    pub keys: BTreeMap<&'static str, u64>,
    /// The next step and how long until it is due, zero where it is overdue; absent where none is planned.
    pub next: Option<(&'static str, Duration)>,
    /// Whether the pending key may not sign because a node does not publish it.
    pub withheld: bool,
    /// What became of the last rotation on this node, if there was one since it started.
    pub last_rotation: Option<RotationOutcome>,
}

/// The schedule as a node knows it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ScheduleStatus {
    /// By algorithm.
    pub algorithms: BTreeMap<SigningAlg, AlgorithmStatus>,
    /// Steps that this node took since it started, by algorithm, step and outcome; every combination is there.
    pub steps: BTreeMap<(SigningAlg, &'static str, RotationOutcome), u64>,
    /// How long ago the node last could look at the schedule; absent before the first time.
    pub looked: Option<Duration>,
}

/// Where the status is kept between looks.
pub(crate) struct StatusBoard {
    kept: Mutex<Kept>,
}

struct Kept {
    status: ScheduleStatus,
    /// The monotonic time of the last look.
    at: Option<Duration>,
}

impl StatusBoard {
    pub(crate) fn new(algorithms: &[SigningAlg]) -> Self {
        let mut status = ScheduleStatus::default();
        for alg in algorithms {
            status.algorithms.insert(*alg, AlgorithmStatus::default());
            for step in Step::ALL {
                for outcome in RotationOutcome::ALL {
                    status.steps.insert((*alg, step.as_str(), outcome), 0);
                }
            }
        }
        Self {
            kept: Mutex::new(Kept { status, at: None }),
        }
    }

    pub(crate) fn update(&self, board: &Board, due: &[Due], monotonic: Duration, config: &RotationConfig) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.at = Some(monotonic);
        let left = |at: ScheduleTime| at.since(board.elapsed);
        let configured = config.algorithms.iter().copied();
        let kept_keys = board.records.iter().map(|record| record.alg);
        let algorithms: BTreeSet<_> = configured.chain(kept_keys).collect();
        kept.status.algorithms.retain(|alg, _| algorithms.contains(alg));
        for alg in algorithms {
            let status = kept.status.algorithms.entry(alg).or_default();
            let active = board.active(alg);
            status.active_for = active.map(|active| board.elapsed.since(active.entered));
            status.keys = ["active", "pending", "retiring"].map(|state| (state, 0)).into();
            for record in board.records.iter().filter(|record| record.alg == alg) {
                *status.keys.entry(record.state.as_str()).or_default() += 1;
            }
            let next = due.iter().find(|due| due.alg == alg);
            status.next = next.map(|due| (due.step.as_str(), left(due.at)));
            let readiness = board.pending(alg).map(|key| board.readiness(key, config));
            status.withheld = matches!(readiness, Some(Readiness::Withheld { .. }));
        }
    }

    pub(crate) fn count(&self, alg: SigningAlg, step: Step, outcome: RotationOutcome) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept
            .status
            .steps
            .entry((alg, step.as_str(), outcome))
            .or_default() += 1;
        if step == Step::Rotate && outcome != RotationOutcome::Superseded {
            kept.status.algorithms.entry(alg).or_default().last_rotation = Some(outcome);
        }
    }

    /// The status, its times brought forward to the present monotonic time.
    pub(crate) fn now(&self, monotonic: Duration) -> ScheduleStatus {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut status = kept.status.clone();
        let Some(at) = kept.at else {
            return status;
        };
        let since = monotonic.saturating_sub(at);
        status.looked = Some(since);
        for status in status.algorithms.values_mut() {
            status.active_for = status.active_for.map(|time| time.saturating_add(since));
            status.next = status.next.map(|(step, left)| (step, left.saturating_sub(since)));
        }
        status
    }
}
