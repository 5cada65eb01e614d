use secrecy::SecretString;
use symbolon_core::authorize::{KeyBinding, Purpose, Refusal};
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::{Begin, NewSession};
use symbolon_core::refresh::{RefreshToken, SessionFacts};
use symbolon_core::throttle::{Throttle, ThrottleKey};
use symbolon_core::user::{Credential, LoginName};
use symbolon_core::{SessionId, Subject, UnixMillis};
use symbolon_oauth_types::revocation::Revocable;
use symbolon_oauth_types::{GrantType, ResourceIndicator, ScopeSet, TokenResponse};

use super::{Context, asked};
use crate::decision::{ATTEMPTS, Decision, Question};
use crate::issue::Holder;
use crate::{Service, TokenError};

/// A password request.
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: SecretString,
    pub(super) scope: Option<ScopeSet>,
    pub(super) resources: Vec<ResourceIndicator>,
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
        let subject = self.verify(&login.username, login.password).await?;
        let session = SessionId::new(context.request.received, &*self.parts.rng);
        for _ in 0..ATTEMPTS {
            let decision = self
                .decide_login(&login.scope, &login.resources, subject, session, context)
                .await?;
            let token = self.first_token(&decision, subject, session);
            let row = new_session(&token, &decision, context);
            match self.parts.sessions.begin(&row, decision.head).await? {
                Begin::CatchUp => self.parts.revocations.catch_up().await?,
                Begin::Begun => {
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
    async fn verify(&self, username: &str, password: SecretString) -> Result<Subject, TokenError> {
        let name = username
            .parse::<LoginName>()
            .map_err(|_| TokenError::PasswordWrong)?;
        let found = self.parts.facts.store().credential(&name).await?;
        let key = match &found {
            Some(credential) => ThrottleKey::of_account(credential.user.subject),
            None => ThrottleKey::of_unknown(&name),
        };
        self.check_throttle(key).await?;
        let turn = self.parts.lane.enter().await?;
        // Failures that were counted while this request waited for its turn hold for it, too.
        self.check_throttle(key).await?;
        let hash = found
            .as_ref()
            .map_or_else(|| self.decoy.clone(), |credential| credential.password.clone());
        let cost = self.parts.password_cost;
        let rng = self.parts.rng.clone();
        // A disabled user is judged before the work, so that a right password is not hashed anew for one: that would
        // take longer than a wrong one.
        let may_log_in = found.as_ref().is_some_and(|credential| credential.user.active);
        let verified = turn
            .run(move |memory| {
                let good = hash.verify(&password, memory) && may_log_in;
                let fresh = (good && hash.cost() != cost)
                    .then(|| PasswordHash::create(&password, cost, &*rng, memory));
                (good, fresh.and_then(Result::ok))
            })
            .await?;
        match (verified, found) {
            ((true, fresh), Some(credential)) => {
                self.parts.throttle.succeeded(key).await;
                self.rehash(&credential, fresh).await;
                Ok(credential.user.subject)
            }
            _ => {
                self.parts.throttle.failed(key).await;
                Err(TokenError::PasswordWrong)
            }
        }
    }

    async fn check_throttle(&self, key: ThrottleKey) -> Result<(), TokenError> {
        match self.parts.throttle.check(key).await {
            Throttle::Open => Ok(()),
            Throttle::Wait(wait) => Err(TokenError::Throttled(wait)),
        }
    }

    /// Keeps the hash of today's cost. A failure is logged and changes nothing: the next login tries again.
    async fn rehash(&self, credential: &Credential, fresh: Option<PasswordHash>) {
        let Some(fresh) = fresh else { return };
        let subject = credential.user.subject;
        if let Err(error) = self
            .parts
            .facts
            .store()
            .rehash(subject, &credential.password, &fresh)
            .await
        {
            tracing::warn!(%subject, %error, "the password hash could not be renewed");
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
