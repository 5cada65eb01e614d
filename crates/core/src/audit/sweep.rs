//! What a sweep of the trail leaves on it.

use std::time::Duration;

use serde::Deserialize;

use super::{Act, AuditEvent, EventKind};
use crate::UnixMillis;

/// A sweep: records that had come to their age were deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sweep {
    /// The first position that went: right behind where the sweep before had come.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// When.
    pub at: UnixMillis,
    /// How long records stayed by then, in whole seconds.
    pub retention: Duration,
}

#[derive(Deserialize)]
struct Body {
    event: String,
    at_ms: u64,
    details: Details,
}

#[derive(Deserialize)]
struct Details {
    from: u64,
    to: u64,
    retention_s: u64,
}

impl Sweep {
    /// As the trail tells of it.
    pub fn event(&self) -> AuditEvent {
        let act = Act::server("records had come to their age");
        let mut event = AuditEvent::new(EventKind::AuditSwept, self.at, act)
            .with("from", self.from)
            .with("to", self.to)
            .with("retention_s", self.retention.as_secs());
        event.count = (self.to + 1).saturating_sub(self.from);
        event
    }

    /// Reads the body of such a record; `None` where it is another one.
    pub fn read(body: &str) -> Option<Self> {
        let name = EventKind::AuditSwept.as_str();
        // Few are.
        if !body.contains(name) {
            return None;
        }
        let body: Body = serde_json::from_str(body).ok()?;
        (body.event == name).then_some(Self {
            from: body.details.from,
            to: body.details.to,
            at: UnixMillis(body.at_ms),
            retention: Duration::from_secs(body.details.retention_s),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_reads_back_and_nothing_else_is_one() {
        let sweep = Sweep {
            from: 8,
            to: 12,
            at: UnixMillis(7_000),
            retention: Duration::from_secs(86_400),
        };
        let event = sweep.event();
        assert_eq!((event.count, event.kind), (5, EventKind::AuditSwept));
        assert_eq!(Sweep::read(&event.body()), Some(sweep));
        let act = Act::server("audit.swept");
        let other = AuditEvent::new(EventKind::AuditLost, UnixMillis(1), act)
            .with("from", 1)
            .with("to", 2)
            .with("retention_s", 3);
        for body in [other.body(), "audit.swept".to_owned(), String::new()] {
            assert_eq!(Sweep::read(&body), None, "{body}");
        }
    }
}
