//! What stands on the trail.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::{Map, Value, json};
use symbolon_oauth_types::ScopeSet;
use symbolon_oauth_types::revocation::Lookup;
use uuid::Uuid;

use crate::revocation::Head;
use crate::time::rfc3339;
use crate::view::Version;
use crate::{ClientId, RequestInfo, Subject, UnixMillis};

/// Longest reason, in characters; what is longer is cut.
pub const MAX_REASON: usize = 200;

/// Who does something: `client:<client_id>`, `user:<subject>`, `cli:<name of the operating system's user>` or `server`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Actor(String);

impl Actor {
    /// The server by itself: its schedules, and what it finds out.
    pub fn server() -> Self {
        Self("server".to_owned())
    }

    /// A client that acts for itself.
    pub fn client(client: &ClientId) -> Self {
        Self(format!("client:{client}"))
    }

    /// A user, through whichever client.
    pub fn user(subject: Subject) -> Self {
        Self(format!("user:{subject}"))
    }

    /// Whoever works on the database itself at the command line. The name is what the operating system calls them, without
    /// control characters.
    pub fn operator(name: &str) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        Self(format!("cli:{name}"))
    }

    /// Nobody who is known: a request that did not authenticate.
    pub fn unknown() -> Self {
        Self("unknown".to_owned())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody's doing: who, in which request, from where, why, and on which condition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Act {
    /// Who.
    pub actor: Actor,
    /// Through which client, where it is not the actor.
    pub via: Option<ClientId>,
    /// In which request.
    pub request: Option<Uuid>,
    /// From where.
    pub address: Option<IpAddr>,
    /// Why, as they say; at most [`MAX_REASON`] characters.
    pub reason: String,
    /// The record must be as they say, or nothing changes.
    pub expected: Option<Expected>,
    /// By what they may; `None` for whoever may do everything: the server, and who works on the database itself.
    pub warrant: Option<Warrant>,
}

/// By what somebody may make a change: they were judged before, and the store makes sure under its lock that this still
/// holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warrant {
    /// By what they were judged.
    pub judged: Judged,
    /// The scope that they hold: what they may give, and take over ([`beyond`](crate::rights::beyond)).
    pub scope: ScopeSet,
}

/// By what somebody was judged. Where facts have moved on since, or a revocation that concerns them has come, or it can't be
/// told, they are to be judged anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Judged {
    /// What was known of revocations and facts.
    pub head: Head,
    /// What revocations are looked up by that concern them.
    pub of: Lookup,
}

/// How a record must be for a change to be made
/// ([RFC 9110 section 13.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expected {
    /// There is none of that name yet: `If-None-Match: *`.
    Absent,
    /// There is one, whatever it is: `If-Match: *`.
    Present,
    /// It is at that version, the one that they have seen: `If-Match`.
    At(Version),
}

impl Expected {
    /// Just as it is now: `None` where there is no record.
    pub fn just(now: Option<Version>) -> Self {
        now.map_or(Self::Absent, Self::At)
    }

    /// Whether the record is so now: `None` where there is none.
    pub fn is_met_by(self, now: Option<Version>) -> bool {
        match self {
            Self::Absent => now.is_none(),
            Self::Present => now.is_some(),
            Self::At(version) => now == Some(version),
        }
    }
}

impl Act {
    /// A doing of that actor for that reason, outside of any request.
    pub fn new(actor: Actor, reason: &str) -> Self {
        Self {
            actor,
            via: None,
            request: None,
            address: None,
            reason: reason.chars().take(MAX_REASON).collect(),
            expected: None,
            warrant: None,
        }
    }

    /// The server's own doing.
    pub fn server(reason: &str) -> Self {
        Self::new(Actor::server(), reason)
    }

    /// The same in that request.
    #[must_use]
    pub fn in_request(self, request: &RequestInfo) -> Self {
        Self {
            request: Some(request.id),
            address: request.address,
            ..self
        }
    }

