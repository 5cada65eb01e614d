//! What the end-to-end tests stand on: a node on a real database behind its real router, called without a socket,
//! with a clock that tests move ([`Harness`]); and the built binary, called over sockets ([`binary`]).

pub mod binary;
mod counters;
mod fixtures;
mod footprint;
mod harness;
mod redis_room;
mod reply;
mod request;
mod settings;
mod tap;
mod tap_keys;
mod via;

pub use fixtures::{AUDIENCE, ClientSpec, PASSWORD, SCOPE, TestClient, TestUser};
pub use footprint::{Footprint, Record};
pub use harness::{Deployment, Harness, HarnessOptions, post_request};
pub use reply::Reply;
pub use request::{basic, call, form_request};
pub use settings::settings;
pub use tap::{Call, Hold, Point, Tap};
pub use via::Via;
