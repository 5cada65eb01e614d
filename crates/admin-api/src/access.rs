//! Who may come in: the one check before every operation.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use symbolon_core::audit::{Act, Actor, AuditEvent, Counted, EventKind, Judged, Outcome, Target};
use symbolon_core::ports::StoreError;
use symbolon_core::rights::beyond;
use symbolon_core::{ClientId, ClientUid, RequestInfo};
use symbolon_oauth_types::{ScopeSet, ScopeToken};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::api::Api;
use crate::change::{beyond_rights, mark_refused, marking};
use crate::problem::{Problem, ProblemKind};

/// Whoever calls, and what they may do.
#[derive(Clone, Debug)]
pub struct Principal {
    /// For the record.
    pub actor: Actor,
    /// Through which client, where it is not the actor.
    pub via: Option<ClientId>,
    /// The client of their token, by what no other client has, be it of the same name; `None` for whoever works on the
    /// database itself.
    pub client: Option<ClientUid>,
    /// The scope that their token has now.
    pub scope: ScopeSet,
    /// The revocations and facts by which that was judged; `None` for whoever may do everything whatever is revoked.
    pub judged: Option<Judged>,
}

impl Principal {
    /// What they do, for the record.
    pub(crate) fn act(&self) -> Act {
        Act {
            via: self.via.clone(),
            ..Act::new(self.actor.clone(), "")
        }
    }

    /// Refuses to give, or to take over what has, more than they hold themselves.
    ///
    /// # Errors
    /// [`ProblemKind::Beyond`], which names what they lack.
    pub(crate) fn may_handle(&self, scope: &ScopeSet) -> Result<(), Problem> {
        let lacking = beyond(&self.scope, scope);
        if lacking.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = lacking.into_iter().map(ScopeToken::as_str).collect();
        Err(beyond_rights(&names.join(" ")))
    }
}

/// What a request presents. A proof of possession would be checked against `method` and `uri`
/// ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)).
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The access token.
    pub token: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
}

/// Why somebody may not come in.
#[derive(Clone, Debug)]
pub enum Denied {
    /// There is no token.
    Missing,
    /// The token is not good; why is for the audit trail and not for whoever holds it.
    Refused(&'static str),
    /// It can't be told at present.
    Unavailable(StoreError),
}

/// Says who calls. The server's own admits ordinary access tokens for the admin audience that are on record.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Who it is that presents this.
    ///
    /// # Errors
    /// [`Denied`].
    async fn admit(&self, presented: &Presented<'_>) -> Result<Principal, Denied>;
}

/// What a request has presented, by which it can be asked again whether it may go on: a caller who was admitted at the head of
/// a request may have lost that right when the rest of it has come, or when what it costs is done.
#[derive(Clone)]
pub(crate) struct Admission {
    token: Option<Arc<Zeroizing<String>>>,
    method: Method,
    uri: Uri,
}

impl Admission {
    fn presented(&self) -> Presented<'_> {
        Presented {
            token: self.token.as_ref().map(|token| token.as_str()),
            method: &self.method,
            uri: &self.uri,
        }
    }
}

impl Api {
    /// Whoever was admitted, as they are judged now: refuses who would not be admitted any more, or holds less.
    ///
    /// # Errors
    /// [`ProblemKind::Unauthorized`], or it can't be told at present.
    pub(crate) async fn still_admitted(
        &self,
        principal: &Principal,
        admission: &Admission,
    ) -> Result<Principal, Problem> {
        match self.parts.gate.admit(&admission.presented()).await {
            Ok(now) if now.actor == principal.actor && principal.scope.is_subset(&now.scope) => Ok(now),
            Err(Denied::Unavailable(error)) => Err(Problem::unavailable(&error)),
            Ok(_) | Err(Denied::Missing | Denied::Refused(_)) => {
                mark_refused("no_longer_admitted");
                Err(Problem::new(
                    ProblemKind::Unauthorized,
                    "the access token has lost what it was good for while the request was under way; nothing was changed",
                ))
            }
        }
    }

    /// Puts a refusal of somebody who is known on the trail: the first of a kind in each minute by itself, the others counted.
    fn tell_refusal(&self, event: AuditEvent, operation: &Arc<str>) {
        let Outcome::Refused(reason) = event.outcome else {
            return;
        };
        let key = (event.act.actor.as_str().to_owned(), operation.clone(), reason);
        if self.told.is_first(key, (), self.parts.clock.monotonic()) {
            self.parts.sink.tell(event);
        } else {
            self.parts.sink.count(Counted {
                kind: EventKind::AdminRefused,
                outcome: event.outcome,
                client: None,
                endpoint: operation,
                grant: "none",
            });
        }
    }
}

/// An operation, as the guard before it knows it.
#[derive(Clone)]
pub(crate) struct Guarded {
    pub(crate) api: Arc<Api>,
    pub(crate) scope: &'static str,
    pub(crate) operation: Arc<str>,
}

