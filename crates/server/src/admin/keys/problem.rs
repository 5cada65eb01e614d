//! Why an operation on keys is not carried out, as a problem.

use symbolon_admin_api::{KeyOrder, Problem, ProblemKind};
use symbolon_jwks_publisher::{KeyOperationError, KeyringError, Refusal};

/// Why an order, where there is one, is not carried out. Each error names its own remedy; none holds a secret.
pub(super) fn refused(error: KeyOperationError, order: Option<&KeyOrder>) -> Problem {
    match error {
        KeyOperationError::Keyring(error) => failed(error),
        KeyOperationError::Refused(refusal) => of_refusal(&refusal, order),
        KeyOperationError::Store(error) => error.into(),
    }
}

/// Why a public key can't be exported: a key that has left the key set is not there.
pub(super) fn unpublished(error: KeyOperationError) -> Problem {
    match error {
        KeyOperationError::Refused(refusal @ Refusal::Erased(..)) => {
            Problem::new(ProblemKind::NotFound, refusal)
        }
        other => refused(other, None),
    }
}

fn of_refusal(refusal: &Refusal, order: Option<&KeyOrder>) -> Problem {
    match (refusal, order) {
        (Refusal::Algorithm(_), Some(KeyOrder::Generate { .. } | KeyOrder::Rotate { .. })) => {
            Problem::invalid("alg", refusal)
        }
        (Refusal::Algorithm(_), Some(KeyOrder::Import { .. })) => Problem::invalid("key", refusal),
        (Refusal::Certificates(..), _) => Problem::invalid("certificates", refusal),
        (Refusal::Duplicate(..), _) => Problem::new(ProblemKind::Taken, refusal).at("key", refusal),
        (Refusal::Unknown(_), _) => Problem::new(ProblemKind::NotFound, refusal),
        _ => Problem::new(ProblemKind::Conflict, refusal),
    }
}

/// Why keys can't be opened or made.
pub(super) fn failed(error: KeyringError) -> Problem {
    match error {
        KeyringError::Contended => Problem::new(
            ProblemKind::Conflict,
            "others kept changing signing keys at the same moment: try again",
        ),
        KeyringError::NodeLacks { .. } => Problem::new(ProblemKind::Conflict, error),
        KeyringError::Store(error) => error.into(),
        other => {
            tracing::error!(error = %other, "an admin request met signing keys that can't be opened or made");
            Problem::new(ProblemKind::Internal, other)
        }
    }
}
