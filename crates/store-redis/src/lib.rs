#![doc = include_str!("../README.md")]

mod bucket;
mod config;
mod connection;
mod error;
mod inspect;
mod link;
mod promises;
mod record;
mod records;
mod redis_url;
mod scripts;
mod throttle;

#[cfg(test)]
mod tests;

pub use config::{RedisConfig, Topology};
pub use error::ConnectError;
pub use inspect::{InspectedServer, Refusal, ServerFacts};
pub use records::RedisRecords;
pub use redis_url::{RedisUrl, UrlError};
pub use throttle::RedisThrottle;
