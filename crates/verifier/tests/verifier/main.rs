//! The verifier from outside: hostile tokens, keys over time, real HTTP, and the answers of layer and extractor.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "in tests a broken assumption must fail loudly"
)]

mod feed;
mod fuzz;
mod hostile;
mod http;
mod keys;
mod requests;
mod support;
