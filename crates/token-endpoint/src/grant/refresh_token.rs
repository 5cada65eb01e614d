use secrecy::SecretString;
use symbolon_core::RequestInfo;
use symbolon_core::audit::Act;
use symbolon_core::authorize::{KeyBinding, Purpose};
use symbolon_core::client::{Client, RotationPolicy};
use symbolon_core::ports::KilledSession;
use symbolon_core::refresh::RefreshToken;
use symbolon_core::revocation::{NewRevocation, Reach};
use symbolon_core::rotation::{Rotation, RotationRequest, RotationRules};
use symbolon_oauth_types::revocation::Revocable;
use symbolon_oauth_types::{GrantType, ResourceIndicator, ScopeSet, TokenResponse};

use super::{Context, asked};
use crate::decision::{ATTEMPTS, Decision, Question};
use crate::issue::Holder;
use crate::{Service, TokenError};

/// A refresh request.
pub(super) struct Presented {
    pub(super) refresh_token: SecretString,
    pub(super) scope: Option<ScopeSet>,
    pub(super) resources: Vec<ResourceIndicator>,
}

impl Service {
    /// Refreshing an access token ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)). The seal
    /// gives all facts of the session before any store is asked; the rotation is the one commit point.
    pub(super) async fn refresh(
        &self,
        presented: Presented,
        context: &Context<'_>,
    ) -> Result<TokenResponse, TokenError> {
        let client = context.client.client();
        let token = self
            .parts
            .seal
            .open(&presented.refresh_token)
            .ok_or(TokenError::RefreshForged)?;
        if token.facts.client != client.uid {
            return Err(TokenError::RefreshWrongClient);
        }
        self.check_age(&token, client)?;
        for _ in 0..ATTEMPTS {
            let decision = self.decide_refresh(&token, &presented, client).await?;
            let request = self.rotation_request(&token, &decision);
            let outcome = self.parts.sessions.rotate(&request).await?;
            self.parts.metrics.rotation(&outcome);
            let successor = match outcome {
                Rotation::CatchUp => {
                    self.parts.revocations.catch_up().await?;
                    continue;
                }
                Rotation::Kept => None,
                Rotation::Rotated {
                    generation,
                    issued,
                    adopted,
                } => {
                    if adopted {
                        let session = token.facts.session;
                        tracing::warn!(%session, "the session store was behind: a sealed refresh token was adopted");
                    }
                    Some(token.successor(generation, issued))
                }
                Rotation::Replayed {
                    generation,
                    issued,
                    late,
                } => {
                    self.tell_replay(&token.facts, late, client, &context.request);
                    Some(token.successor(generation, issued))
                }
                Rotation::Expired => return Err(TokenError::RefreshExpired),
                Rotation::Lost => return Err(TokenError::SessionsLost),
                Rotation::Reused => return Err(self.reused(&token, client, &context.request).await),
                Rotation::Revoked => return Err(TokenError::RefreshRevoked),
                Rotation::Unknown => return Err(TokenError::RefreshUnknown),
            };
            let facts = &token.facts;
            let holder = Holder {
                subject: facts.subject.0,
                session: Some(facts.session),
                ends: facts.ends,
            };
            return self
                .mint(decision, holder, successor.as_ref(), &context.request)
                .await;
        }
        Err(TokenError::CatchUpExhausted)
    }

    /// Absolute end and idle time are in the seal.
    pub(crate) fn check_age(&self, token: &RefreshToken, client: &Client) -> Result<(), TokenError> {
        let now = self.parts.clock.now();
        if now >= token.facts.ends {
            return Err(TokenError::RefreshExpired);
        }
        let idle = client
            .policy
            .refresh_idle_lifetime
            .unwrap_or(self.parts.lifetimes.refresh_idle_secs);
        let rotates = client.policy.rotation == RotationPolicy::Always;
        if rotates && now.since(token.issued) >= u64::from(idle) * 1000 {
            return Err(TokenError::RefreshIdle);
        }
        Ok(())
    }

    async fn decide_refresh(
        &self,
        token: &RefreshToken,
        presented: &Presented,
        client: &Client,
    ) -> Result<Decision, TokenError> {
        let facts = &token.facts;
        let session_audiences: Vec<_> = facts.audiences.iter().cloned().collect();
        let audiences = asked(&presented.resources).unwrap_or(&session_audiences);
        if !audiences
            .iter()
            .all(|audience| facts.audiences.contains(audience))
        {
            return Err(TokenError::Refused(
                symbolon_core::authorize::Refusal::AudienceNotAllowed,
            ));
        }
        self.decide(&Question {
            purpose: Purpose::Refresh {
                granted: &facts.scope,
                requested: presented.scope.as_ref(),
            },
            grants: &[facts.grant, GrantType::RefreshToken],
            client: client.uid,
            subject: Some(facts.subject),
            audiences: Some(audiences),
            revocable: session_revocable(token, client),
            key_binding: KeyBinding {
                required: facts.key_binding.as_ref(),
                proved: None,
            },
        })
        .await
    }

    pub(crate) fn rotation_request(&self, token: &RefreshToken, decision: &Decision) -> RotationRequest {
        let (policy, defaults) = (&decision.client.policy, &self.parts.lifetimes);
        let late = policy.late_recoveries.unwrap_or(defaults.late_recoveries);
        RotationRequest {
            session: token.facts.session,
            subject: token.facts.subject,
            presented: token.generation,
            ends: token.facts.ends,
            applied: decision.head,
            now: self.parts.clock.now(),
            rules: RotationRules {
                rotate: policy.rotation == RotationPolicy::Always,
                overlap_ms: defaults.refresh_overlap_ms,
                late_per_day: token.facts.key_binding.is_none().then_some(late),
                adopt: defaults.adopt_lost_sessions,
            },
        }
    }

    /// The session is dead in the token store. The log must learn of it before the answer; if it can't now, the kill
    /// waits in the store's outbox until it can.
    async fn reused(&self, token: &RefreshToken, client: &Client, request: &RequestInfo) -> TokenError {
        let session = token.facts.session;
        self.tell_reuse(&token.facts, client, request);
        tracing::warn!(%session, subject = %token.facts.subject, "a refresh token was used again: the session is dead");
        let act = Act {
            via: Some(client.client_id.clone()),
            ..Act::server("refresh token reused").in_request(request)
        };
        let entry = NewRevocation::session(session, token.facts.ends)
            .of(token.facts.subject)
            .by(&act);
        let logged = match self.parts.revocations.revoke(entry).await {
            // The store has killed it already; what was missing is the log.
            Ok(Reach::Everywhere | Reach::Logged) => {
                let killed = KilledSession {
                    session,
                    subject: Some(token.facts.subject),
                    ends: token.facts.ends,
                };
                self.parts.sessions.killed_logged(&killed).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = logged {
            tracing::error!(%session, %error, "a killed session is not on the revocation log yet");
        }
        TokenError::RefreshReused
    }
}

/// What revocations of a session are judged by.
pub(crate) fn session_revocable<'a>(token: &RefreshToken, client: &'a Client) -> Revocable<'a> {
    Revocable {
        started: token.facts.session.moment(),
        subject: token.facts.subject.0,
        client_id: client.client_id.as_str(),
        session: Some(token.facts.session.0),
        token: None,
        kid: None,
    }
}
