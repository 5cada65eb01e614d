#![doc = include_str!("../README.md")]

mod access;
mod api;
mod change;
mod extract;
mod idempotency;
mod keys;
mod operation;
mod page;
mod problem;
mod revocations;
mod roles;
mod sessions;
mod users;
mod verifiers;

pub use access::{Denied, Gate, Presented, Principal};
pub use api::{Access, Api, ApiParts, Passwords, Settle};
pub use keys::{
    KeyNextStep, KeyOrder, KeyPlan, KeyPlanStep, KeyRevocation, KeyText, KeyView, Keys, KeysCompromised,
    KeysRewrapped, NeededKey, PemKey, PemKeys, PublicKeys, RewrapCount,
};
pub use operation::{Listed, PREFIX, catalogue, document, router};
pub use page::{MAX_LIMIT, Page};
pub use revocations::{
    AppliedBy, Everything, Filter, RevocationRequest, RevocationView, RevocationsMade, RevokedTarget,
    ShownRevocation, TokenFilter,
};
pub use sessions::{SessionRevocation, SessionView};
pub use users::{
    Concealed, ImportOutcome, ImportReport, ImportedUser, PasswordSet, UserCreate, UserDetail, UserImport,
    UserText, UserUpdate,
};
pub use verifiers::{VerifierList, VerifierView};
pub use problem::{FieldError, Problem, ProblemKind};
