//! The admin API of this process: what its operations are composed of, on a node and beside the servers.

mod gate;
pub mod keys;
mod offline;
mod passwords;
mod settle;

pub use gate::{OperatorGate, TokenGate};
pub use offline::{Offline, Opened};
pub use passwords::{DirectPasswords, LanePasswords};
pub use settle::{NodeSettle, SettleBy};
