#![doc = include_str!("../README.md")]

mod accept;
mod client_auth;
mod decision;
mod error;
mod evidence;
mod grant;
mod http;
mod introspect;
mod issue;
mod lane;
mod metrics;
mod revoke;
mod service;
#[cfg(test)]
mod tests;
mod throttle;
mod told;

pub use accept::Accepted;
pub use error::{Reason, TokenError};
pub use evidence::Evidence;
pub use http::router;
pub use lane::{HashLane, LaneConfig, LaneError, Turn};
pub use metrics::Metrics;
pub use service::{Lifetimes, Service, ServiceParts};
pub use throttle::MemoryThrottle;
