//! The admin API over the real router and a real database.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "in tests a broken assumption must fail loudly"
)]

mod admission;
mod audit;
mod bench;
mod bodies;
mod clients;
mod conditions;
mod dry_run;
mod idempotency;
mod keys;
mod matrix;
mod openapi;
mod resource_servers;
mod revocations;
mod roles;
mod scopes;
mod sessions;
mod users;
