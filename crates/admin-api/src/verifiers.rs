//! `/verifiers`: who follows the revocation log, and how far they are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use symbolon_core::evidence::ListedVerifier;
use symbolon_core::revocation::Head;
use symbolon_core::time::rfc3339;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::Api;
use crate::keys::KeyView;
use crate::operation::{Operation, needs};
use crate::problem::Problem;

pub(crate) fn operations() -> Vec<Operation> {
    vec![needs("verifiers:read", routes!(list_verifiers))]
}

/// The verifiers, and the head of the log that they are compared with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct VerifierList {
    /// Identity of the log.
    pub log: Uuid,
    /// Its last entry.
    pub seq: u64,
    /// Those that have reported within a day, the last seen first; at most 1,000.
    pub items: Vec<VerifierView>,
}

/// What is known of a verifier: what it says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Verifier)]
pub struct VerifierView {
    /// The client that it reports as.
    pub client_id: String,
    /// What it is called.
    pub name: String,
    /// Whether it has reported within the last 30 seconds.
    pub live: bool,
    /// Since when it is known.
    pub first_seen: String,
    /// The same in milliseconds since the epoch.
    pub first_seen_ms: u64,
    /// When it was last heard of.
    pub last_seen: String,
    /// The same in milliseconds since the epoch.
    pub last_seen_ms: u64,
    /// Identity of the log that it follows.
    pub log: Uuid,
    /// The last entry that it has applied.
    pub seq: u64,
    /// How many entries it has not applied; null where it follows another log.
    pub behind: Option<u64>,
    /// As of when what it goes by was, when it was last heard of.
    pub as_of: String,
    /// The same in milliseconds since the epoch.
    pub as_of_ms: u64,
    /// How old that was, in milliseconds.
    pub age_ms: u64,
    /// Published keys of the issuer that it has not read yet.
    pub unknown_keys: Vec<String>,
}

impl VerifierView {
    fn of(one: &ListedVerifier, head: Head, published: &[KeyView], now: symbolon_core::UnixMillis) -> Self {
        let verifier = &one.verifier;
        let knows = |key: &KeyView| verifier.kids.iter().any(|kid| kid.as_str() == key.kid);
        let unknown = published.iter().filter(|key| !knows(key));
        Self {
            client_id: one.client_id.to_string(),
            name: verifier.name.to_string(),
            live: verifier.is_live(now),
            first_seen: rfc3339(verifier.first_seen),
            first_seen_ms: verifier.first_seen.0,
            last_seen: rfc3339(verifier.last_seen),
            last_seen_ms: verifier.last_seen.0,
            log: verifier.log,
            seq: verifier.seq,
            behind: (verifier.log == head.log).then(|| head.seq.saturating_sub(verifier.seq)),
            as_of: rfc3339(verifier.as_of),
            as_of_ms: verifier.as_of.0,
            age_ms: verifier.last_seen.since(verifier.as_of),
            unknown_keys: unknown.map(|key| key.kid.clone()).collect(),
        }
    }
}

/// List the verifiers that have reported within a day, the last seen first.
#[utoipa::path(
    get,
    path = "/verifiers",
    tag = "verifiers",
    responses((status = 200, description = "The verifiers", body = VerifierList)),
)]
pub(crate) async fn list_verifiers(State(api): State<Arc<Api>>) -> Result<Json<VerifierList>, Problem> {
    let parts = &api.parts;
    // Asked first: whoever reports meanwhile is not behind by what came afterwards.
    let verifiers = parts.reports.verifiers().await?;
    let head = parts.log.head().await?;
    let published = parts.keys.keys(false).await?;
    let now = parts.clock.now();
    let view = |one: &ListedVerifier| VerifierView::of(one, head, &published, now);
    Ok(Json(VerifierList {
        log: head.log,
        seq: head.seq,
        items: verifiers.iter().map(view).collect(),
    }))
}
