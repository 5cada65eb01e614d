//! From one record to the next.

use std::fmt;

use symbolon_core::audit::{AuditHead, AuditRecord, link};

/// Something that is wrong with the trail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The first position that is bad.
    pub seq: u64,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with a position of the trail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// Records were swept up to here, and no checkpoint covers that.
    AnchorUncovered,
    /// The body, or the hash, is not the one that was written.
    Changed,
    /// The columns beside the body, which are searched by, say something else than the body.
    Columns,
    /// The trail ended later once: its end was cut off, the record at this position first.
    CutOff,
    /// A checkpoint that is kept here is not signed by this server, or for another position or moment.
    Forged,
    /// The head says another hash than the last record.
    Head,
    /// The record stands where the one behind it belongs, behind the head, or where records were swept or never were: it
    /// was put in, or swapped with the one behind it.
    Inserted,
    /// The record is missing.
    Missing,
    /// A checkpoint says another hash: a record from here up to that position is not the one that was written, and all
    /// hashes behind it were computed anew.
    Rewritten {
        /// The position of the checkpoint.
        until: u64,
    },
    /// Records up to here are gone, and by the checkpoints they had not come to their age.
    SweptEarly,
    /// Records up to here are gone, and the trail tells of no sweep that took them.
    SweptUnrecorded,
}

impl Wrong {
    /// Its name, for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AnchorUncovered => "anchor_uncovered",
            Self::Changed => "changed",
            Self::Columns => "columns",
            Self::CutOff => "cut_off",
            Self::Forged => "forged",
            Self::Head => "head",
            Self::Inserted => "inserted",
            Self::Missing => "missing",
            Self::Rewritten { .. } => "rewritten",
            Self::SweptEarly => "swept_early",
            Self::SweptUnrecorded => "swept_unrecorded",
        }
    }
}

impl Fault {
    /// Records were swept up to this position, and no checkpoint covers that.
    pub(super) fn uncovered(seq: u64) -> Self {
        Self {
            seq,
            wrong: Wrong::AnchorUncovered,
        }
    }

    /// The trail ended behind this position once.
    pub(super) fn cut_off(seq: u64) -> Self {
        Self {
            seq,
            wrong: Wrong::CutOff,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.wrong {
            Wrong::AnchorUncovered => {
                write!(f, "records up to {seq} were swept, and no checkpoint covers them")
            }
            Wrong::Changed => write!(f, "record {seq} was changed"),
            Wrong::Columns => write!(
                f,
                "record {seq} is searched by something else than it says: its columns were changed"
            ),
            Wrong::CutOff => write!(f, "the end of the trail was cut off, from record {seq} on"),
            Wrong::Forged => write!(
                f,
                "the checkpoint at {seq} is not one that this server has signed for that position and moment"
            ),
            Wrong::Head => write!(f, "the head says another hash than record {seq}: it was changed"),
            Wrong::Inserted => write!(
                f,
                "record {seq} does not belong there: it was put in, or swapped with the next"
            ),
            Wrong::Missing => write!(f, "record {seq} is missing"),
            Wrong::Rewritten { until } => write!(
                f,
                "the trail was written anew somewhere from record {seq} up to {until}: the checkpoint at {until} says \
                 another hash"
            ),
            Wrong::SweptEarly => write!(
                f,
                "records up to {seq} are gone, and by the checkpoints they had not come to their age"
            ),
            Wrong::SweptUnrecorded => write!(
                f,
                "records up to {seq} are gone, and no record tells of a sweep that took them"
            ),
        }
    }
}

/// A position up to which every record follows from the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    at: AuditHead,
}

impl Walk {
    /// Behind that position.
    pub(super) fn behind(at: AuditHead) -> Self {
        Self { at }
    }

    /// The position.
    pub(super) fn at(&self) -> AuditHead {
        self.at
    }

    pub(super) fn seq(&self) -> u64 {
        self.at.seq
    }

    /// One record further. `next` is the record that stands behind it, where it is known.
    pub(super) fn step(&mut self, record: &AuditRecord, next: Option<&AuditRecord>) -> Result<(), Fault> {
        let seq = self.at.seq + 1;
        let wrong = |wrong| Err(Fault { seq, wrong });
        let belongs_here = |record: &AuditRecord| link(&self.at.hash, seq, &record.body) == record.hash;
        if record.seq > seq {
            return wrong(Wrong::Missing);
        }
        if record.seq < seq {
            return wrong(Wrong::Inserted);
        }
        if !belongs_here(record) {
            return match next {
                Some(next) if belongs_here(next) => wrong(Wrong::Inserted),
                _ => wrong(Wrong::Changed),
            };
        }
        self.at = AuditHead {
            seq,
            hash: record.hash,
        };
        Ok(())
    }
}
