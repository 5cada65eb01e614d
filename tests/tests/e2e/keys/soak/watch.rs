//! What the nodes publish, and what they have promised caches.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use symbolon_core::keys::KeyTimings;
use symbolon_jose::Kid;
use symbolon_tests::Reply;

use super::super::resource_server::KeySet;

/// One key set, as it was served.
struct Published {
    body: Bytes,
    set: Arc<KeySet>,
    kids: Vec<Kid>,
    /// How many others were seen before.
    turn: usize,
    /// The latest time, by the clock that nobody sets, for which a cache may keep it.
    promised: Duration,
}

impl Published {
    fn of(reply: &Reply, turn: usize) -> Self {
        Self {
            body: reply.body.clone(),
            set: Arc::new(KeySet::read(&reply.body)),
            kids: kids(reply),
            turn,
            promised: Duration::ZERO,
        }
    }
}

/// All key sets that were served.
#[derive(Default)]
pub(super) struct Watch {
    /// By entity tag.
    sets: HashMap<String, Published>,
    /// The last moment at which somebody could have been given a key set without the key.
    without: HashMap<Kid, Duration>,
    /// When anybody was last asked.
    seen: Duration,
    /// Keys that may sign at once: those of the first start.
    pub(super) first: Vec<Kid>,
    /// How often a key set was looked at.
    pub(super) looks: u64,
    /// Times of these when its change was due and not made yet.
    pub(super) overdue: u64,
}

impl Watch {
    /// A node has answered with its key set, `overdue` where it knew of no time for the next change but that it was due.
    #[track_caller]
    pub(super) fn see(&mut self, reply: &Reply, now: Duration, overdue: bool) -> Arc<KeySet> {
        self.looks += 1;
        let tag = reply.header("etag");
        if !self.sets.contains_key(tag) {
            let published = Published::of(reply, self.sets.len());
            for kid in &published.kids {
                // Until now nobody published it.
                self.without.entry(kid.clone()).or_insert(self.seen);
            }
            self.sets.insert(tag.to_owned(), published);
        }
        let Some(published) = self.sets.get_mut(tag) else {
            unreachable!()
        };
        assert_eq!(published.body, reply.body, "one tag for two key sets");
        if overdue {
            self.overdue += 1;
        } else {
            let promised = now + lifetime(reply.header("cache-control"));
            published.promised = published.promised.max(promised);
        }
        let (set, turn) = (published.set.clone(), published.turn);
        for (kid, without) in &mut self.without {
            if !published.kids.contains(kid) {
                *without = now;
            }
        }
        self.seen = now;
        for older in self.sets.values().filter(|other| other.turn < turn) {
            let left = older.promised.saturating_sub(now);
            assert!(
                left.is_zero(),
                "caches may keep the key set before for {left:?} more"
            );
        }
        set
    }

    /// An operator has changed keys: caches could not know.
    pub(super) fn forgive(&mut self) {
        for published in self.sets.values_mut() {
            published.promised = Duration::ZERO;
        }
    }

    /// A node has signed with the key.
    #[track_caller]
    pub(super) fn signed(&self, kid: &Kid, now: Duration) {
        if self.first.contains(kid) {
            return;
        }
        let published = now - self.without[kid];
        assert!(
            published >= KeyTimings::LONGEST_CACHE,
            "{kid} signs and has been published by all for {published:?}"
        );
    }

    /// How many different key sets there were.
    pub(super) fn sets(&self) -> usize {
        self.sets.len()
    }
}

/// For how long a cache may answer with it: fresh, and then while it asks again.
fn lifetime(cache_control: &str) -> Duration {
    let seconds = cache_control.split(", ").filter_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        ["max-age", "stale-while-revalidate"]
            .contains(&name)
            .then(|| value.parse::<u64>().unwrap())
    });
    Duration::from_secs(seconds.sum())
}

fn kids(reply: &Reply) -> Vec<Kid> {
    let document = reply.ok();
    let keys = document["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| Kid::parse(key["kid"].as_str().unwrap()).unwrap())
        .collect()
}
