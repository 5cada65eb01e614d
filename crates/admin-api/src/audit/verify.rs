use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use symbolon_core::time::rfc3339;
use utoipa::ToSchema;

use super::checkpoints::sealed;
use crate::api::Api;
use crate::extract::Body;
use crate::idempotency::changes_nothing;
use crate::problem::{Problem, ProblemKind};
use crate::trail::{Report, Retention, VerifyError, verify};

/// Most checkpoints that are given at once.
const MAX_GIVEN: usize = 1000;

/// What to compare the trail with.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationRequest {
    /// Checkpoints that were kept elsewhere, as compact JWS; at most 1,000.
    #[serde(default)]
    pub checkpoints: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditVerification)]
pub struct Verification {
    /// Whether everything is as it was written.
    pub intact: bool,
    /// Records up to here were swept before.
    pub anchor: u64,
    /// For how long records stayed when these were swept, in seconds, as the trail tells; null where it tells nothing.
    #[serde(default)]
    pub swept_retention_s: Option<u64>,
    /// The last position up to which everything is as it was written.
    pub good: u64,
    /// Its hash.
    pub hash: String,
    /// How many records these are.
    pub records: u64,
    /// How many checkpoints agree with them.
    pub checkpoints: u64,
    /// Up to here a checkpoint signs the trail; null where none does.
    pub signed: Option<u64>,
    /// When the last of the checkpoints was made.
    pub signed_at: Option<String>,
    /// The first thing that is wrong; null where nothing is.
    pub fault: Option<VerificationFault>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditFault)]
pub struct VerificationFault {
    /// At which position.
    pub seq: u64,
    /// What is wrong: a fixed name.
    pub wrong: String,
    /// The same in words.
    pub detail: String,
}

impl From<&Report> for Verification {
    fn from(report: &Report) -> Self {
        let fault = report.fault.as_ref();
        Self {
            intact: fault.is_none(),
            anchor: report.anchor,
            swept_retention_s: report.sweep.map(|sweep| sweep.retention.as_secs()),
            good: report.good.seq,
            hash: report.good.hash.to_string(),
            records: report.records,
            checkpoints: report.checkpoints,
            signed: report.signed.as_ref().map(|statement| statement.seq),
            signed_at: report.signed.as_ref().map(|statement| rfc3339(statement.at)),
            fault: fault.map(|fault| VerificationFault {
                seq: fault.seq,
                wrong: fault.wrong.as_str().to_owned(),
                detail: fault.to_string(),
            }),
        }
    }
}

/// Verify the audit trail as it is kept, against the checkpoints that are kept beside it and those given.
///
/// Reads the whole trail. Whoever can write to the database and has the server's secrets can make a trail that verifies:
/// give checkpoints that were kept elsewhere.
#[utoipa::path(
    post,
    path = "/audit/verify",
    tag = "audit",
    request_body = VerificationRequest,
    responses((status = 200, description = "What came of it", body = Verification)),
)]
pub(crate) async fn verify_audit(
    State(api): State<Arc<Api>>,
    Body(request): Body<VerificationRequest>,
) -> Result<Json<Verification>, Problem> {
    changes_nothing();
    if request.checkpoints.len() > MAX_GIVEN {
        return Err(Problem::invalid(
            "checkpoints",
            format_args!("at most {MAX_GIVEN}"),
        ));
    }
    let _turn = api.verifying.try_acquire().map_err(|_| {
        Problem::new(
            ProblemKind::Unavailable,
            "the trail is being verified on this node: try again when that is done",
        )
    })?;
    let keys = api.parts.checkpoint_keys.as_ref().ok_or_else(sealed)?;
    let keys = keys.public();
    let retention = Retention {
        age: api.parts.audit_retention,
        now: api.parts.clock.now(),
    };
    match verify(&*api.parts.audit, &keys, &request.checkpoints, retention).await {
        Ok(report) => Ok(Json(Verification::from(&report))),
        Err(VerifyError::Store(error)) => Err(error.into()),
        Err(error @ VerifyError::Given { .. }) => Err(Problem::invalid("checkpoints", error)),
        Err(error @ VerifyError::Line(_)) => Err(Problem::new(ProblemKind::Internal, error)),
    }
}
