//! What the endpoints put on the audit trail. Tokens issued and refusals are counted where every request ends, in
//! [`crate::http`].

use std::time::Duration;

use symbolon_core::audit::{Act, Actor, AuditEvent, Counted, EventKind, Outcome, Target};
use symbolon_core::client::Client;
use symbolon_core::ports::NewSession;
use symbolon_core::refresh::SessionFacts;
use symbolon_core::throttle::{Network, ThrottledBy};
use symbolon_core::time::rfc3339;
use symbolon_core::{FirstOfMinute, RequestInfo, Subject, UnixMillis};
use symbolon_oauth_types::{AccessTokenClaims, GrantType};
use uuid::Uuid;

use crate::http::TOKEN;
use crate::{Service, TokenError};

impl Service {
    /// An access token for the admin API is about to be handed out.
    pub(crate) fn admin_token_issued(
        &self,
        claims: &AccessTokenClaims,
        client: &Client,
        request: &RequestInfo,
    ) -> AuditEvent {
        let act = match claims.sid {
            Some(_) => of_user(Subject(claims.sub), client),
            None => of_client(client),
        };
        let expires = UnixMillis(claims.exp.saturating_mul(1000));
        let event = self
            .event(EventKind::AdminTokenIssued, act, request)
            .to(Target::new("token", claims.jti, None))
            .with("scope", claims.scope.to_string())
            .with("expires", rfc3339(expires));
        match claims.sid {
            Some(session) => event.with("session", session.to_string()),
            None => event,
        }
    }

    /// A login has begun a session.
    pub(crate) fn tell_session_begun(&self, session: &NewSession, client: &Client, request: &RequestInfo) {
        let event = self
            .event(EventKind::SessionBegun, of_user(session.subject, client), request)
            .to(Target::new("session", session.session, None))
            .with("client_id", client.client_id.as_str())
            .with("scope", session.scope.as_str())
            .with("ends", rfc3339(session.ends));
        self.parts.audit.tell(event);
    }

    /// A login failed: the first of an account, or of names that nobody has, from an address in each minute. The name is not
    /// told, be it one that nobody has: people type their passwords there.
    pub(crate) fn tell_failed_login(&self, whose: Option<Subject>, client: &Client, request: &RequestInfo) {
        let target = match whose {
            Some(subject) => Some(Target::new("user", subject, None)),
            None => request
                .address
                .map(|address| Target::new("address", address, None)),
        };
        let whose = whose.map_or(Uuid::nil(), |subject| subject.0);
        let act = Act {
            via: Some(client.client_id.clone()),
            ..Act::new(Actor::unknown(), "")
        };
        if self.is_first(&self.failed_logins, whose, request) {
            let event = self.event(EventKind::LoginFailed, act, request);
            let event = event.refused(TokenError::PasswordWrong.reason());
            self.parts.audit.tell(match target {
                Some(target) => event.to(target),
                None => event,
            });
        }
    }

    /// A client that there is did not authenticate: the first time from an address in each minute.
    pub(crate) fn tell_refused_client(&self, client: &Client, why: &TokenError, request: &RequestInfo) {
        if self.is_first(&self.refused_clients, client.uid.0, request) {
            let act = Act::new(Actor::unknown(), "");
            let event = self.event(EventKind::ClientRefused, act, request);
            let target = Target::new("client", client.uid, Some(client.client_id.as_str()));
            self.parts.audit.tell(event.refused(why.reason()).to(target));
        }
    }

    fn is_first(
        &self,
        failures: &FirstOfMinute<Uuid, Option<Network>>,
        whose: Uuid,
        request: &RequestInfo,
    ) -> bool {
        let from = request.address.map(Network::of);
        failures.is_first(whose, from, self.parts.clock.monotonic())
    }

    /// Failed logins have locked an account or an address for that time. A name that nobody has is only counted: there are as
    /// many as somebody cares to try.
    pub(crate) fn tell_lock(
        &self,
        (by, wait): (ThrottledBy, Duration),
        whose: Option<Subject>,
        client: &Client,
        request: &RequestInfo,
    ) {
        let target = match by {
            ThrottledBy::Account => whose.map(|subject| Target::new("user", subject, None)),
            ThrottledBy::Address => request
                .address
                .map(|address| Target::new("address", address, None)),
        };
        let kind = EventKind::LoginLocked;
        let Some(target) = target else {
            return self.parts.audit.count(Counted {
                kind,
                outcome: Outcome::Done,
                client: Some(client),
                endpoint: TOKEN,
                grant: GrantType::Password.as_str(),
            });
        };
        let act = Act {
            via: Some(client.client_id.clone()),
            ..Act::new(Actor::unknown(), "")
        };
        let event = self
            .event(kind, act, request)
            .to(target)
            .with("by", by.as_str())
            .with("seconds", wait.as_secs());
        self.parts.audit.tell(event);
    }

    /// A refresh token was used again after its time, and its session is dead. Whether that was the client or a thief is not
    /// known, only whose credentials came with it.
    pub(crate) fn tell_reuse(&self, session: &SessionFacts, client: &Client, request: &RequestInfo) {
        let event = self.on_session(EventKind::SessionReused, session, client, request);
        self.parts.audit.tell(event);
    }

    /// A refresh token was replayed and got the same successor: within the overlap, as happens all the time, or by a late
    /// recovery.
    pub(crate) fn tell_replay(
        &self,
        session: &SessionFacts,
        late: bool,
        client: &Client,
        request: &RequestInfo,
    ) {
        let kind = EventKind::TokenReplayed;
        if late {
            tracing::info!(session = %session.session, "a refresh token was recovered late");
            let event = self.on_session(kind, session, client, request);
            self.parts.audit.tell(event.with("late", true));
        } else {
            self.parts.audit.count(Counted {
                kind,
                outcome: Outcome::Done,
                client: Some(client),
                endpoint: TOKEN,
                grant: GrantType::RefreshToken.as_str(),
            });
        }
    }

    fn on_session(
        &self,
        kind: EventKind,
        session: &SessionFacts,
        client: &Client,
        request: &RequestInfo,
    ) -> AuditEvent {
        self.event(kind, of_client(client), request)
            .to(Target::new("session", session.session, None))
            .with("subject", session.subject.to_string())
    }

    fn event(&self, kind: EventKind, act: Act, request: &RequestInfo) -> AuditEvent {
        AuditEvent::new(kind, self.parts.clock.now(), act.in_request(request))
    }
}

fn of_client(client: &Client) -> Act {
    Act::new(Actor::client(&client.client_id), "")
}

/// A user's doing, through that client.
fn of_user(subject: Subject, client: &Client) -> Act {
    Act {
        via: Some(client.client_id.clone()),
        ..Act::new(Actor::user(subject), "")
    }
}
