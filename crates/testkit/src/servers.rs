//! Servers of the tests' own.

pub mod postgres;
pub mod redis;