    /// The same on condition that the record is so.
    #[must_use]
    pub fn expecting(self, expected: Option<Expected>) -> Self {
        Self { expected, ..self }
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal,)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum EventKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Its name on the trail.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),+
                }
            }

            /// What it means, for the manual.
            pub fn meaning(self) -> &'static str {
                let text = match self {
                    $(Self::$kind => concat!($($doc),+)),+
                };
                text.trim()
            }
        }
    };
}

kinds! {
    /// An admin request was refused: without a good token, without the scope, or because it asks for more than its holder has.
    AdminRefused = "admin.refused",
    /// An access token for the admin API was issued and put on record.
    AdminTokenIssued = "admin.token_issued",
    /// Events were lost, because there were too many or the database could not take them; `count` says how many.
    AuditLost = "audit.lost",
    /// Records that had come to their age were deleted.
    AuditSwept = "audit.swept",
    /// A client was made.
    ClientCreated = "client.created",
    /// A client was deleted.
    ClientDeleted = "client.deleted",
    /// A client was disabled.
    ClientDisabled = "client.disabled",
    /// A client was enabled.
    ClientEnabled = "client.enabled",
    /// A secret was added to a client, or one got an end.
    ClientSecretsSet = "client.secrets_set",
    /// A client did not authenticate, and was refused.
    ClientRefused = "client.refused",
    /// What a client may do was changed.
    ClientUpdated = "client.updated",
    /// The server was started with another issuer.
    IssuerChanged = "issuer.changed",
    /// Signing keys were made, activated, retired, imported or withdrawn.
    KeysChanged = "keys.changed",
    /// Signing keys and server secrets were encrypted under another key-encryption key.
    KeysRewrapped = "keys.rewrapped",
    /// A login failed: the password was wrong, or nobody has the name.
    LoginFailed = "login.failed",
    /// Failed logins have locked an account or an address.
    LoginLocked = "login.locked",
    /// Every live verifier has reported that it applied a revocation.
    RevocationConfirmed = "revocation.confirmed",
    /// Something was revoked: an entry went on the revocation log.
    Revoked = "revocation.logged",
    /// A role was deleted.
    RoleDeleted = "role.deleted",
    /// A role was made or replaced.
    RolePut = "role.put",
    /// A scope was taken off the register.
    ScopeDeleted = "scope.deleted",
    /// A scope was put on the register.
    ScopePut = "scope.put",
    /// A session began.
    SessionBegun = "session.begun",
    /// A refresh token was used again after it had been replaced: its session was killed.
    SessionReused = "session.reused",
    /// Access tokens were issued.
    TokenIssued = "token.issued",
    /// Token requests were refused.
    TokenRefused = "token.refused",
    /// A refresh token was replayed: within the overlap, or by a late recovery.
    TokenReplayed = "token.replayed",
    /// A user was made.
    UserCreated = "user.created",
    /// A user was deleted.
    UserDeleted = "user.deleted",
    /// A user was disabled.
    UserDisabled = "user.disabled",
    /// A user was enabled.
    UserEnabled = "user.enabled",
    /// Users were imported; `count` says how many.
    UsersImported = "user.imported",
    /// A password was set.
    UserPasswordSet = "user.password_set",
    /// The roles of a user were set.
    UserRolesSet = "user.roles_set",
    /// The names of a user were changed.
    UserUpdated = "user.updated",
}

impl FromStr for EventKind {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        let named = |kind: &&Self| kind.as_str() == text;
        Self::ALL.iter().find(named).copied().ok_or(UnknownEvent)
    }
}

/// No event has that name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no event of that name: docs/audit.md lists them")]
pub struct UnknownEvent;

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, for this reason: a fixed name.
    Refused(&'static str),
}

/// What it was done to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// `client`, `key`, `revocation`, `role`, `scope`, `session`, `user`, ...
    pub kind: &'static str,
    /// Its unchanging identity.
    pub id: String,
    /// What people call it, at that time.
    pub name: Option<String>,
}

