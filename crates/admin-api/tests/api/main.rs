//! The admin API over the real router and a real database.

mod bench;
mod idempotency;
mod matrix;
mod openapi;
mod roles;
mod users;
