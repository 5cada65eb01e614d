#![doc = include_str!("../README.md")]

#[cfg(any(feature = "axum", feature = "tower"))]
mod access_token;
mod algorithm;
mod builder;
mod cache;
mod challenge;
mod claims;
mod discovery;
mod environment;
#[cfg(feature = "axum")]
mod extract;
mod fetch;
#[cfg(feature = "http")]
mod http_fetch;
mod json;
mod key;
mod key_set;
#[cfg(feature = "tower")]
mod layer;
mod metrics;
mod refused;
mod remote;
mod revocation;
mod rules;
mod token;
mod verifier;

#[cfg(any(feature = "axum", feature = "tower"))]
pub use access_token::{AccessToken, Rejection};
pub use algorithm::Algorithm;
pub use builder::{BuildError, Builder};
pub use claims::Claims;
pub use environment::{Clock, Jitter, SystemClock, SystemJitter};
pub use fetch::{Fetch, FetchError, Fetched, Fetching};
#[cfg(feature = "http")]
pub use http_fetch::HttpFetch;
pub use key_set::{KeySet, KeySetError};
#[cfg(feature = "tower")]
pub use layer::{BearerLayer, BearerService};
pub use metrics::{Metrics, NoMetrics};
pub use refused::Refused;
pub use revocation::{NoFeed, RevocationCheck, Verdict};
pub use symbolon_oauth_types::revocation::{Revocable, RevocationKind};
pub use symbolon_oauth_types::{ScopeSet, UnixMillis};
pub use uuid::Uuid;
pub use verifier::Verifier;
