//! What documents change, and what is to be read next.

use super::state::Position;

/// What is to be read next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// The batch behind a position.
    Batch(Position),
    /// Heads, as they come.
    Head,
    /// A snapshot.
    Snapshot,
}

/// Why a snapshot is to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resync {
    /// The log has lost entries and went on from an earlier position (rule 5).
    EntriesLost,
    /// The log is another one: a backup was restored (rule 6).
    OtherLog,
    /// What is behind the known position is not kept any more.
    TooFarBehind,
}

impl Resync {
    /// The reason as one of a fixed few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EntriesLost => "entries_lost",
            Self::OtherLog => "other_log",
            Self::TooFarBehind => "too_far_behind",
        }
    }
}

/// What became of what was known when a snapshot took its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Adopted {
    /// There was nothing.
    First,
    /// It stays in force besides: it is of the same log, which may have lost some of it.
    Merged,
    /// It was forgotten: the log is another one.
    Replaced,
}

/// What a document changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A snapshot took the place of what was known, and the state is caught up with a newer head than before.
    Adopted(Adopted),
    /// It was taken in; no newer head is reached yet.
    Applied,
    /// The head lies where the state has not come yet.
    Behind,
    /// The state is caught up with a newer head than before.
    CaughtUp,
    /// It makes nothing fresher: it is old, was there before, or comes from a node that lags.
    Ignored,
    /// The head is from the future.
    TooNew,
    /// The batch would bring more entries than are kept.
    TooMany,
    /// It shows that a snapshot is to be read.
    Resync(Resync),
}
