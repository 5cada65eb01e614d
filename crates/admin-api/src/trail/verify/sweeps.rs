//! Whether what is gone from the beginning had come to its age.

use std::time::Duration;

use symbolon_core::UnixMillis;
use symbolon_core::audit::Sweep;

use super::Statement;
use crate::trail::walk::{Fault, Wrong};

/// Shortest `audit.retention` that there is: whoever writes a sweep on the trail by hand can't claim a shorter one.
const SHORTEST: Duration = Duration::from_secs(86_400);

/// For how long records must be there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// `audit.retention`, in whole seconds.
    pub age: Duration,
    /// The present moment.
    pub now: UnixMillis,
}

impl Retention {
    /// Records that were made before this moment may be gone.
    fn before(self) -> UnixMillis {
        earlier(self.now, self.age)
    }
}

fn earlier(moment: UnixMillis, by: Duration) -> UnixMillis {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(moment.0.saturating_sub(by))
}

/// What is known of the records up to the anchor.
pub(super) struct Swept {
    anchor: u64,
    /// `None` where it is not known, nor whether all of the trail is there.
    retention: Option<Retention>,
    /// The sweep that moved the anchor to where it is.
    by: Option<Sweep>,
    /// The last sweep that the trail tells of.
    last: Option<Sweep>,
    /// When the first of the checkpoints was made that cover everything up to the anchor.
    covered: Option<UnixMillis>,
}

impl Swept {
    pub(super) fn new(anchor: u64, retention: Option<Retention>) -> Self {
        Self {
            anchor,
            retention,
            by: None,
            last: None,
            covered: None,
        }
    }

    pub(super) fn by(&self) -> Option<Sweep> {
        self.by
    }

    /// A checkpoint that was given says that there was something before the anchor. It was made within seconds of the
    /// record that it covers.
    pub(super) fn gone(&self, statement: &Statement) -> Result<(), Fault> {
        match self.retention {
            Some(retention) if statement.seq < self.anchor && statement.at >= retention.before() => {
                Err(self.fault(Wrong::SweptEarly))
            }
            _ => Ok(()),
        }
    }

    /// A checkpoint agrees with the record that it is about, at the anchor or behind it.
    pub(super) fn covered(&mut self, statement: &Statement) {
        let first = self.covered.map_or(statement.at, |first| first.min(statement.at));
        self.covered = Some(first);
    }

    /// A record of the trail. Each sweep goes on where the one before it had come.
    pub(super) fn record(&mut self, body: &str) -> Result<(), Fault> {
        let Some(sweep) = Sweep::read(body) else {
            return Ok(());
        };
        if self.last.is_some_and(|last| sweep.from != last.to + 1) {
            return Err(Fault {
                seq: sweep.from.saturating_sub(1),
                wrong: Wrong::SweptUnrecorded,
            });
        }
        if sweep.to == self.anchor {
            self.by = Some(sweep);
        }
        self.last = Some(sweep);
        Ok(())
    }

    /// At the end of the trail.
    pub(super) fn judge(&self) -> Result<(), Fault> {
        if self.anchor == 0 {
            return Ok(());
        }
        let Some(covered) = self.covered else {
            return Err(self.fault(Wrong::AnchorUncovered));
        };
        let Some(Retention { now, .. }) = self.retention else {
            return Ok(());
        };
        let by = self.by.ok_or_else(|| self.fault(Wrong::SweptUnrecorded))?;
        // By what was in force then; what it is now may be longer.
        let before = earlier(by.at.min(now), by.retention.max(SHORTEST));
        if covered >= before {
            return Err(self.fault(Wrong::SweptEarly));
        }
        Ok(())
    }

    fn fault(&self, wrong: Wrong) -> Fault {
        Fault {
            seq: self.anchor,
            wrong,
        }
    }
}
