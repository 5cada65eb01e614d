//! Which nodes are gone, as one node sees it.

use std::collections::HashMap;
use std::time::Duration;

use symbolon_core::keys::{KeyNode, ScheduleTime};
use uuid::Uuid;

use crate::board::RotationConfig;

/// What a node has seen of the others. A node is gone when it has said nothing new for as long as this one has *watched*:
/// that the schedule's time is far ahead of what it said last proves nothing, for this node may have been away, or the
/// database, and then the other had no chance to say a word.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    looked: Option<ScheduleTime>,
    watched: Duration,
    nodes: HashMap<Uuid, Heard>,
    absence: Duration,
}

/// The last word of a node, and how long this one had watched when it came.
#[derive(Clone, Copy, Debug)]
struct Heard {
    seen: ScheduleTime,
    watched: Duration,
}

impl Watch {
    /// Takes note of what the nodes say now.
    pub(crate) fn look(&mut self, nodes: &[KeyNode], elapsed: ScheduleTime, config: &RotationConfig) {
        let passed = self.looked.map_or(Duration::ZERO, |looked| elapsed.since(looked));
        // Two looks that are further apart than nodes speak are no watching in between.
        self.watched += passed.min(config.tick() * 2);
        self.looked = Some(elapsed);
        self.absence = config.absence();
        let watched = self.watched;
        let heard = |node: &KeyNode| {
            let before = self.nodes.get(&node.node).filter(|heard| heard.seen == node.seen);
            let seen = node.seen;
            (node.node, before.copied().unwrap_or(Heard { seen, watched }))
        };
        self.nodes = nodes.iter().map(heard).collect();
    }

    /// Leaves the nodes that are not gone.
    pub(crate) fn drop_gone(&self, nodes: &mut Vec<KeyNode>) {
        nodes.retain(|node| {
            let silent =
                |heard: &Heard| heard.seen == node.seen && self.watched - heard.watched > self.absence;
            !self.nodes.get(&node.node).is_some_and(silent)
        });
    }
}

#[cfg(test)]
mod tests {
    use symbolon_core::keys::KeyTimings;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn config() -> RotationConfig {
        RotationConfig {
            algorithms: Vec::new(),
            timings: KeyTimings {
                rotate_every: HOUR * 24 * 90,
                publish_before: HOUR * 24,
                publish_after: HOUR * 3,
            },
            automatically: true,
        }
    }

    fn node(seen: ScheduleTime) -> KeyNode {
        KeyNode {
            node: Uuid::nil(),
            name: "host:1".to_owned(),
            seen,
            complete_since: None,
            opens: Vec::new(),
        }
    }

    fn lives(watch: &Watch, node: &KeyNode) -> bool {
        let mut nodes = vec![node.clone()];
        watch.drop_gone(&mut nodes);
        !nodes.is_empty()
    }

    #[test]
    fn silence_counts_only_while_somebody_listens() {
        let (mut watch, config, quiet) = (Watch::default(), config(), node(ScheduleTime(0)));
        // Far behind at the first look, and after a year in which nobody looked.
        let mut now = ScheduleTime(0).plus(HOUR);
        for away in [HOUR, HOUR * 24 * 365] {
            now = now.plus(away);
            watch.look(std::slice::from_ref(&quiet), now, &config);
            assert!(lives(&watch, &quiet), "{away:?}");
        }
        for minutes in (0..30).step_by(5) {
            watch.look(std::slice::from_ref(&quiet), now, &config);
            let listened = Duration::from_secs(minutes * 60) + config.tick() * 2;
            assert_eq!(lives(&watch, &quiet), listened <= config.absence(), "{minutes}");
            now = now.plus(config.tick());
        }
        let back = node(now);
        assert!(lives(&watch, &back), "it has said something since");
        watch.look(std::slice::from_ref(&back), now, &config);
        assert!(lives(&watch, &back));
    }
}
