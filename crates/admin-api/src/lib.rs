#![doc = include_str!("../README.md")]

mod access;
mod api;
mod audit;
mod bodies;
mod change;
mod clients;
mod dry_run;
mod extract;
mod idempotency;
mod json;
mod keys;
mod operation;
mod page;
mod parameters;
mod problem;
mod resource_servers;
mod revocations;
mod roles;
mod scopes;
mod server_info;
mod sessions;
mod share;
pub mod trail;
mod users;
mod verifiers;

pub use access::{Denied, Gate, Presented, Principal};
pub use api::{Access, Api, ApiParts, Passwords, Settle};
pub use audit::{CheckpointView, Jwks, RecordView, Verification, VerificationFault, VerificationRequest};
pub use clients::{
    ClientForm, ClientOutcome, ClientWithSecret, ClientsImport, ClientsImported, ImportedClient, NewSecret,
    SecretEnd, ServedForm, ShownSecret,
};
pub use keys::{
    KeyNextStep, KeyOrder, KeyPlan, KeyPlanStep, KeyRevocation, KeyText, KeyView, Keys, KeysCompromised,
    KeysRewrapped, NeededKey, PemKey, PemKeys, PublicKeys, RewrapCount,
};
pub use operation::{Listed, PREFIX, catalogue, document, router};
pub use page::{MAX_LIMIT, Page};
pub use problem::{FieldError, Problem, ProblemKind};
pub use resource_servers::{ResourceServerPut, ResourceServerView};
pub use revocations::{
    AppliedBy, Everything, Filter, RevocationRequest, RevocationView, RevocationsMade, RevokedTarget,
    ShownRevocation, TokenFilter,
};
pub use scopes::{MAX_SCOPES, ScopePut};
pub use server_info::{DependencyView, HealthView, ServerInfo, ServerView, SettingView};
pub use sessions::{SessionRevocation, SessionView};
pub use users::{
    Concealed, ImportOutcome, ImportReport, ImportedUser, PasswordSet, UserCreate, UserDetail, UserImport,
    UserText, UserUpdate,
};
pub use verifiers::{VerifierList, VerifierView};
