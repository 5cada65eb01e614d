//! The symbolon binary: configuration, composition, command line.

pub mod config;
