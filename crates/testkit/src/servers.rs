//! Servers of the tests' own.

pub mod postgres;
mod process;
pub mod redis;
