//! The symbolon binary: configuration, composition, command line.

pub mod config;

pub mod http;
