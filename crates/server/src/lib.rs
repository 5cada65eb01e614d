//! The `symbolon` binary: configuration, composition, command line.

pub mod admin;
pub mod app;
pub mod bootstrap;
pub mod cli;
mod cluster_metrics;
pub mod config;
pub mod dev;
mod feed_metrics;
pub mod health;
pub mod http;
mod key_metrics;
pub mod log_buffer;
pub mod management;
pub mod node;
pub mod observe;
pub mod secrets;
