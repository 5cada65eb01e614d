//! Revocations as people see them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_core::UnixMillis;
use symbolon_core::evidence::{ByWhen, ListedVerifier};
use symbolon_core::lookup::RecordedRevocation;
use symbolon_core::revocation::Reach;
use symbolon_core::time::rfc3339;
use symbolon_oauth_types::revocation::Effect;
use utoipa::ToSchema;
use uuid::Uuid;

/// What one filter came to, entry by entry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct RevocationsMade {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How many live sessions it ends, such as the list shows.
    pub sessions: u64,
    /// Whether it may end more, which were not counted: 10,000 of a request are looked at, in equal parts for each target.
    pub more_sessions: bool,
    /// `everywhere` when no node rotates or answers for what was revoked any more; `logged` where one that can't read the
    /// log may not know of it yet; null where nothing was changed.
    pub reach: Option<String>,
    /// Identity of the log.
    pub log: Uuid,
    /// What was revoked, each with its entry.
    pub targets: Vec<RevokedTarget>,
}

/// Something that was revoked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct RevokedTarget {
    /// `all`, `client`, `key`, `session`, `subject` or `token`.
    pub kind: String,
    /// `client_id`, `kid`, `sid`, `sub` or `jti`; null for everything.
    pub value: Option<String>,
    /// What people call it, where they do.
    pub name: Option<String>,
    /// How many live sessions that ends.
    pub sessions: u64,
    /// Whether there may be more, which were not counted.
    pub more_sessions: bool,
    /// Position of the entry on the log; null where nothing was changed.
    pub seq: Option<u64>,
    /// When the entry was made.
    pub at: Option<String>,
    /// The same in milliseconds since the epoch.
    pub at_ms: Option<u64>,
}

/// An entry of the revocation log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Revocation)]
pub struct RevocationView {
    /// Its position.
    pub seq: u64,
    /// When it was made.
    pub at: String,
    /// The same in milliseconds since the epoch.
    pub at_ms: u64,
    /// `all`, `client`, `key`, `session`, `subject` or `token`.
    pub kind: String,
    /// Digest of what it is about, as it stands on the feed.
    pub digest: String,
    /// `block`: all of it is revoked. `cutoff`: what began until a moment. `lift`: what began after a moment is good again.
    pub effect: String,
    /// The moment.
    pub until: Option<String>,
    /// The same in milliseconds since the epoch.
    pub until_ms: Option<u64>,
    /// When it is forgotten; null for never.
    pub expires: Option<String>,
    /// The same in milliseconds since the epoch.
    pub expires_ms: Option<u64>,
    /// Why it was made.
    pub reason: String,
    /// Who made it.
    pub actor: String,
}

/// An entry, and who has applied it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct ShownRevocation {
    /// The entry.
    #[serde(flatten)]
    pub revocation: RevocationView,
    /// Identity of the log.
    pub log: Uuid,
    /// What the verifiers that have reported within a day say of it.
    pub verifiers: Vec<AppliedBy>,
}

/// Whether a verifier has applied an entry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct AppliedBy {
    /// The client that it reports as.
    pub client_id: String,
    /// What it is called.
    pub name: String,
    /// Whether it has reported within the last 30 seconds.
    pub live: bool,
    /// `before` a moment, `by` a moment, or `not_yet`.
    pub applied: String,
    /// The moment.
    pub at: Option<String>,
    /// The same in milliseconds since the epoch.
    pub at_ms: Option<u64>,
    /// How long after the entry was made that is, in milliseconds.
    pub took_ms: Option<u64>,
}

impl From<&RecordedRevocation> for RevocationView {
    fn from(entry: &RecordedRevocation) -> Self {
        let logged = &entry.logged;
        let (effect, moment) = match logged.entry.effect {
            Effect::Block => ("block", None),
            Effect::Cutoff(moment) => ("cutoff", Some(moment)),
            Effect::Lift(moment) => ("lift", Some(moment)),
        };
        let expires = Some(logged.entry.expires).filter(|end| *end != UnixMillis::NEVER);
        Self {
            seq: logged.seq,
            at: rfc3339(logged.at),
            at_ms: logged.at.0,
            kind: logged.entry.kind.as_str().to_owned(),
            digest: URL_SAFE_NO_PAD.encode(logged.entry.digest.0),
            effect: effect.to_owned(),
            until: moment.map(rfc3339),
            until_ms: moment.map(|moment| moment.0),
            expires: expires.map(rfc3339),
            expires_ms: expires.map(|end| end.0),
            reason: entry.reason.clone(),
            actor: entry.actor.clone(),
        }
    }
}

impl AppliedBy {
    /// Whether the verifier has applied entry `seq` of `log`, which was made at `made`.
    pub(super) fn of(
        one: &ListedVerifier,
        (log, seq, made): (Uuid, u64, UnixMillis),
        now: UnixMillis,
    ) -> Self {
        let by = one.verifier.by_when(log, seq);
        let moment = by.moment();
        Self {
            client_id: one.client_id.to_string(),
            name: one.verifier.name.to_string(),
            live: one.verifier.is_live(now),
            applied: match by {
                ByWhen::Before(_) => "before",
                ByWhen::By(_) => "by",
                ByWhen::NotYet => "not_yet",
            }
            .to_owned(),
            at: moment.map(rfc3339),
            at_ms: moment.map(|at| at.0),
            took_ms: moment.map(|at| at.since(made)),
        }
    }
}

/// How far what was done reaches: the status of the answer, and what it is called there.
pub(crate) fn reached(reach: Reach) -> (StatusCode, &'static str) {
    match reach {
        Reach::Everywhere => (StatusCode::OK, "everywhere"),
        Reach::Logged => (StatusCode::ACCEPTED, "logged"),
    }
}
