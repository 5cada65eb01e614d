//! The signing keys of a node, and the two documents that verifiers and clients read: the JWKS and the authorization
//! server metadata.
//!
//! - [`Keyring`]: opens the keys of the store, imports and makes those that are missing, signs and verifies.
//! - [`Published`]: the metadata document and the origins that may read it from a browser.
//! - [`router`]: serves both. Every answer is made when its facts change, never per request.

mod document;
mod endpoints;
mod error;
mod import;
mod keyring;
mod listing;
mod metadata;
mod provision;
mod publish;
mod snapshot;

#[cfg(test)]
mod tests;

pub use endpoints::{Endpoints, INTROSPECTION_PATH, IssuerPathError, REVOCATION_PATH, TOKEN_PATH};
pub use error::{ImportProblem, KeyringError};
pub use keyring::{Keyring, KeyringConfig};
pub use listing::{KeyInfo, list_keys};
pub use metadata::Published;
pub use publish::{PublisherState, router};
