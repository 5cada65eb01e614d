//! What the one who reads the log hands to the one who publishes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use symbolon_core::UnixMillis;
use symbolon_core::revocation::{FEED_HORIZON_MS, Logged, UNKNOWN_TIP};
use symbolon_oauth_types::feed::{FeedEntry, Tip};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::reading::{History, Reading};

/// A place on the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Position {
    pub(crate) log: Uuid,
    /// The last entry.
    pub(crate) seq: u64,
    /// The tip of that entry, where it is known.
    pub(crate) tip: Option<Tip>,
}

/// An entry of the feed with its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Placed {
    pub(crate) seq: u64,
    pub(crate) tip: Option<Tip>,
    pub(crate) entry: FeedEntry,
    /// From then on nothing can be alive that an entry of its time concerns, whatever it is about.
    pub(crate) moot: UnixMillis,
}

/// The log was found further on, or to be another.
#[derive(Clone, Debug)]
pub(crate) struct Advance {
    pub(crate) to: Position,
    /// What lies behind the position before, or all where the history is another.
    pub(crate) entries: Vec<Placed>,
    pub(crate) history: History,
}

impl Advance {
    pub(crate) fn of(reading: &Reading) -> Self {
        let head = reading.known.head;
        let placed = |logged: &Logged| Placed {
            seq: logged.seq,
            tip: known(logged.tip),
            entry: logged.on_feed(),
            moot: logged.at.plus(FEED_HORIZON_MS),
        };
        Self {
            to: Position {
                log: head.log,
                seq: head.seq,
                tip: known(reading.known.entry),
            },
            entries: reading.entries.iter().map(placed).collect(),
            history: reading.history,
        }
    }
}

fn known(tip: Option<symbolon_core::revocation::Tip>) -> Option<Tip> {
    tip.filter(|tip| *tip != UNKNOWN_TIP).map(Tip)
}

/// What the log has handed over and nobody has taken yet, in the order of the log. Gone when its publisher is: from then
/// on nothing is kept.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    slot: Arc<Slot>,
}

/// Through which it is filled.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pending: Mutex<Pending>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    advances: Vec<Advance>,
    last: Option<Position>,
    closed: bool,
}

impl Inbox {
    pub(crate) fn slot(&self) -> Arc<Slot> {
        self.slot.clone()
    }

    /// Takes everything that is there.
    pub(crate) fn take(&self) -> Vec<Advance> {
        std::mem::take(&mut self.slot.lock().advances)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slot.lock().advances.is_empty()
    }

    /// Returns when something has come since this was waited for last, or at once where it has.
    pub(crate) async fn arrived(&self) {
        self.slot.arrived.notified().await;
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut pending = self.slot.lock();
        pending.closed = true;
        pending.advances = Vec::new();
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what was read, unless it says nothing new of the log.
    pub(crate) fn push(&self, reading: &Reading) {
        let advance = Advance::of(reading);
        let mut pending = self.lock();
        let is_known = pending.last == Some(advance.to) && !advance.history.began_anew();
        if pending.closed || is_known {
            return;
        }
        pending.last = Some(advance.to);
        pending.advances.push(advance);
        drop(pending);
        self.arrived.notify_one();
    }
}
