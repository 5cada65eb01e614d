#![doc = include_str!("../README.md")]

mod live_log;
mod outbox;

pub use live_log::LiveLog;
pub use outbox::drain_killed;
