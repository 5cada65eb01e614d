use std::time::Duration;

use secrecy::SecretString;
use symbolon_core::authorize::{KeyBinding, Purpose, Refusal};
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::{Begin, NewSession};
use symbolon_core::refresh::{RefreshToken, SessionFacts};
use symbolon_core::throttle::{Attempt, Throttle};
use symbolon_core::user::{Credential, LoginName};
use symbolon_core::{SessionId, Subject, UnixMillis};
use symbolon_oauth_types::revocation::Revocable;
use symbolon_oauth_types::{GrantType, ResourceIndicator, ScopeSet, TokenResponse};

use super::{Context, asked};
use crate::decision::{ATTEMPTS, Decision, Question};
use crate::issue::Holder;
use crate::{Service, TokenError, Turn};

/// A password request.
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: SecretString,
    pub(super) scope: Option<ScopeSet>,
    pub(super) resources: Vec<ResourceIndicator>,
}

/// A password that was good, and the hash that it was good for.
struct Verified {
    subject: Subject,
    name: LoginName,
    hash: PasswordHash,
}

/// What the hash lane says of a password.
struct Judged {
    good: bool,
    /// Its hash of today's cost, where it is good and the kept one is another.
    fresh: Option<PasswordHash>,
    /// How long a kept hash of another kind or cost took, beside that of today's cost.
    detour: Option<Duration>,
}

impl Service {
    /// The resource owner password credentials grant
    /// ([RFC 6749 section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)). The password is verified first;
    /// the facts that decide are read afterwards, and beginning the session fails if they have changed since.
    pub(super) async fn password(
        &self,
        login: Login,
        context: &Context<'_>,
    ) -> Result<TokenResponse, TokenError> {
        if !context
            .client
            .client()
            .policy
            .grants
            .contains(&GrantType::Password)
        {
            return Err(TokenError::Refused(Refusal::GrantNotAllowed));
        }
        let verified = self.verify(&login.username, login.password, context).await?;
        let subject = verified.subject;
        let session = SessionId::new(context.request.received, &*self.parts.rng);
        for _ in 0..ATTEMPTS {
            let decision = self
                .decide_login(&login.scope, &login.resources, subject, session, context)
                .await?;
            let token = self.first_token(&decision, subject, session);
            let row = new_session(&token, &decision, context);
            match self.parts.sessions.begin(&row, decision.head).await? {
                Begin::CatchUp => {
                    self.parts.revocations.catch_up().await?;
                    self.still_holds(&verified).await?;
                }
                Begin::Begun => {
                    self.tell_session_begun(&row, &decision.client, &context.request);
                    let holder = Holder {
                        subject: subject.0,
                        session: Some(session),
                        ends: token.facts.ends,
                    };
                    let refresh = row.refreshable.then_some(&token);
                    return self.mint(decision, holder, refresh, &context.request).await;
                }
            }
        }
        Err(TokenError::CatchUpExhausted)
    }

    /// Verifies name and password in the hash lane. A name that nobody has and a disabled user cost the same work in
    /// the same lane and give the same answer as a wrong password.
    async fn verify(
        &self,
        username: &str,
        password: SecretString,
        context: &Context<'_>,
    ) -> Result<Verified, TokenError> {
        let name: LoginName = username.parse().map_err(|_| TokenError::PasswordWrong)?;
        // In a storm most logins end here, before they cost a look at the database.
        self.parts.lane.check()?;
        let store = self.parts.facts.store();
        let from = context.request.address;
        let attempt = match store.subject(&name).await? {
            Some(subject) => Attempt::on_account(subject, from),
            None => Attempt::on_unknown(&name, from),
        };
        // A name that is locked is answered before more is looked up for one that somebody has.
        self.check_throttle(&attempt).await?;
        let found = store.credential(&name).await?;
        let turn = self.parts.lane.enter().await?;
        // Failures that were counted while this request waited for its turn hold for it, too.
        self.check_throttle(&attempt).await?;
        let judged = self.hash(turn, found.as_ref(), password).await?;
        if let Some(time) = judged.detour {
            self.detour.took(time);
        }
        let whose = found.as_ref().map(|credential| credential.user.subject);
        let Some(credential) = found.filter(|_| judged.good) else {
            let client = context.client.client();
            self.tell_failed_login(whose, client, &context.request);
            // Before it is answered, so that guesses made at once are counted at once.
            if let Throttle::Wait { by, wait } = self.parts.throttle.failed(&attempt).await? {
                self.parts.metrics.login_locked(by);
                self.tell_lock((by, wait), whose, client, &context.request);
            }
            if judged.detour.is_none() {
                self.detour.wait().await;
            }
            return Err(TokenError::PasswordWrong);
        };
        self.parts.throttle.succeeded(&attempt).await?;
        let hash = self.rehash(&credential, judged.fresh).await;
        Ok(Verified {
            subject: credential.user.subject,
            name,
            hash,
        })
    }

