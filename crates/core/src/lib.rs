#![doc = include_str!("../README.md")]

pub mod audit;
pub mod authorize;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod cluster_clock;
pub mod cursor;
pub mod evidence;
pub mod facts;
pub mod ids;
pub mod import;
pub mod keys;
pub mod lookup;
pub mod password;
pub mod ports;
pub mod profile;
pub mod refresh;
pub mod register;
pub mod request;
pub mod revocation;
pub mod rights;
pub mod rng;
pub mod rotation;
pub mod secret;
pub mod text;
pub mod throttle;
pub mod time;
pub mod tokens;
pub mod user;
pub mod view;

pub use clock::{Clock, SystemClock};
pub use ids::{ClientId, ClientUid, SessionId, Subject, TokenId};
pub use request::RequestInfo;
pub use rng::{Rng, SystemRng};
pub use symbolon_oauth_types::UnixMillis;
