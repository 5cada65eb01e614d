//! What is published at one moment. It never changes; another takes its place.

use std::sync::Arc;

use bytes::Bytes;
use symbolon_core::UnixMillis;
use symbolon_documents::Document;
use uuid::Uuid;

use super::batches::{Kept, containing};
use super::inbox::Position;

/// What is published.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Counts the frames that have gone to the streams: what a later one says is not in here.
    pub(crate) number: u64,
    /// That of the ledger: documents of another one go with another log, or with what this one has lost.
    pub(crate) epoch: u64,
    pub(crate) head: Arc<SignedHead>,
    /// Without a gap, the last of them up to the head.
    pub(crate) batches: Vec<Arc<Kept>>,
    /// Nothing while the first is being made, or the first of another log.
    pub(crate) snapshot: Option<Arc<SignedSnapshot>>,
    pub(crate) in_force: usize,
}

#[derive(Debug)]
pub(crate) struct SignedHead {
    pub(crate) at: Position,
    pub(crate) as_of: UnixMillis,
    pub(crate) document: Document,
    /// The same for streams.
    pub(crate) event: Bytes,
}

#[derive(Debug)]
pub(crate) struct SignedSnapshot {
    pub(crate) at: Position,
    pub(crate) document: Document,
}

impl View {
    /// The batch with what lies behind the position.
    pub(crate) fn batch(&self, log: Uuid, seq: u64) -> Option<&Arc<Kept>> {
        let index = (log == self.head.at.log).then(|| containing(&self.batches, seq))??;
        self.batches.get(index)
    }

    /// The batches with all that lies behind the position; nothing where it is not kept. Whoever is ahead of this node
    /// misses nothing here.
    pub(crate) fn behind(&self, log: Uuid, seq: u64) -> Option<&[Arc<Kept>]> {
        if log != self.head.at.log {
            return None;
        }
        if seq >= self.head.at.seq {
            return Some(&[]);
        }
        self.batches.get(containing(&self.batches, seq)?..)
    }
}
