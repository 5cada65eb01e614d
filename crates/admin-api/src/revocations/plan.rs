//! What a filter comes to: one entry for each that it names.

use symbolon_core::client::MAX_ACCESS_TOKEN_SECS;
use symbolon_core::lookup::{LiveSessions, SessionsOf};
use symbolon_core::revocation::{MAX_TOKEN_ENTRIES, NewRevocation, token_owner};
use symbolon_core::{ClientUid, SessionId, Subject, TokenId, UnixMillis};
use symbolon_jose::Kid;
use symbolon_oauth_types::AccessTokenClaims;
use symbolon_oauth_types::feed::FeedEntry;
use symbolon_oauth_types::revocation::{Digest, RevocationKind};
use uuid::Uuid;

use super::create::{Filter, RevocationRequest, TokenFilter};
use super::view::RevokedTarget;
use crate::api::Api;
use crate::change::mark_refused;
use crate::extract::Caller;
use crate::problem::{Problem, ProblemKind};

/// Most clients or subjects of one request.
const MAX_TARGETS: usize = 100;
/// Most entries that stay for ever beside which another one about a key is made that is not published.
const MAX_KEY_ENTRIES: usize = 100_000;
/// Most sessions of one request that are looked at to count those that it ends.
const MAX_COUNTED: u64 = 10_000;
/// Longest access token that is read, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// Something that is to be revoked.
pub(super) struct Target {
    pub(super) entry: NewRevocation,
    value: Option<String>,
    name: Option<String>,
    pub(super) sessions: LiveSessions,
}

impl Target {
    fn new(entry: NewRevocation, value: impl ToString) -> Self {
        Self {
            entry,
            value: Some(value.to_string()),
            name: None,
            sessions: LiveSessions::default(),
        }
    }

    /// As it is told before it has an entry.
    pub(super) fn planned(&self) -> RevokedTarget {
        RevokedTarget {
            kind: self.entry.entry.kind.as_str().to_owned(),
            value: self.value.clone(),
            name: self.name.clone(),
            sessions: self.sessions.count,
            more_sessions: self.sessions.more,
            seq: None,
            at: None,
            at_ms: None,
        }
    }
}

impl Api {
    /// What the request names, each with how many live sessions that ends.
    pub(super) async fn targets(
        &self,
        caller: &Caller,
        request: &RevocationRequest,
    ) -> Result<Vec<Target>, Problem> {
        let until = self.until(request)?;
        match &request.filter {
            Filter::All(_) => {
                let counted = self.count(&SessionsOf::All, request).await?;
                Ok(vec![Target {
                    entry: NewRevocation::all(until),
                    value: None,
                    name: None,
                    sessions: counted,
                }])
            }
            Filter::Clients(ids) => {
                let mut targets = Vec::new();
                for id in bounded("filter.clients", ids)? {
                    targets.push(self.client_target(id, until, request).await?);
                }
                Ok(targets)
            }
            Filter::Key(kid) => Ok(vec![self.key_target(caller, kid).await?]),
            Filter::Session(sid) => Ok(vec![self.session_target(*sid).await?]),
            Filter::Subjects(subjects) => {
                let mut targets = Vec::new();
                for subject in bounded("filter.subjects", subjects)? {
                    targets.push(self.subject_target(*subject, until, request).await?);
                }
                Ok(targets)
            }
            Filter::Token(TokenFilter::Jti(jti)) => Ok(vec![self.token_by_id(*jti).await?]),
            Filter::Token(TokenFilter::Value(token)) => Ok(vec![self.token_itself(token).await?]),
        }
    }

    /// The moment up to which what has begun is meant.
    fn until(&self, request: &RevocationRequest) -> Result<UnixMillis, Problem> {
        let clock = &self.parts.clock;
        let Some(before) = request.issued_before_ms.map(UnixMillis) else {
            return Ok(clock.cutoff());
        };
        let field = "issued_before_ms";
        if !matches!(
            request.filter,
            Filter::All(_) | Filter::Clients(_) | Filter::Subjects(_)
        ) {
            return Err(Problem::invalid(
                field,
                "it is for the filters all, clients and subjects",
            ));
        }
        if before > clock.now() {
            return Err(Problem::invalid(field, "give a moment that has passed"));
        }
        Ok(before)
    }

    /// How many live sessions of those it ends, by the same judgement as the list.
    async fn count(&self, of: &SessionsOf, request: &RevocationRequest) -> Result<LiveSessions, Problem> {
        let begun_by = request.issued_before_ms.map(UnixMillis);
        let now = self.parts.clock.now();
        let named = match &request.filter {
            Filter::Clients(ids) => ids.len(),
            Filter::Subjects(subjects) => subjects.len(),
            _ => 1,
        };
        let most = MAX_COUNTED / named.max(1) as u64;
        let sessions = &self.parts.sessions;
        Ok(sessions.count_sessions(of, begun_by, now, most).await?)
    }

    async fn client_target(
        &self,
        id: &str,
        until: UnixMillis,
        request: &RevocationRequest,
    ) -> Result<Target, Problem> {
        let (uid, id) = self.known_client(id).await?;
        let entry = NewRevocation::client(&id, until);
        let sessions = self.count(&SessionsOf::Client(uid, id.clone()), request).await?;
        Ok(Target {
            sessions,
            ..Target::new(entry, id)
        })
    }

    async fn subject_target(
        &self,
        subject: Uuid,
        until: UnixMillis,
        request: &RevocationRequest,
    ) -> Result<Target, Problem> {
        let whose = Subject(subject);
        let user = self.parts.facts.user(whose).await?;
        // A client that acts for itself is the subject of its tokens.
        let name = match user {
            Some(user) => user.username,
            None => {
                let client = self.parts.facts.client_by_uid(ClientUid(subject)).await?;
                let client = client.ok_or_else(|| Problem::not_found("subject"))?;
                client.client_id.to_string()
            }
        };
        Ok(Target {
            name: Some(name),
            sessions: self.count(&SessionsOf::Subject(whose), request).await?,
            ..Target::new(NewRevocation::subject(whose, until), subject)
        })
    }

