//! The log as it stands on the feed: what is in force, and what is not in a batch yet.

use std::sync::Arc;

use symbolon_core::UnixMillis;
use symbolon_oauth_types::feed::{FeedEntry, MAX_BATCH_ENTRIES};
use symbolon_oauth_types::revocation::Cutoffs;

use super::batches::{Batches, Kept, Span};
use super::inbox::{Advance, Placed, Position};
use crate::reading::History;

/// What one node publishes, before it is signed.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// How far the log was handed over; nothing at first.
    at: Option<Position>,
    /// What is in force there, for as long as access tokens are concerned.
    pub(crate) cutoffs: Cutoffs,
    pub(crate) batches: Batches,
    /// Up to where there are batches, or where they begin.
    batched: Option<Position>,
    unbatched: Vec<Placed>,
    /// How often the log was found to be another, or to have lost what it held: what is under way for an earlier one is
    /// void.
    pub(crate) epoch: u64,
}

/// A batch to be signed.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) span: Span,
    pub(crate) entries: Vec<FeedEntry>,
}

impl Ledger {
    pub(crate) fn at(&self) -> Option<Position> {
        self.at
    }

    /// Takes what was read. A log of another identity replaces everything; one that lost what it held takes nothing back
    /// that was in force. Of both the batches begin anew where they stand now.
    pub(crate) fn absorb(&mut self, advance: Advance) {
        let Advance { to, entries, history } = advance;
        let began_anew = matches!(history, History::Lost | History::Replaced);
        let kept = match history {
            History::Same | History::FactsInDoubt => None,
            History::Lost => Some(std::mem::take(&mut self.cutoffs)),
            History::Replaced => {
                self.cutoffs = Cutoffs::default();
                None
            }
        };
        entries
            .iter()
            .for_each(|placed| self.cutoffs.apply(&placed.entry));
        if let Some(kept) = kept {
            self.cutoffs.merge(kept);
        }
        self.at = Some(to);
        if began_anew {
            self.epoch += 1;
            self.batches = Batches::default();
            self.unbatched = Vec::new();
            self.batched = Some(to);
        } else {
            self.unbatched.extend(entries);
        }
    }

    /// The batches with what is in none yet, but for what has expired.
    pub(crate) fn drafts(&self, now: UnixMillis) -> Vec<Draft> {
        let Some(at) = self.at else {
            return Vec::new();
        };
        let begin = self.batched.unwrap_or(Position {
            log: at.log,
            seq: 0,
            tip: None,
        });
        if begin.seq >= at.seq {
            return Vec::new();
        }
        let live: Vec<_> = self
            .unbatched
            .iter()
            .filter(|placed| placed.entry.expires > now)
            .collect();
        let mut chunks = live.chunks(MAX_BATCH_ENTRIES).peekable();
        let (mut drafts, mut from) = (Vec::new(), begin);
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let to = match (chunks.peek(), chunk.last()) {
                (Some(_), Some(last)) => Position {
                    log: at.log,
                    seq: last.seq,
                    tip: last.tip,
                },
                _ => at,
            };
            drafts.push(Draft {
                span: Span {
                    log: at.log,
                    from: from.seq,
                    to: to.seq,
                    prev: from.tip,
                    tip: to.tip,
                },
                entries: chunk.iter().map(|placed| placed.entry).collect(),
            });
            if to.seq == at.seq {
                return drafts;
            }
            from = to;
        }
    }

    /// The drafts were signed.
    pub(crate) fn signed(&mut self, batches: Vec<Kept>) {
        batches
            .into_iter()
            .for_each(|batch| self.batches.push(Arc::new(batch)));
        self.batched = self.at;
        self.unbatched = Vec::new();
    }
}
