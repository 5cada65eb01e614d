#![doc = include_str!("../README.md")]

mod access;
mod api;
mod change;
mod extract;
mod idempotency;
mod operation;
mod page;
mod problem;
mod roles;

pub use access::{Denied, Gate, Presented, Principal};
pub use api::{Access, Api, ApiParts, Passwords, Settle};
pub use operation::{Listed, PREFIX, catalogue, document, router};
pub use page::{MAX_LIMIT, Page};
pub use problem::{FieldError, Problem, ProblemKind};