impl Target {
    /// What has that identity.
    pub fn new(kind: &'static str, id: impl fmt::Display, name: Option<&str>) -> Self {
        Self {
            kind,
            id: id.to_string(),
            name: name.map(str::to_owned),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditEvent {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub kind: EventKind,
    /// What came of it.
    pub outcome: Outcome,
    /// Whose doing it was.
    pub act: Act,
    /// To what it was done.
    pub target: Option<Target>,
    /// How many alike it stands for.
    pub count: u64,
    /// More about it: `before` and `after` of a change, the position on the revocation log, ... Never a secret, nor its hash.
    pub details: Map<String, Value>,
}

impl AuditEvent {
    /// Something that was done at that moment, once, to nothing in particular.
    pub fn new(kind: EventKind, at: UnixMillis, act: Act) -> Self {
        Self {
            at,
            kind,
            outcome: Outcome::Done,
            act,
            target: None,
            count: 1,
            details: Map::new(),
        }
    }

    /// The same, refused.
    #[must_use]
    pub fn refused(self, reason: &'static str) -> Self {
        Self {
            outcome: Outcome::Refused(reason),
            ..self
        }
    }

    /// The same to that.
    #[must_use]
    pub fn to(self, target: Target) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// As it stands on the trail: one JSON object on one line.
    pub fn body(&self) -> String {
        let (outcome, refused) = match self.outcome {
            Outcome::Done => ("done", None),
            Outcome::Refused(reason) => ("refused", Some(reason)),
        };
        let target = self.target.as_ref();
        let object = json!({
            "v": 1,
            "at": rfc3339(self.at),
            "at_ms": self.at.0,
            "event": self.kind.as_str(),
            "outcome": outcome,
            "refused_because": refused,
            "actor": self.act.actor.as_str(),
            "via": self.act.via.as_ref().map(ClientId::as_str),
            "request_id": self.act.request,
            "address": self.act.address,
            "reason": self.act.reason,
            "target": target.map(|it| json!({ "kind": it.kind, "id": it.id, "name": it.name })),
            "count": self.count,
            "details": self.details,
        });
        object.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_distinct_and_read_back() {
        let mut names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert!(kind.meaning().ends_with('.'), "{kind:?}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EventKind::ALL.len());
        assert_eq!("client.painted".parse::<EventKind>(), Err(UnknownEvent));
    }

    #[test]
    fn the_manual_lists_every_event_with_its_meaning() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit.md");
        let manual = std::fs::read_to_string(path).unwrap();
        for kind in EventKind::ALL {
            let row = format!("| `{}` | {} |", kind.as_str(), kind.meaning());
            assert!(
                manual.contains(&row),
                "the table of events in docs/audit.md lacks: {row}"
            );
        }
        let table = manual.lines().skip_while(|line| !line.starts_with("| Event |"));
        let rows = table.skip(2).take_while(|line| line.starts_with('|'));
        assert_eq!(rows.count(), EventKind::ALL.len(), "it lists others, too");
    }

    #[test]
    fn a_body_is_one_line_of_json_whatever_it_holds() {
        let act = Act::new(Actor::operator("al\r\nice\u{1b}[0m"), &"because\n".repeat(100));
        assert_eq!(act.actor.as_str(), "cli:alice[0m");
        assert_eq!(act.reason.chars().count(), MAX_REASON);
        let event = AuditEvent::new(EventKind::UserDeleted, UnixMillis(1), act)
            .to(Target::new("user", 7, Some("a\r\nb")))
            .with("before", json!({ "b": 1, "a": 2 }));
        let body = event.body();
        assert!(!body.contains(['\r', '\n', '\u{1b}']), "{body}");
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read.to_string(), body, "it reads back byte for byte");
        assert_eq!(read["event"], "user.deleted");
        assert_eq!(read["outcome"], "done");
    }
}