/// Runs the operation where the caller may, and writes the request's line in the log.
pub(crate) async fn guard(State(guarded): State<Guarded>, mut request: Request, next: Next) -> Response {
    let clock = guarded.api.parts.clock.clone();
    let begun = clock.monotonic();
    let info = match request.extensions().get::<RequestInfo>() {
        Some(info) => *info,
        None => {
            let info = RequestInfo {
                id: Uuid::nil(),
                received: clock.now(),
                address: None,
            };
            request.extensions_mut().insert(info);
            info
        }
    };
    let (method, uri, headers) = (
        request.method().clone(),
        request.uri().clone(),
        request.headers().clone(),
    );
    // Given back with the answer: until then the operation holds what it has made of the body.
    let mut room = None;
    let mut actor = None;
    let admitted = match guarded.admit((&method, &uri, &headers), &info).await {
        // The rest of a request may take as long as it likes: whoever was revoked meanwhile does not get in by it.
        Ok((caller, _)) if !method.is_safe() => {
            actor = Some(caller.actor.clone());
            match guarded.api.bodies.whole(request, &caller.actor).await {
                Ok((read, share)) => {
                    (request, room) = (read, Some(share));
                    guarded.admit((&method, &uri, &headers), &info).await
                }
                Err(problem) => {
                    request = Request::default();
                    Err(problem.into_response())
                }
            }
        }
        first => first,
    };
    if let Ok((principal, _)) = &admitted {
        actor = Some(principal.actor.clone());
    }
    let mut response = match admitted {
        Ok((principal, admission)) => {
            request.extensions_mut().insert(principal.clone());
            request.extensions_mut().insert(admission);
            let (response, refused) = marking(next.run(request)).await;
            if let Some(reason) = refused {
                let event = guarded.refusal(principal.act().in_request(&info), reason);
                guarded.api.tell_refusal(event, &guarded.operation);
            }
            response
        }
        Err(refusal) => refusal,
    };
    drop(room);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let took = clock.monotonic().saturating_sub(begun);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let (request_id, operation) = (info.id, &*guarded.operation);
    let actor = actor.as_ref().map(Actor::as_str);
    let status = response.status().as_u16();
    if response.status().is_server_error() {
        tracing::error!(%request_id, operation, actor, status, micros, "admin request failed");
    } else {
        tracing::info!(%request_id, operation, actor, status, micros, "admin request");
    }
    response
}

impl Guarded {
    async fn admit(
        &self,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        info: &RequestInfo,
    ) -> Result<(Principal, Admission), Response> {
        let token = bearer(headers).map_err(IntoResponse::into_response)?;
        let admission = Admission {
            token: token.map(|token| Arc::new(Zeroizing::new(token.to_owned()))),
            method: method.clone(),
            uri: uri.clone(),
        };
        let principal = match self.api.parts.gate.admit(&admission.presented()).await {
            Ok(principal) => principal,
            Err(Denied::Unavailable(error)) => {
                return Err(Problem::unavailable(&error).into_response());
            }
            Err(denied) => return Err(self.denied(&denied)),
        };
        if principal.scope.iter().any(|held| held.as_str() == self.scope) {
            return Ok((principal, admission));
        }
        let event = self.refusal(principal.act().in_request(info), "insufficient_scope");
        self.api.tell_refusal(event, &self.operation);
        let problem = Problem::new(
            ProblemKind::InsufficientScope,
            format_args!("this needs the scope {}", self.scope),
        );
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", self.scope);
        Err(challenged(problem, &challenge))
    }

    /// The answer to whoever did not come in: the same for every token that is not good.
    fn denied(&self, denied: &Denied) -> Response {
        let (reason, challenge) = match denied {
            Denied::Refused(reason) => (
                *reason,
                "Bearer realm=\"symbolon-admin\", error=\"invalid_token\"",
            ),
            Denied::Missing | Denied::Unavailable(_) => ("no_token", "Bearer realm=\"symbolon-admin\""),
        };
        // Whoever has no token may send as many of these as they like.
        self.api.parts.sink.count(Counted {
            kind: EventKind::AdminRefused,
            outcome: Outcome::Refused(reason),
            client: None,
            endpoint: &self.operation,
            grant: "none",
        });
        let problem = Problem::new(
            ProblemKind::Unauthorized,
            "an access token of this server for the audience urn:symbolon:admin is needed",
        );
        challenged(problem, challenge)
    }

    fn refusal(&self, act: Act, reason: &'static str) -> AuditEvent {
        AuditEvent::new(EventKind::AdminRefused, self.api.parts.clock.now(), act)
            .refused(reason)
            .to(Target::new("operation", &self.operation, None))
    }
}

fn challenged(problem: Problem, challenge: &str) -> Response {
    let mut response = problem.into_response();
    if let Ok(value) = HeaderValue::from_str(challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

/// The token of the one `Authorization` header, where there is one
/// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)). The other ways to send one are not taken.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let malformed = || Problem::new(ProblemKind::Malformed, "Authorization is not one Bearer token");
    if values.next().is_some() {
        return Err(malformed());
    }
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    Ok(Some(token.trim()))
}

/// Statuses that the guard answers by itself, for the document.
pub(crate) const GUARD_STATUSES: [StatusCode; 2] = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
