//! One look at the log.

use std::time::Duration;

use symbolon_core::UnixMillis;
use symbolon_core::ports::{RevocationLog, StoreResult};
use symbolon_core::revocation::{Head, Logged, Tip, UNKNOWN_TIP};
use symbolon_oauth_types::feed::FeedEntry;
use symbolon_oauth_types::revocation::Cutoffs;

/// Entries that are read at once.
const PAGE: u32 = 1000;

/// What a node has applied, to compare a log with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) head: Head,
    /// The tip of the entry at [`Head::seq`]: that of the head where no fact has changed since. Nothing where the log
    /// does not say.
    pub(crate) entry: Option<Tip>,
}

/// What a look at the log found.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) known: Known,
    /// The entries behind those that were known, or all of them.
    pub(crate) entries: Vec<Logged>,
    pub(crate) history: History,
    /// Monotonic time at which the look began.
    pub(crate) began: Duration,
}

/// What became of the log that was known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum History {
    /// It went on, if it moved at all.
    Same,
    /// It went on, but facts had changed since its last entry, and nothing tells any more whether those changes are
    /// still among those that are counted.
    FactsInDoubt,
    /// The database lost some of what it had committed, and went on from an earlier position. All entries were read.
    Lost,
    /// A log of another identity has taken its place: a backup was restored. All entries were read.
    Replaced,
}

impl History {
    /// Whether all entries were read, of another history than the one that was known.
    pub(crate) fn began_anew(self) -> bool {
        matches!(self, Self::Lost | Self::Replaced)
    }

    /// Puts what was read in force. A log of another identity replaces everything; one that lost what it held takes nothing
    /// back that was known.
    pub(crate) fn fold<'e, E>(self, cutoffs: &mut Cutoffs, entries: impl IntoIterator<Item = &'e E>)
    where
        E: 'e,
        FeedEntry: From<&'e E>,
    {
        let known = match self {
            Self::Same | Self::FactsInDoubt => None,
            Self::Lost => Some(std::mem::take(cutoffs)),
            Self::Replaced => {
                *cutoffs = Cutoffs::default();
                None
            }
        };
        entries.into_iter().for_each(|entry| cutoffs.apply(entry));
        if let Some(known) = known {
            cutoffs.merge(known);
        }
    }
}

impl Reading {
    /// Reads what is behind `known`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn take(
        log: &dyn RevocationLog,
        known: Known,
        now: UnixMillis,
        began: Duration,
    ) -> StoreResult<Self> {
        let head = log.head().await?;
        let reading = |entry, entries, history| Self {
            known: Known { head, entry },
            entries,
            history,
            began,
        };
        if head == known.head {
            return Ok(reading(known.entry, Vec::new(), History::Same));
        }
        // The tip of the new position is read first and the old one's is compared last: a database that loses commits in
        // between is found out now or at the next look.
        let entry = log.tip_at(head.seq).await?;
        if head.log != known.head.log {
            let all = entries(log, 0, head.seq, now).await?;
            return Ok(reading(entry, all, History::Replaced));
        }
        if !went_back(known.head, head) {
            let new = entries(log, known.head.seq, head.seq, now).await?;
            if !holds_another(log, known).await? {
                return Ok(reading(entry, new, moved_on(known, head)));
            }
        }
        let all = entries(log, 0, head.seq, now).await?;
        Ok(reading(entry, all, History::Lost))
    }
}

/// Whether a head can't be one that the log has come to from the one that is known.
fn went_back(known: Head, head: Head) -> bool {
    let at_once = (head.seq, head.facts) == (known.seq, known.facts);
    head.seq < known.seq || head.facts < known.facts || (at_once && head.is_told_apart(known))
}

/// Whether the log holds another entry where the last one was that is known.
async fn holds_another(log: &dyn RevocationLog, known: Known) -> StoreResult<bool> {
    let Some(entry) = known.entry else {
        return Ok(false);
    };
    let held = log.tip_at(known.head.seq).await?;
    Ok(held.is_some_and(|held| held != entry))
}

/// The tip of an entry stands for all before it, changes of facts included; those after it leave no trace of their own.
fn moved_on(known: Known, head: Head) -> History {
    let untold = known.head.tip != UNKNOWN_TIP && Some(known.head.tip) != known.entry;
    if untold && head.seq > known.head.seq && head.facts == known.head.facts {
        History::FactsInDoubt
    } else {
        History::Same
    }
}

/// The entries behind one position, up to another: the head says how far its counts reach, and later ones are read with
/// a later head.
async fn entries(log: &dyn RevocationLog, after: u64, to: u64, now: UnixMillis) -> StoreResult<Vec<Logged>> {
    let (mut last, mut entries) = (after, Vec::new());
    while last < to {
        let page = log.entries(last, now, PAGE).await?;
        let full = page.len() >= PAGE as usize;
        if let Some(logged) = page.last() {
            last = logged.seq;
        }
        entries.extend(page.into_iter().take_while(|logged| logged.seq <= to));
        if !full {
            break;
        }
    }
    Ok(entries)
}
