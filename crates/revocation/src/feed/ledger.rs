//! The log as it stands on the feed: what is in force, and what is not in a batch yet.

use std::sync::Arc;

use symbolon_core::UnixMillis;
use symbolon_oauth_types::feed::{MAX_BATCH_ENTRIES, Tip};
use symbolon_oauth_types::revocation::Cutoffs;

use super::batches::{Batches, Draft, Kept, Span};
use super::inbox::{Advance, Placed, Position};

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

impl Ledger {
    pub(crate) fn at(&self) -> Option<Position> {
        self.at
    }

    /// Takes what was read. Of another history the batches begin anew where it stands now.
    pub(crate) fn absorb(&mut self, advance: Advance) {
        let Advance { to, entries, history } = advance;
        history.fold(&mut self.cutoffs, entries.iter().map(|placed| &placed.entry));
        self.at = Some(to);
        if history.began_anew() {
            self.epoch += 1;
            self.batches = Batches::default();
            self.unbatched = Vec::new();
            self.batched = Some(to);
        } else {
            self.unbatched.extend(entries);
        }
    }

    /// The batches with what is in none yet. The first begins behind what is moot: whoever comes from further back knows
    /// too much that has expired.
    pub(crate) fn drafts(&self, now: UnixMillis) -> Vec<Draft> {
        let Some(at) = self.at else {
            return Vec::new();
        };
        let begin = self.batched.unwrap_or_else(|| self.beginning(at, now));
        if begin.seq >= at.seq {
            return Vec::new();
        }
        let first = self.unbatched.partition_point(|placed| placed.seq <= begin.seq);
        let mut chunks = self.unbatched[first..].chunks(MAX_BATCH_ENTRIES).peekable();
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
            let span = Span {
                log: at.log,
                from: from.seq,
                to: to.seq,
                prev: from.tip,
                tip: to.tip,
            };
            let entries = chunk.iter().map(|placed| placed.entry).collect();
            drafts.push(Draft::new(span, self.tips_within(&span), entries));
            if to.seq == at.seq {
                return drafts;
            }
            from = to;
        }
    }

    /// Where batches begin that nothing is in yet.
    fn beginning(&self, at: Position, now: UnixMillis) -> Position {
        let moot = self.unbatched.iter().rfind(|placed| placed.moot <= now);
        let (seq, tip) = moot.map_or((0, None), |moot| (moot.seq, moot.tip));
        Position {
            log: at.log,
            seq,
            tip,
        }
    }

    /// The tips of the positions between the ends of a span, as far as they are known.
    fn tips_within(&self, span: &Span) -> impl Iterator<Item = Option<Tip>> {
        let first = self.unbatched.partition_point(|placed| placed.seq <= span.from);
        let mut known = self.unbatched[first..].iter().peekable();
        (span.from + 1..span.to).map(move |seq| known.next_if(|placed| placed.seq == seq)?.tip)
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
