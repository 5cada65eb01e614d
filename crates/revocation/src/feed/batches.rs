//! Signed batches, as they are kept: neighbours of about equal size become one, as the digits of a binary counter carry,
//! so that whoever is behind needs few of them.

use std::sync::Arc;

use bytes::Bytes;
use symbolon_core::UnixMillis;
use symbolon_core::revocation::FEED_HORIZON_MS;
use symbolon_documents::Document;
use symbolon_oauth_types::feed::{FeedEntry, MAX_BATCH_ENTRIES, Tip};
use uuid::Uuid;

/// Most batches that are kept, and their bytes, beyond those that the snapshot needs.
const MAX_KEPT: usize = 512;
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// Which part of the log a batch has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) log: Uuid,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) prev: Option<Tip>,
    pub(crate) tip: Option<Tip>,
}

/// A batch to be signed.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) span: Span,
    /// Of the positions between `from` and `to`, one for each; nothing where they are too many, or none is known.
    pub(crate) tips: Vec<Option<Tip>>,
    pub(crate) entries: Vec<FeedEntry>,
}

impl Span {
    /// How many positions there are behind `from`, up to and with `to`.
    pub(crate) fn positions(&self) -> usize {
        usize::try_from(self.to - self.from).unwrap_or(usize::MAX)
    }
}

impl Draft {
    /// `tips` has one for each position between `from` and `to`.
    pub(crate) fn new(span: Span, tips: impl Iterator<Item = Option<Tip>>, entries: Vec<FeedEntry>) -> Self {
        let are_few = span.positions() <= MAX_BATCH_ENTRIES;
        let tips: Vec<_> = tips.take(MAX_BATCH_ENTRIES).collect();
        let is_any_known = tips.iter().any(Option::is_some);
        Self {
            span,
            tips: if are_few && is_any_known { tips } else { Vec::new() },
            entries,
        }
    }

    /// What neighbours come to as one. Also what has expired: it may undo something that a reader still knows of, which a
    /// later entry would make last.
    fn joined(first: &Kept, run: &[Arc<Kept>], last: &Kept) -> Self {
        let span = Span {
            to: last.span.to,
            tip: last.span.tip,
            ..first.span
        };
        let tips = run.iter().flat_map(|kept| {
            let between = kept.span.positions() - 1;
            let within = (0..between).map(|at| kept.tips.get(at).copied().flatten());
            // The last position of one is between those of the next.
            within.chain((kept.span.to < span.to).then_some(kept.span.tip))
        });
        let entries = run.iter().flat_map(|kept| &kept.entries).copied();
        Self::new(span, tips, entries.collect())
    }
}

/// A signed batch.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) span: Span,
    pub(crate) entries: Vec<FeedEntry>,
    /// See [`Draft::tips`].
    tips: Vec<Option<Tip>>,
    pub(crate) document: Document,
    /// From then on nobody needs it who does not need the snapshot.
    until: UnixMillis,
}

impl Kept {
    pub(crate) fn new(draft: Draft, document: Document, now: UnixMillis) -> Self {
        let Draft { span, tips, entries } = draft;
        let ends = entries.iter().map(|entry| entry.expires);
        let last = ends.filter(|expires| *expires != UnixMillis::NEVER).max();
        // One without an entry that expires is kept as long as others.
        Self {
            span,
            entries,
            tips,
            document,
            until: last.unwrap_or(now.plus(FEED_HORIZON_MS)),
        }
    }

    #[cfg(test)]
    pub(crate) fn tips(&self) -> &[Option<Tip>] {
        &self.tips
    }

    /// The batch for streams.
    pub(crate) fn event(&self) -> Bytes {
        let Span { log, to, .. } = self.span;
        let head = format!("event: batch\nid: {log}:{to}\ndata: ");
        [head.as_bytes(), self.document.body(), b"\n\n"].concat().into()
    }
}

/// The batches of one log, oldest first, without a gap.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    kept: Vec<Arc<Kept>>,
}

impl Batches {
    #[cfg(test)]
    pub(crate) fn of(kept: Vec<Arc<Kept>>) -> Self {
        Self { kept }
    }

    pub(crate) fn all(&self) -> &[Arc<Kept>] {
        &self.kept
    }

    /// Adds one that goes on from the last.
    pub(crate) fn push(&mut self, batch: Arc<Kept>) {
        debug_assert!(
            self.kept
                .last()
                .is_none_or(|last| last.span.to == batch.span.from)
        );
        self.kept.push(batch);
    }

    /// What neighbours come to that should become one: the newest such run, as long as it can be.
    pub(crate) fn to_merge(&self) -> Option<Draft> {
        let len = |index: usize| self.kept[index].span.positions();
        (1..self.kept.len()).rev().find_map(|last| {
            let (mut first, mut sum) = (last, len(last));
            while first > 0
                && size_class(len(first - 1)) <= size_class(sum)
                && sum + len(first - 1) <= MAX_BATCH_ENTRIES
            {
                first -= 1;
                sum += len(first);
            }
            let (ends, run) = ((&self.kept[first], &self.kept[last]), &self.kept[first..=last]);
            (first < last).then(|| Draft::joined(ends.0, run, ends.1))
        })
    }

    /// Puts one in the place of those that it was made of; where they are not all here any more, it is not needed.
    pub(crate) fn replace(&mut self, merged: Arc<Kept>) {
        let Span { log, from, to, .. } = merged.span;
        let first = self
            .kept
            .iter()
            .position(|kept| kept.span.log == log && kept.span.from == from);
        let last = self.kept.iter().position(|kept| kept.span.to == to);
        if let (Some(first), Some(last)) = (first, last)
            && first <= last
        {
            self.kept.splice(first..=last, [merged]);
        }
    }

    /// Drops the oldest whose entries have all expired, and those beyond what is kept at most; never what lies behind
    /// `needed`.
    pub(crate) fn drop_old(&mut self, now: UnixMillis, needed: u64) {
        let mut bytes: usize = self.kept.iter().map(|kept| kept.document.size()).sum();
        let mut count = self.kept.len();
        let is_dropped = |kept: &Arc<Kept>| {
            let old = kept.until <= now || count > MAX_KEPT || bytes > MAX_KEPT_BYTES;
            let dropped = old && kept.span.to <= needed;
            if dropped {
                bytes -= kept.document.size();
                count -= 1;
            }
            dropped
        };
        let dropped = self
            .kept
            .iter()
            .map(is_dropped)
            .take_while(|dropped| *dropped)
            .count();
        self.kept.drain(..dropped);
    }
}

/// Which of the batches, which have no gap, has what lies right behind the position.
pub(crate) fn containing(batches: &[Arc<Kept>], seq: u64) -> Option<usize> {
    let index = batches.partition_point(|kept| kept.span.to <= seq);
    let has = |kept: &Arc<Kept>| kept.span.from <= seq;
    batches.get(index).is_some_and(has).then_some(index)
}

/// Batches of one class are of about equal size.
fn size_class(positions: usize) -> u32 {
    positions.max(1).ilog2()
}
