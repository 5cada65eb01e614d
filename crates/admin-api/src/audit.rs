//! `/audit`: who did what, when, from where and why.

mod checkpoints;
mod export;
mod filter;
mod list;
mod show;
mod stream;
mod verify;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_core::audit::AuditRecord;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::operation::{Operation, needs};

pub use checkpoints::{CheckpointView, Jwks};
pub use verify::{Verification, VerificationFault, VerificationRequest};

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("audit:read", routes!(list::list_audit)),
        needs("audit:read", routes!(export::export_audit)),
        needs("audit:read", routes!(stream::stream_audit)),
        needs("audit:read", routes!(checkpoints::list_checkpoints)),
        needs("audit:read", routes!(checkpoints::show_checkpoint_keys)),
        needs("audit:read", routes!(verify::verify_audit)),
        needs("audit:read", routes!(show::show_audit)),
    ]
}

/// A record of the audit trail.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
pub struct RecordView {
    /// Its position: gapless, from 1 on.
    pub seq: u64,
    /// SHA-256 over this record and all before it, in hexadecimal digits.
    pub hash: String,
    /// What happened; docs/audit.md describes its members.
    pub event: Value,
}

impl From<&AuditRecord> for RecordView {
    fn from(record: &AuditRecord) -> Self {
        Self {
            seq: record.seq,
            hash: record.hash.to_string(),
            // What is no JSON was not written by a server; `/audit/verify` says so.
            event: serde_json::from_str(&record.body).unwrap_or_else(|_| Value::from(record.body.clone())),
        }
    }
}
