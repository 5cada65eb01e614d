//! The keys of the store at one moment, and what is due with them. Decides; changes nothing.

use std::time::Duration;

use symbolon_core::UnixMillis;
use symbolon_core::keys::{KeyNode, KeySchedule, KeyTimings, SETTLE, ScheduleTime, SigningKeyRecord};
use symbolon_core::ports::{KeyStore, StoreResult};
use symbolon_jose::{KeyEncryptionKey, Kid, SigningAlg};

/// What rotation goes by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RotationConfig {
    /// Algorithms that sign; each has an active and a pending key. Keys of others stay as they are.
    pub algorithms: Vec<SigningAlg>,
    /// How long keys stay in their states.
    pub timings: KeyTimings,
    /// Whether keys are rotated every [`KeyTimings::rotate_every`], or only by hand.
    pub automatically: bool,
}

impl RotationConfig {
    /// How often a node looks at the schedule at least.
    pub(crate) fn tick(&self) -> Duration {
        let KeyTimings {
            rotate_every,
            publish_before,
            publish_after,
        } = self.timings;
        let shortest = rotate_every.min(publish_before).min(publish_after);
        (shortest / 10).clamp(Duration::from_millis(200), Duration::from_secs(300))
    }

    /// How long a lease lasts.
    pub(crate) fn lease(&self) -> Duration {
        (self.tick() * 3).clamp(Duration::from_secs(5), Duration::from_secs(30))
    }

    /// A node that runs has counted this much more than it has kept at most: it keeps a tick that has passed when it
    /// looks, and looks every tick.
    pub(crate) fn unkept(&self) -> Duration {
        self.tick() * 2
    }

    /// A node that has not reported for this long is gone.
    pub(crate) fn absence(&self) -> Duration {
        self.tick() * 3 + SETTLE
    }
}

/// Published keys and live nodes at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) records: Vec<SigningKeyRecord>,
    /// Those that have reported lately.
    pub(crate) nodes: Vec<KeyNode>,
    pub(crate) now: UnixMillis,
    /// Time that is known to have been seen to pass: what anything is due by.
    pub(crate) elapsed: ScheduleTime,
    /// As far as any node may have come: what keys that change now enter their states at, lest one of them finds that
    /// they have been there for longer than they have.
    pub(crate) entering: ScheduleTime,
}

/// Whether a pending key may sign.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Readiness {
    /// At that time of the schedule, or since then.
    At(ScheduleTime),
    /// Not while a node does not publish it.
    Withheld {
        /// The node's name.
        by: String,
    },
}

/// A step of the schedule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// A pending key takes over from the active one, if there is one.
    Rotate,
    /// A pending key is missing.
    Generate,
    /// A retiring key leaves the key set.
    Finish,
}

/// A step and when it is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Due {
    pub(crate) alg: SigningAlg,
    pub(crate) step: Step,
    /// The key that goes: the active one, or the pending one where there is none, or the retiring one.
    pub(crate) kid: Option<Kid>,
    pub(crate) at: ScheduleTime,
}

/// Time that has passed for sure: what nodes have kept, or said.
pub(crate) fn known_time(schedule: &KeySchedule, nodes: &[KeyNode]) -> ScheduleTime {
    let said = nodes.iter().map(|node| node.seen);
    said.fold(schedule.elapsed, ScheduleTime::max)
}

impl Board {
    /// For a process that does not follow the schedule, an operator's or one that starts: the time is what nodes have
    /// kept or said, and who has not been heard of since long before that is gone.
    pub(crate) async fn read(
        store: &dyn KeyStore,
        now: UnixMillis,
        config: &RotationConfig,
    ) -> StoreResult<Self> {
        let schedule = store.key_schedule().await?;
        let mut nodes = store.key_nodes().await?;
        let elapsed = known_time(&schedule, &nodes);
        nodes.retain(|node| elapsed.since(node.seen) <= config.absence());
        let ahead = if nodes.is_empty() {
            Duration::ZERO
        } else {
            config.unkept()
        };
        Ok(Self {
            records: store.signing_keys().await?,
            nodes,
            now,
            elapsed,
            entering: elapsed.plus(ahead),
        })
    }

    /// A node that can't open what is encrypted under the key.
    pub(crate) fn node_without(&self, key: &KeyEncryptionKey) -> Option<&str> {
        let lacks = |node: &&KeyNode| !node.opens.iter().any(|id| id == key.id().as_ref());
        self.nodes.iter().find(lacks).map(|node| node.name.as_str())
    }

    pub(crate) fn active(&self, alg: SigningAlg) -> Option<&SigningKeyRecord> {
        let found = |record: &&SigningKeyRecord| record.alg == alg && record.state.is_active();
        self.records.iter().find(found)
    }

    pub(crate) fn pending(&self, alg: SigningAlg) -> Option<&SigningKeyRecord> {
        let found = |record: &&SigningKeyRecord| record.alg == alg && record.state.is_pending();
        self.records.iter().find(found)
    }

    /// When a pending key has been published by every node for long enough.
    pub(crate) fn readiness(&self, pending: &SigningKeyRecord, config: &RotationConfig) -> Readiness {
        let mut since = pending.entered;
        for node in &self.nodes {
            match node.complete_since {
                Some(complete) => since = since.max(complete),
                None => {
                    return Readiness::Withheld {
                        by: node.name.clone(),
                    };
                }
            }
        }
        Readiness::At(since.plus(config.timings.publish_before).plus(SETTLE))
    }

    /// When a retiring key may leave the key set.
    pub(crate) fn finish_at(retiring: &SigningKeyRecord, config: &RotationConfig) -> ScheduleTime {
        let KeyTimings { publish_after, .. } = config.timings;
        retiring.entered.plus(publish_after).plus(SETTLE)
    }

    /// Steps in the order in which they are due. One that is withheld is not among them.
    pub(crate) fn due(&self, config: &RotationConfig) -> Vec<Due> {
        let retiring = self.records.iter().filter(|record| record.state.is_retiring());
        let finish = retiring.map(|record| Due {
            alg: record.alg,
            step: Step::Finish,
            kid: Some(record.kid.clone()),
            at: Self::finish_at(record, config),
        });
        let algorithms = config.algorithms.iter();
        let mut due: Vec<Due> = algorithms
            .filter_map(|alg| self.next_step(*alg, config))
            .chain(finish)
            .collect();
        due.sort_by_key(|due| due.at);
        due
    }

    fn next_step(&self, alg: SigningAlg, config: &RotationConfig) -> Option<Due> {
        let Some(pending) = self.pending(alg) else {
            return Some(Due {
                alg,
                step: Step::Generate,
                kid: None,
                at: self.elapsed,
            });
        };
        let Readiness::At(ready) = self.readiness(pending, config) else {
            return None;
        };
        let (kid, at) = match self.active(alg) {
            None => (&pending.kid, ready),
            Some(active) if config.automatically => {
                let old = active.entered.plus(config.timings.rotate_every);
                (&active.kid, old.max(ready))
            }
            Some(_) => return None,
        };
        Some(Due {
            alg,
            step: Step::Rotate,
            kid: Some(kid.clone()),
            at,
        })
    }

    /// The wall-clock time at which the schedule will have come to `at`, if it runs without a break.
    pub(crate) fn wall(&self, at: ScheduleTime) -> UnixMillis {
        self.now.plus(at.0.saturating_sub(self.elapsed.0))
    }
}
