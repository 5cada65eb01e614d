//! Servers of the tests' own.

pub mod redis;