    /// Whether the password is good, and its hash of today's cost where the kept one is of another, or was made by
    /// another system. That one is made whatever the password is, so that a wrong one takes no less time.
    async fn hash(
        &self,
        turn: Turn<'_>,
        found: Option<&Credential>,
        password: SecretString,
    ) -> Result<Judged, TokenError> {
        let hash = found
            .map_or(&self.decoy, |credential| &credential.password)
            .clone();
        let (cost, rng) = (self.parts.password_cost, self.parts.rng.clone());
        // A disabled user is judged before the work: the answer is that to a wrong password, hash and all.
        let may_log_in = found.is_some_and(|credential| credential.user.active);
        let clock = self.parts.clock.clone();
        let job = turn.run(move |memory| {
            let begun = clock.monotonic();
            let good = hash.verify(&password, memory) && may_log_in;
            let took = clock.monotonic().saturating_sub(begun);
            let outdated = !hash.is_of(cost);
            let fresh = outdated.then(|| PasswordHash::create(&password, cost, &*rng, memory));
            Judged {
                good,
                fresh: fresh.and_then(Result::ok).filter(|_| good),
                detour: outdated.then_some(took),
            }
        });
        Ok(job.await?)
    }

    /// A fact has changed since the password was verified. Where it was the password, the login is one with the old
    /// password, whenever it began.
    async fn still_holds(&self, verified: &Verified) -> Result<(), TokenError> {
        let kept = self.parts.facts.store().credential(&verified.name).await?;
        match kept {
            Some(kept) if kept.user.subject == verified.subject && kept.password == verified.hash => Ok(()),
            _ => Err(TokenError::PasswordWrong),
        }
    }

    async fn check_throttle(&self, attempt: &Attempt) -> Result<(), TokenError> {
        match self.parts.throttle.check(attempt).await? {
            Throttle::Open => Ok(()),
            Throttle::Wait { by, wait } => {
                self.parts.metrics.login_throttled(by);
                Err(TokenError::Throttled { by, wait })
            }
        }
    }

    /// Keeps the hash of today's cost, and returns the one that is kept now. A failure is logged and changes nothing:
    /// the next login tries again.
    async fn rehash(&self, credential: &Credential, fresh: Option<PasswordHash>) -> PasswordHash {
        let old = credential.password.clone();
        let Some(fresh) = fresh else { return old };
        let subject = credential.user.subject;
        match self.parts.facts.store().rehash(subject, &old, &fresh).await {
            Ok(true) => fresh,
            Ok(false) => old,
            Err(error) => {
                tracing::warn!(%subject, %error, "the password hash could not be renewed");
                old
            }
        }
    }

    async fn decide_login(
        &self,
        scope: &Option<ScopeSet>,
        resources: &[ResourceIndicator],
        subject: Subject,
        session: SessionId,
        context: &Context<'_>,
    ) -> Result<Decision, TokenError> {
        let client = context.client.client();
        self.decide(&Question {
            purpose: Purpose::Issue {
                requested: scope.as_ref(),
            },
            grants: &[GrantType::Password],
            client: client.uid,
            subject: Some(subject),
            audiences: asked(resources),
            revocable: Revocable {
                started: context.request.received,
                subject: subject.0,
                client_id: client.client_id.as_str(),
                session: Some(session.0),
                token: None,
                kid: None,
            },
            key_binding: KeyBinding::default(),
        })
        .await
    }

    /// Generation 0 of the session.
    fn first_token(&self, decision: &Decision, subject: Subject, session: SessionId) -> RefreshToken {
        let policy = &decision.client.policy;
        let lifetime = policy
            .session_lifetime
            .unwrap_or(self.parts.lifetimes.session_secs);
        let started: UnixMillis = session.moment();
        RefreshToken {
            facts: SessionFacts {
                session,
                subject,
                client: decision.client.uid,
                grant: GrantType::Password,
                scope: decision.authorization.scope.clone(),
                audiences: decision.authorization.audiences.iter().cloned().collect(),
                key_binding: None,
                auth_time: started,
                acr: None,
                amr: vec!["pwd".to_owned()],
                ends: started.plus(u64::from(lifetime) * 1000),
            },
            generation: 0,
            issued: self.parts.clock.now(),
        }
    }
}

fn new_session(token: &RefreshToken, decision: &Decision, context: &Context<'_>) -> NewSession {
    NewSession {
        session: token.facts.session,
        subject: token.facts.subject,
        client: token.facts.client,
        scope: token.facts.scope.to_string(),
        ends: token.facts.ends,
        issued: token.issued,
        address: context.request.address,
        user_agent: context.user_agent.clone(),
        refreshable: decision.client.policy.grants.contains(&GrantType::RefreshToken),
    }
}
