use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use symbolon_core::revocation::Reach;
use symbolon_core::time::rfc3339;
use utoipa::ToSchema;
use uuid::Uuid;

use super::plan::Target;
use super::view::{RevocationsMade, RevokedTarget, reached};
use crate::api::Api;
use crate::extract::{Body, Caller};
use crate::idempotency::changes_nothing;
use crate::problem::Problem;

/// What is to be revoked, and why.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationRequest {
    /// What.
    pub filter: Filter,
    /// Only what began at or before this moment, in milliseconds since the epoch, which must have passed; for the filters
    /// `all`, `clients` and `subjects`. Without it, until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before_ms: Option<u64>,
    /// Why, for the record.
    #[schema(min_length = 1, max_length = 200)]
    pub reason: String,
    /// Only say what it would come to.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which tokens and sessions are meant.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Filter {
    /// Everything that was issued: `{"all": {}}`.
    All(Everything),
    /// All of these clients, by client id; at most 100.
    Clients(Vec<String>),
    /// All that a key signed, for good, where the key is no longer on record; one that is, is withdrawn with
    /// `/keys/{kid}/compromise`. Needs the scope `keys:rotate` too.
    Key(String),
    /// One session: its refresh token and its access tokens.
    Session(Uuid),
    /// All of these subjects: users, or clients acting for themselves; at most 100.
    Subjects(Vec<Uuid>),
    /// One access token; its session goes on.
    Token(TokenFilter),
}

/// Everything: an object without members.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Everything {}

/// One access token.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum TokenFilter {
    /// By its `jti` alone, of which nothing else is known: it is refused for as long as the longest token lives, and no more
    /// than 64 such entries may be in force.
    Jti(Uuid),
    /// By itself. Past 64 revoked tokens of a session the session ends as a whole.
    Value(String),
}

impl RevocationRequest {
    /// All that the filter means, until now.
    pub fn of(filter: Filter, reason: String) -> Self {
        Self {
            filter,
            issued_before_ms: None,
            reason,
            dry_run: false,
        }
    }
}

/// Revoke by filter, or say what it would come to.
///
/// When the answer is 200, no node refreshes or answers for what was revoked. Verifiers learn of it by the feed: see
/// `/revocations/{seq}` for which have.
#[utoipa::path(
    post,
    path = "/revocations",
    tag = "revocations",
    request_body = RevocationRequest,
    responses(
        (status = 200, description = "It is revoked everywhere, or nothing was changed", body = RevocationsMade),
        (status = 202, description = "It is on record; a node that can't read the log may not know of it yet", body = RevocationsMade),
        (status = 404, description = "There is no such client, session or subject", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create_revocation(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(request): Body<RevocationRequest>,
) -> Result<Response, Problem> {
    api.revoke(caller, request).await
}

impl Api {
    /// Revokes what a request names. What it names is looked up first, so that a name that nobody has changes nothing.
    pub(crate) async fn revoke(
        &self,
        caller: Caller,
        request: RevocationRequest,
    ) -> Result<Response, Problem> {
        let caller = caller.because(&request.reason)?;
        let targets = self.targets(&caller, &request).await?;
        let mut made = RevocationsMade {
            dry_run: request.dry_run,
            sessions: targets.iter().map(|target| target.sessions.count).sum(),
            more_sessions: targets.iter().any(|target| target.sessions.more),
            reach: None,
            log: self.parts.log.head().await?.log,
            targets: targets.iter().map(Target::planned).collect(),
        };
        if request.dry_run {
            changes_nothing();
            return Ok(Json(made).into_response());
        }
        let act = caller.act();
        let mut reach = Reach::Everywhere;
        for (target, view) in targets.into_iter().zip(&mut made.targets) {
            let digest = target.entry.entry.digest;
            let mut entry = target.entry.by(&act);
            if !target.sessions.more {
                entry = entry.ending(target.sessions.count);
            }
            // Each is a commit point of its own: what is revoked stays so, whatever comes of the next.
            if self.parts.revocations.revoke(entry).await? == Reach::Logged {
                reach = Reach::Logged;
            }
            self.name_entry(view, digest).await?;
        }
        let (status, reach) = reached(reach);
        made.reach = Some(reach.to_owned());
        Ok((status, Json(made)).into_response())
    }

    /// Says which entry of the log it is.
    async fn name_entry(
        &self,
        view: &mut RevokedTarget,
        digest: symbolon_oauth_types::revocation::Digest,
    ) -> Result<(), Problem> {
        if let Some(entry) = self.parts.records.last_revocation_of(digest).await? {
            view.seq = Some(entry.logged.seq);
            view.at = Some(rfc3339(entry.logged.at));
            view.at_ms = Some(entry.logged.at.0);
        }
        Ok(())
    }
}
