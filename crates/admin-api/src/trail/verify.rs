//! Whether the trail is still what was written.

mod source;
mod sweeps;

use std::collections::VecDeque;
use std::io::BufRead;

use symbolon_core::audit::{AuditHead, AuditRecord, AuditStore, Checkpoint, Sweep};
use symbolon_core::ports::StoreError;

use super::checkpoint::{CheckpointError, Statement, TrailKeys};
use super::export::{LineError, Lines};
use super::walk::{Fault, Walk, Wrong};
use source::{Exported, Source, Stored};
use sweeps::Swept;

pub use sweeps::Retention;

/// How often it begins anew because records were swept meanwhile.
const ATTEMPTS: u32 = 3;

/// What came of verifying a trail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Records up to here were swept before; 0 where none were.
    pub anchor: u64,
    /// The sweep that went so far, as the trail tells of it.
    pub sweep: Option<Sweep>,
    /// The last position up to which everything is as it was written.
    pub good: AuditHead,
    /// How many records these are.
    pub records: u64,
    /// How many checkpoints agree with them.
    pub checkpoints: u64,
    /// The last of them: up to its position nobody without its key can have changed anything.
    pub signed: Option<Statement>,
    /// The first thing that is wrong; what lies behind it was not looked at.
    pub fault: Option<Fault>,
}

/// Why a trail could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A checkpoint that was given is none of this server.
    #[error("checkpoint {number} of those given is none of this server: {error}")]
    Given {
        /// Which one, from 1 on.
        number: usize,
        /// Why it is none.
        error: CheckpointError,
    },
    /// An export can't be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Verifies the trail that a store keeps, from its beginning or the last record that was swept, up to the record that was the
/// last when it began: that each record follows from the one before, that the head says what the last one does, that what
/// stands beside the bodies for searching says what they do, that no record stands before the first, and that all checkpoints agree, those that are kept and those
/// that are given from outside, as compact JWS. Where records were swept, that the trail tells of each sweep, that by the
/// checkpoints what went had come to its age by then, and that those given are of none that would still have to be there.
///
/// # Errors
/// [`VerifyError`]: nothing can be said. What is wrong with the trail is in the report.
pub async fn verify<S: AsRef<str>>(
    store: &dyn AuditStore,
    keys: &TrailKeys,
    given: &[S],
    retention: Retention,
) -> Result<Report, VerifyError> {
    let given = statements(keys, given)?;
    for _ in 1..ATTEMPTS {
        let report = examine(&mut Stored(store), keys, (given.clone(), Some(retention))).await?;
        if report.fault.is_none() || store.audit_anchor().await?.seq == report.anchor {
            return Ok(report);
        }
    }
    examine(&mut Stored(store), keys, (given, Some(retention))).await
}

/// The same for a trail that was exported as JSON lines ([`super::record_line`]), without a database.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify_export<S: AsRef<str>>(
    lines: impl BufRead + Send,
    keys: &TrailKeys,
    given: &[S],
) -> Result<Report, VerifyError> {
    let given = statements(keys, given)?;
    let (lines, anchor) = Lines::open(lines)?;
    // How long records are kept where it comes from is not known, nor whether the sweep is behind its end.
    examine(&mut Exported { lines, anchor }, keys, (given, None)).await
}

/// What checkpoints from outside say, by position.
fn statements<S: AsRef<str>>(keys: &TrailKeys, given: &[S]) -> Result<VecDeque<Statement>, VerifyError> {
    let read = |(i, signed): (usize, &S)| {
        keys.read(signed.as_ref())
            .map_err(|error| VerifyError::Given { number: i + 1, error })
    };
    let statements: Result<Vec<_>, _> = given.iter().enumerate().map(read).collect();
    let mut statements = statements?;
    statements.sort_by_key(|statement| statement.seq);
    Ok(statements.into())
}

async fn examine(
    source: &mut dyn Source,
    keys: &TrailKeys,
    (given, retention): (VecDeque<Statement>, Option<Retention>),
) -> Result<Report, VerifyError> {
    let anchor = source.anchor().await?;
    let mut examination = Examination {
        keys,
        given,
        swept: Swept::new(anchor.seq, retention),
        kept: VecDeque::new(),
        walk: Walk::behind(anchor),
        report: Report {
            anchor: anchor.seq,
            sweep: None,
            good: anchor,
            records: 0,
            checkpoints: 0,
            signed: None,
            fault: None,
        },
    };
    let outcome = examination.run(source).await;
    let mut report = examination.report;
    report.sweep = examination.swept.by();
    report.good = examination.walk.at();
    report.records = report.good.seq - report.anchor;
    report.fault = match outcome {
        Ok(()) => None,
        Err(Stop::Fault(fault)) => Some(fault),
        Err(Stop::Error(error)) => return Err(error),
    };
    Ok(report)
}

/// Why an examination goes no further.
enum Stop {
    Error(VerifyError),
    Fault(Fault),
}