    async fn session_target(&self, sid: Uuid) -> Result<Target, Problem> {
        let session = SessionId(sid);
        let unknown = || Problem::not_found("session on the list, or it has reached its end");
        let listed = self.parts.sessions.session(session).await?.ok_or_else(unknown)?;
        let now = self.parts.clock.now();
        if listed.ends <= now {
            return Err(unknown());
        }
        let of = SessionsOf::Session(session);
        let entry = NewRevocation::session(session, listed.ends).of(listed.subject);
        Ok(Target {
            sessions: self.parts.sessions.count_sessions(&of, None, now, 1).await?,
            ..Target::new(entry, sid)
        })
    }

    /// A key that is on record has to be replaced too, which is the business of `/keys`.
    async fn key_target(&self, caller: &Caller, kid: &str) -> Result<Target, Problem> {
        let scope = "keys:rotate";
        if !caller.principal.scope.iter().any(|held| held.as_str() == scope) {
            mark_refused("insufficient_scope");
            return Err(Problem::new(
                ProblemKind::InsufficientScope,
                format_args!("to revoke a key needs the scope {scope} too"),
            ));
        }
        let kid = Kid::parse(kid).map_err(|error| Problem::invalid("filter.key", error))?;
        let published = self.parts.keys.keys(false).await?;
        if published.iter().any(|key| key.kid == kid.as_str()) {
            return Err(Problem::new(
                ProblemKind::Conflict,
                "the key is published: withdraw it with POST /keys/{kid}/compromise, which replaces it too",
            ));
        }
        self.has_room_for_key()?;
        Ok(Target::new(NewRevocation::key(&kid), kid))
    }

    /// Entries about keys stay for ever, at every verifier: nobody may make up as many as they like.
    fn has_room_for_key(&self) -> Result<(), Problem> {
        let applied = self.parts.revocations.applied();
        // Nothing else stays for ever but the block of a client or a user that is disabled: those count too.
        let stays = |entry: &FeedEntry| entry.expires == UnixMillis::NEVER;
        if applied.cutoffs.entries().filter(stays).count() < MAX_KEY_ENTRIES {
            return Ok(());
        }
        Err(Problem::new(
            ProblemKind::Conflict,
            format_args!("{MAX_KEY_ENTRIES} entries that stay for ever are on the revocation log already"),
        ))
    }

    async fn token_by_id(&self, jti: Uuid) -> Result<Target, Problem> {
        let field = "filter.token.jti";
        let (token, clock) = (TokenId(jti), &self.parts.clock);
        let made = token.moment();
        if jti.get_version_num() != 7 || made > clock.cutoff() {
            return Err(Problem::invalid(
                field,
                "a jti of this server is a UUID of version 7 whose moment has passed",
            ));
        }
        let expires = made.plus(u64::from(MAX_ACCESS_TOKEN_SECS) * 1000);
        if expires <= clock.now() {
            return Err(Problem::invalid(
                field,
                "the token has expired: none lives for longer than an hour",
            ));
        }
        // Counted together: whose they are is not known.
        let owner = Digest::of(RevocationKind::Token, "");
        if self.parts.log.live_tokens(owner, clock.now()).await? >= MAX_TOKEN_ENTRIES {
            return Err(Problem::new(
                ProblemKind::Conflict,
                format_args!(
                    "{MAX_TOKEN_ENTRIES} tokens are revoked by their jti alone already: give the token itself, or revoke its \
                     session, its subject or its client"
                ),
            ));
        }
        Ok(Target::new(NewRevocation::token(token, owner, expires), jti))
    }

    async fn token_itself(&self, token: &str) -> Result<Target, Problem> {
        let field = "filter.token.value";
        if token.len() > MAX_TOKEN {
            return Err(Problem::invalid(
                field,
                format_args!("a token has at most {MAX_TOKEN} bytes"),
            ));
        }
        let verified = self.parts.tokens.verify(token);
        let verified = verified.ok_or_else(|| {
            Problem::invalid(
                field,
                "it is no access token that a published key of this server has signed",
            )
        })?;
        let claims: &AccessTokenClaims = &verified.claims;
        let now = self.parts.clock.now();
        if now.as_secs() >= claims.exp {
            return Err(Problem::invalid(
                field,
                "the token has expired: there is nothing to revoke",
            ));
        }
        let live = self.parts.log.live_tokens(token_owner(claims), now).await?;
        let entry = NewRevocation::access_token(claims, live).ok_or_else(|| {
            Problem::new(
                ProblemKind::Conflict,
                format_args!(
                    "{MAX_TOKEN_ENTRIES} tokens of its client are revoked already: revoke the client"
                ),
            )
        })?;
        // Past the cap the session goes as a whole.
        Ok(
            match claims.sid.filter(|_| entry.entry.kind == RevocationKind::Session) {
                Some(sid) => Target {
                    sessions: LiveSessions {
                        count: 1,
                        more: false,
                    },
                    ..Target::new(entry, sid)
                },
                None => Target::new(entry, claims.jti),
            },
        )
    }
}

/// A list that is neither empty nor too long.
fn bounded<'a, T>(field: &str, items: &'a [T]) -> Result<&'a [T], Problem> {
    if (1..=MAX_TARGETS).contains(&items.len()) {
        Ok(items)
    } else {
        Err(Problem::invalid(field, format_args!("give 1 to {MAX_TARGETS}")))
    }
}
