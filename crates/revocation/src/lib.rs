//! The revocation log as one node applies it: read at start, followed by polling, caught up with on demand.

mod live_log;
mod outbox;

pub use live_log::LiveLog;
pub use outbox::drain_killed;
