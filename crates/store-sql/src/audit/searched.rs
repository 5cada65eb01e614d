//! What of a record stands in columns of its own, for searching.

use serde::Deserialize;
use uuid::Uuid;

use crate::entity::audit_log;

/// Longest actor that is searched by, in characters.
const MAX_ACTOR: usize = 400;
/// Longest id of a target that is searched by, in characters.
const MAX_TARGET: usize = 600;

/// The columns, as the body has them say.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Searched {
    pub(super) at_ms: i64,
    pub(super) event: String,
    pub(super) outcome: String,
    pub(super) actor: String,
    pub(super) target_kind: Option<String>,
    pub(super) target: Option<String>,
    pub(super) request_id: Option<Uuid>,
}

#[derive(Deserialize)]
struct Body {
    at_ms: u64,
    event: String,
    outcome: String,
    actor: String,
    target: Option<Target>,
    request_id: Option<Uuid>,
}

#[derive(Deserialize)]
struct Target {
    kind: String,
    id: String,
}

impl Searched {
    /// `None` where the body is not that of an event.
    pub(super) fn of(body: &str) -> Option<Self> {
        let body: Body = serde_json::from_str(body).ok()?;
        let (kind, id) = body.target.map(|target| (target.kind, target.id)).unzip();
        Some(Self {
            at_ms: i64::try_from(body.at_ms).unwrap_or(i64::MAX),
            event: body.event,
            outcome: body.outcome,
            actor: actor(&body.actor),
            target_kind: kind,
            target: id.map(|id| target(&id)),
            request_id: body.request_id,
        })
    }

    /// Whether the row's columns say the same.
    pub(super) fn is_in(&self, row: &audit_log::Model) -> bool {
        let columns = Self {
            at_ms: row.at_ms,
            event: row.event.clone(),
            outcome: row.outcome.clone(),
            actor: row.actor.clone(),
            target_kind: row.target_kind.clone(),
            target: row.target.clone(),
            request_id: row.request_id,
        };
        *self == columns
    }
}

/// An actor as the column has it.
pub(super) fn actor(actor: &str) -> String {
    cut(actor, MAX_ACTOR)
}

/// The id of a target as the column has it.
pub(super) fn target(id: &str) -> String {
    cut(id, MAX_TARGET)
}

/// PostgreSQL keeps no NUL, which a body has escaped.
fn cut(text: &str, max: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(max).collect()
}

#[cfg(test)]
mod tests {
    use symbolon_core::UnixMillis;
    use symbolon_core::audit::{self, Act, Actor, AuditEvent, EventKind};

    use super::*;

    #[test]
    fn columns_say_what_the_body_says() {
        let request_id = Uuid::from_u128(7);
        let act = Act {
            request: Some(request_id),
            ..Act::new(Actor::operator("alice"), "why")
        };
        let event = AuditEvent::new(EventKind::RolePut, UnixMillis(5), act).refused("no_scope");
        let bare = Searched {
            at_ms: 5,
            event: "role.put".into(),
            outcome: "refused".into(),
            actor: "cli:alice".into(),
            target_kind: None,
            target: None,
            request_id: Some(request_id),
        };
        assert_eq!(Searched::of(&event.body()), Some(bare));
        let long = format!("a\0{}", "b".repeat(1000));
        let targeted = Searched::of(&event.to(audit::Target::new("role", &long, None)).body()).unwrap();
        assert_eq!(targeted.target_kind.as_deref(), Some("role"));
        assert_eq!(targeted.target, Some(format!("a{}", "b".repeat(599))));
    }

    #[test]
    fn what_is_no_event_has_no_columns() {
        for body in ["", "{}", "[]", "{\"at_ms\":-1}", "\u{0}"] {
            assert_eq!(Searched::of(body), None, "{body:?}");
        }
    }
}
