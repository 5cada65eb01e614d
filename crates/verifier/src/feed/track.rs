//! One line of entries, and how heads and batches lie to it.

use symbolon_oauth_types::UnixMillis;
use symbolon_oauth_types::feed::{Batch, Head, Snapshot, Tip};
use symbolon_oauth_types::revocation::Cutoffs;
use uuid::Uuid;

use super::state::Position;

/// The most digests that are kept: about 130 MB. A feed that has more can't be followed.
const MAX_ENTRIES: usize = 2_000_000;

/// Entries of one log up to one position.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) log: Uuid,
    pub(super) seq: u64,
    pub(super) tip: Option<Tip>,
    pub(super) cutoffs: Cutoffs,
}

/// Where a head lies, seen from a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lies {
    /// Further on.
    Ahead,
    /// Where the track ends, as far as the tips tell.
    At,
    /// At the same position, but other entries led there.
    Apart,
    /// Further back.
    Back,
    /// On another log.
    Elsewhere,
}

/// What a batch was to a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Continued {
    /// It was applied.
    Applied,
    /// Other entries led to where it begins. Nothing of it was applied.
    Apart,
    /// It begins further on, or is of another log.
    Gap,
    /// It has nothing new.
    Old,
    /// There would be more entries than are kept.
    TooMany,
}

impl Track {
    pub(super) fn position(&self) -> Position {
        Position {
            log: self.log,
            seq: self.seq,
        }
    }

    pub(super) fn where_lies(&self, head: &Head) -> Lies {
        if head.log != self.log {
            return Lies::Elsewhere;
        }
        match head.seq.cmp(&self.seq) {
            std::cmp::Ordering::Less => Lies::Back,
            std::cmp::Ordering::Equal if differ(head.tip, self.tip) => Lies::Apart,
            std::cmp::Ordering::Equal => Lies::At,
            std::cmp::Ordering::Greater => Lies::Ahead,
        }
    }

    /// Rule 4 of the specification.
    pub(super) fn continue_with(&mut self, batch: &Batch) -> Continued {
        if batch.log != self.log || batch.from > self.seq {
            return Continued::Gap;
        }
        if batch.to <= self.seq {
            return Continued::Old;
        }
        if differ(batch.tip_before_end(self.seq), self.tip) {
            return Continued::Apart;
        }
        if self.cutoffs.len() + batch.entries.len() > MAX_ENTRIES {
            return Continued::TooMany;
        }
        for entry in &batch.entries {
            self.cutoffs.apply(entry);
        }
        self.seq = batch.to;
        self.tip = batch.tip;
        Continued::Applied
    }
}

/// Whether both tips are known and not the same.
pub(super) fn differ(a: Option<Tip>, b: Option<Tip>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a != b)
}

/// A snapshot whose entries were applied to nothing, which takes a while where there are many.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub(super) track: Track,
    pub(super) as_of: UnixMillis,
}

impl From<Snapshot> for Candidate {
    fn from(snapshot: Snapshot) -> Self {
        let mut cutoffs = Cutoffs::default();
        for entry in &snapshot.entries {
            cutoffs.apply(entry);
        }
        Self {
            track: Track {
                log: snapshot.log,
                seq: snapshot.seq,
                tip: snapshot.tip,
                cutoffs,
            },
            as_of: snapshot.as_of,
        }
    }
}
