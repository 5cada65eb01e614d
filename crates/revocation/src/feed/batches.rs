//! Signed batches, as they are kept: neighbours of about equal size become one, as the digits of a binary counter carry,
//! so that whoever is behind needs few of them.

use std::sync::Arc;

use bytes::Bytes;
use symbolon_core::UnixMillis;
use symbolon_documents::Document;
use symbolon_oauth_types::feed::{FeedEntry, MAX_BATCH_ENTRIES, Tip};
use uuid::Uuid;

/// A batch without an entry that expires is kept for this long, in milliseconds: as long as one with an entry that does.
const KEEP_MS: u64 = 70 * 60_000;
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

/// A signed batch.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) span: Span,
    pub(crate) entries: Vec<FeedEntry>,
    pub(crate) document: Document,
    /// From then on nobody needs it who does not need the snapshot.
    until: UnixMillis,
}

impl Kept {
    pub(crate) fn new(span: Span, entries: Vec<FeedEntry>, document: Document, now: UnixMillis) -> Self {
        let ends = entries.iter().map(|entry| entry.expires);
        let last = ends.filter(|expires| *expires != UnixMillis::NEVER).max();
        Self {
            span,
            entries,
            document,
            until: last.unwrap_or(now.plus(KEEP_MS)),
        }
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

    /// Neighbours that should become one: the newest such run, as long as it can be.
    pub(crate) fn to_merge(&self) -> Option<&[Arc<Kept>]> {
        let len = |index: usize| self.kept[index].entries.len();
        (1..self.kept.len()).rev().find_map(|last| {
            let (mut first, mut sum) = (last, len(last));
            while first > 0
                && size_class(len(first - 1)) <= size_class(sum)
                && sum + len(first - 1) <= MAX_BATCH_ENTRIES
            {
                first -= 1;
                sum += len(first);
            }
            (first < last).then(|| &self.kept[first..=last])
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
fn size_class(entries: usize) -> u32 {
    (entries + 1).ilog2()
}

/// The span of neighbours.
pub(crate) fn joined(run: &[Arc<Kept>]) -> Option<Span> {
    let (first, last) = (run.first()?.span, run.last()?.span);
    Some(Span {
        to: last.to,
        tip: last.tip,
        ..first
    })
}
