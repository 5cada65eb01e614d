#![doc = include_str!("../README.md")]

#[cfg(any(feature = "axum", feature = "tower"))]
mod access_token;
mod algorithm;
mod assembly;
mod build_error;
mod builder;
mod cache;
mod challenge;
mod claims;
mod discovery;
mod environment;
#[cfg(feature = "axum")]
mod extract;
pub mod feed;
mod fetch;
mod follow;
#[cfg(feature = "http")]
mod http_fetch;
mod json;
mod jws;
mod key;
mod key_set;
#[cfg(feature = "tower")]
mod layer;
mod metrics;
mod refused;
mod remote;
mod revocation;
mod rules;
mod staleness;
mod verifier;

#[cfg(any(feature = "axum", feature = "tower"))]
pub use access_token::{AccessToken, Rejection};
pub use algorithm::Algorithm;
pub use build_error::BuildError;
pub use builder::Builder;
pub use claims::Claims;
pub use environment::{Clock, Jitter, SystemClock, SystemJitter};
pub use fetch::{Fetch, FetchError, Fetched, Fetching, NextPiece, Opening, Pieces, Posting};
pub use follow::{FeedStatus, Following};
#[cfg(feature = "http")]
pub use http_fetch::HttpFetch;
pub use key_set::{KeySet, KeySetError};
#[cfg(feature = "tower")]
pub use layer::{BearerLayer, BearerService};
pub use metrics::{Metrics, NoMetrics};
pub use refused::Refused;
pub use revocation::{RevocationCheck, Verdict};
pub use staleness::WhenStale;
pub use symbolon_oauth_types::revocation::{Revocable, RevocationKind};
pub use symbolon_oauth_types::{ScopeSet, UnixMillis};
pub use uuid::Uuid;
pub use verifier::Verifier;
