#![doc = include_str!("../README.md")]

mod bucket;
mod connection;
mod error;
mod record;
mod records;
mod scripts;

#[cfg(test)]
mod tests;

pub use connection::{RedisConfig, Topology};
pub use error::ConnectError;
pub use records::RedisRecords;
