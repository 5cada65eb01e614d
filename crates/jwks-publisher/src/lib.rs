//! The signing keys of a node, and the two documents that verifiers and clients read: the JWKS and the authorization
//!
//! - [`Keyring`]: opens the keys of the store, imports and makes those that are missing, signs and verifies.

mod document;
mod endpoints;
mod error;
mod import;
mod keyring;
mod listing;
mod provision;
mod snapshot;

#[cfg(test)]
mod tests;

pub use endpoints::{Endpoints, INTROSPECTION_PATH, IssuerPathError, REVOCATION_PATH, TOKEN_PATH};
pub use error::{ImportProblem, KeyringError};
pub use keyring::{Keyring, KeyringConfig};
pub use listing::{KeyInfo, list_keys};
