#![doc = include_str!("../README.md")]

mod cluster;
mod feed;
mod live_log;
mod outbox;
mod reading;
#[cfg(test)]
mod tests;

pub use cluster::{ClusterSessions, FencedLog};
pub use feed::{Feed, FeedConfig, FeedKeyError, FeedKeys, FeedStatus, router};
pub use live_log::LiveLog;
pub use outbox::drain_killed;
