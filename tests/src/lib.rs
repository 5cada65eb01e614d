//! What the end-to-end tests stand on: a node on a real database behind its real router, called without a socket,
//! with a clock that tests move ([`Harness`]); and the built binary, called over sockets ([`binary`]).

pub mod binary;
mod fixtures;
mod harness;
mod reply;

pub use fixtures::{AUDIENCE, ClientSpec, PASSWORD, SCOPE, TestClient, TestUser};
pub use harness::{Harness, HarnessOptions, post_request};
pub use reply::Reply;
