//! The admin API of this process: what its operations are composed of, on a node and beside the servers.

mod gate;
mod info;
pub mod keys;
mod offline;
mod passwords;
mod settle;

pub use gate::{OperatorGate, TokenGate};
pub use info::{CommandInfo, NodeInfo};
pub use offline::{Offline, Opened};
pub use passwords::{DirectPasswords, LanePasswords};
pub use settle::{NodeSettle, SettleBy};
