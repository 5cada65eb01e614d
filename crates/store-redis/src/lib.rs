#![doc = include_str!("../README.md")]

mod bucket;
mod config;
mod connection;
mod error;
mod link;
mod promises;
mod record;
mod records;
mod scripts;
mod throttle;

#[cfg(test)]
mod tests;

pub use config::{RedisConfig, Topology};
pub use error::ConnectError;
pub use records::RedisRecords;
pub use throttle::RedisThrottle;
