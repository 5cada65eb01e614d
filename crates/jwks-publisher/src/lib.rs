//! The signing keys of a node, their rotation, and the two documents that verifiers and clients read: the JWKS and the
//! authorization server metadata.
//!
//! - [`Keyring`]: opens the keys of the store, imports and makes those that are missing, signs and verifies.
//! - [`RotationSchedule`]: rotates keys when it is due; one node at a time acts.
//! - [`KeyOperations`]: what operators do with keys, planned before it is done.
//! - [`rewrap_signing_keys`]: puts the keys under another key-encryption key.
//! - [`Published`]: the metadata document and the origins that may read it from a browser.
//! - [`router`]: serves both documents. Every answer is made when its facts change, never per request.

mod board;
mod endpoints;
mod error;
mod import;
mod key_set;
mod keyring;
mod listing;
mod maker;
mod metadata;
mod operations;
mod plan;
mod provision;
mod publish;
mod rewrap;
mod schedule;
mod snapshot;
mod status;
mod watch;

#[cfg(test)]
mod tests;

pub use board::RotationConfig;
pub use endpoints::{Endpoints, FEED_PATH, INTROSPECTION_PATH, IssuerPathError, REVOCATION_PATH, TOKEN_PATH};
pub use error::{ImportProblem, KeyOperationError, KeyringError, Refusal};
pub use import::{MAX_KEY_BYTES, default_rsa_alg, read_key};
pub use keyring::{Keyring, KeyringConfig};
pub use listing::{KeyInfo, NextStep};
pub use maker::{SharedEncryptionKeys, share_encryption_keys};
pub use metadata::Published;
pub use operations::{Compromised, KeyOperation, KeyOperations};
pub use plan::{Plan, PlannedStep, spell};
pub use publish::{PublisherState, router};
pub use rewrap::{Rewrapped, check_encryption_keys, rewrap_signing_keys};
pub use schedule::{RotationSchedule, ScheduleParts};
pub use status::{AlgorithmStatus, RotationOutcome, ScheduleStatus};