impl From<VerifyError> for Stop {
    fn from(error: VerifyError) -> Self {
        Self::Error(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

struct Examination<'a> {
    keys: &'a TrailKeys,
    /// What was given and lies ahead.
    given: VecDeque<Statement>,
    swept: Swept,
    /// What is kept beside the records of this batch and lies ahead.
    kept: VecDeque<Checkpoint>,
    walk: Walk,
    report: Report,
}

impl Examination<'_> {
    async fn run(&mut self, source: &mut dyn Source) -> Result<(), Stop> {
        // What is written meanwhile need not be followed.
        let target = source.head().await?.map_or(u64::MAX, |head| head.seq);
        if let Some(seq) = source.before_anchor().await? {
            let wrong = Wrong::Inserted;
            return Err(Fault { seq, wrong }.into());
        }
        self.begin(source).await?;
        while self.walk.seq() < target || self.given.back().is_some_and(|last| last.seq > self.walk.seq()) {
            let records = source.records(self.walk.seq()).await?;
            if records.is_empty() {
                break;
            }
            self.batch(source, &records).await?;
        }
        self.end(source).await
    }

    /// What is said of the anchor. Of what lies before it nothing can be compared any more.
    async fn begin(&mut self, source: &mut dyn Source) -> Result<(), Stop> {
        let anchor = self.walk.seq();
        while let Some(statement) = self.given.pop_front_if(|next| next.seq < anchor.max(1)) {
            self.swept.gone(&statement)?;
        }
        if let Some(before) = anchor.checked_sub(1) {
            let at = |checkpoint: &Checkpoint| checkpoint.seq == anchor;
            self.kept = source.checkpoints(before).await?.into_iter().filter(at).collect();
        }
        self.compare()
    }

    async fn batch(&mut self, source: &mut dyn Source, records: &[AuditRecord]) -> Result<(), Stop> {
        let begun = self.walk.seq();
        self.kept = source.checkpoints(begun).await?.into();
        let walked = self.walk_over(records);
        let odd = source.columns_differ(begun, records.len()).await?;
        match (walked, odd) {
            (Err(Stop::Fault(fault)), Some(odd)) if fault.seq <= odd => Err(fault.into()),
            (Err(Stop::Error(error)), _) => Err(error.into()),
            (_, Some(seq)) => Err(Fault {
                seq,
                wrong: Wrong::Columns,
            }
            .into()),
            (walked, None) => walked,
        }
    }

    fn walk_over(&mut self, records: &[AuditRecord]) -> Result<(), Stop> {
        for (i, record) in records.iter().enumerate() {
            self.walk.step(record, records.get(i + 1))?;
            self.swept.record(&record.body)?;
            self.compare()?;
        }
        Ok(())
    }

    /// Compares what checkpoints say of the record that was reached.
    fn compare(&mut self) -> Result<(), Stop> {
        let at = self.walk.at();
        while let Some(checkpoint) = self.kept.pop_front_if(|next| next.seq <= at.seq) {
            let statement = self.read(&checkpoint)?;
            self.agree(statement, at)?;
        }
        while let Some(statement) = self.given.pop_front_if(|next| next.seq <= at.seq) {
            self.agree(statement, at)?;
        }
        Ok(())
    }

    /// What a checkpoint that is kept says.
    fn read(&self, kept: &Checkpoint) -> Result<Statement, Fault> {
        self.keys.read_kept(kept).map_err(|_| Fault {
            seq: kept.seq,
            wrong: Wrong::Forged,
        })
    }

    fn agree(&mut self, statement: Statement, at: AuditHead) -> Result<(), Stop> {
        if statement.hash != at.hash {
            // Up to the last checkpoint that agreed everything is as it was.
            let good = self.report.signed.map_or(self.report.anchor, |signed| signed.seq);
            return Err(Stop::Fault(Fault {
                seq: (good + 1).min(at.seq),
                wrong: Wrong::Rewritten { until: at.seq },
            }));
        }
        self.swept.covered(&statement);
        self.report.checkpoints += 1;
        self.report.signed = Some(statement);
        Ok(())
    }

    /// The end was reached: whether it is one.
    async fn end(&mut self, source: &mut dyn Source) -> Result<(), Stop> {
        let at = self.walk.at();
        let fault = |seq, wrong| Err(Stop::Fault(Fault { seq, wrong }));
        let head = source.head().await?;
        let beyond = source.checkpoints(at.seq).await?;
        for checkpoint in &beyond {
            self.read(checkpoint)?;
        }
        let mut ahead = !beyond.is_empty() || !self.given.is_empty();
        if let Some(head) = head {
            if head.seq < at.seq {
                return fault(head.seq + 1, Wrong::Inserted);
            }
            if head.seq == at.seq && head.hash != at.hash {
                return fault(at.seq, Wrong::Head);
            }
            ahead |= head.seq > at.seq;
        }
        // In this order: what a head or a checkpoint spoke of was there by then, and so is a head for what is there.
        let more = source.records(at.seq).await?;
        match (more.last(), source.head().await?) {
            (None, _) if ahead => return Err(Stop::Fault(Fault::cut_off(at.seq + 1))),
            (Some(last), Some(head)) if last.seq > head.seq => return fault(head.seq + 1, Wrong::Inserted),
            _ => {}
        }
        Ok(self.swept.judge()?)
    }
}

#[cfg(test)]
mod tests;
