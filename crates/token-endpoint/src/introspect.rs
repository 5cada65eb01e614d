use secrecy::SecretString;
use symbolon_core::authorize::{KeyBinding, Purpose};
use symbolon_core::client::Client;
use symbolon_core::ports::Fence;
use symbolon_core::refresh::RefreshToken;
use symbolon_core::revocation::Head;
use symbolon_core::rotation::Rotation;
use symbolon_core::tokens::VerifiedAccessToken;
use symbolon_core::{ClientId, SessionId, Subject, TokenId};
use symbolon_oauth_types::revocation::Revocable;
use symbolon_oauth_types::{AccessTokenClaims, GrantType, IntrospectionResponse, ResourceIndicator};

use crate::client_auth::AuthenticatedClient;
use crate::decision::{ATTEMPTS, Question};
use crate::grant::refresh_token::session_revocable;
use crate::{Service, TokenError};

impl Service {
    /// Token introspection ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)). The hint is not needed: a token
    /// tells by itself what it is. Whatever is not good for this caller is inactive, and nothing else is told.
    pub(crate) async fn introspect(
        &self,
        token: &str,
        caller: &AuthenticatedClient,
    ) -> Result<IntrospectionResponse, TokenError> {
        if !caller.is_proven() {
            return Err(TokenError::ClientAuthMethod);
        }
        if let Some(refresh) = self.parts.seal.open(&SecretString::from(token)) {
            return self.introspect_refresh_token(&refresh, caller.client()).await;
        }
        let Some(token) = self.parts.tokens.verify(token) else {
            return Ok(IntrospectionResponse::INACTIVE);
        };
        if self.parts.clock.now().as_secs() >= token.claims.exp {
            return Ok(IntrospectionResponse::INACTIVE);
        }
        // Section 4: a token is shown only to the resource servers that it is for.
        let shared = audiences_of(caller.client(), &token.claims);
        if shared.is_empty() {
            return Ok(IntrospectionResponse::INACTIVE);
        }
        self.judge(&token, &shared).await
    }

    /// A refresh token is shown to the client that holds it and to nobody else: for a resource server it is no token.
    /// It is active where using it now would succeed; asking changes nothing.
    async fn introspect_refresh_token(
        &self,
        token: &RefreshToken,
        caller: &Client,
    ) -> Result<IntrospectionResponse, TokenError> {
        let facts = &token.facts;
        if facts.client != caller.uid || self.check_age(token, caller).is_err() {
            return Ok(IntrospectionResponse::INACTIVE);
        }
        let audiences: Vec<_> = facts.audiences.iter().cloned().collect();
        for _ in 0..ATTEMPTS {
            let question = Question {
                purpose: Purpose::Introspect { scope: &facts.scope },
                grants: &[facts.grant, GrantType::RefreshToken],
                client: caller.uid,
                subject: Some(facts.subject),
                audiences: Some(&audiences),
                revocable: session_revocable(token, caller),
                // Who asks holds the token but need not hold the key that it is bound to.
                key_binding: KeyBinding {
                    required: facts.key_binding.as_ref(),
                    proved: facts.key_binding.as_ref(),
                },
            };
            let decision = match self.decide(&question).await {
                Ok(decision) => decision,
                // What is not known to be applied can only take more away.
                Err(TokenError::Refused(_) | TokenError::ClientUnknown) => {
                    return Ok(IntrospectionResponse::INACTIVE);
                }
                Err(error) => return Err(error),
            };
            match self
                .parts
                .sessions
                .peek(&self.rotation_request(token, &decision))
                .await?
            {
                Rotation::CatchUp => self.parts.revocations.catch_up().await?,
                Rotation::Kept | Rotation::Replayed { .. } | Rotation::Rotated { .. } => {
                    return Ok(IntrospectionResponse::RefreshToken {
                        active: true,
                        client_id: caller.client_id.as_str().to_owned(),
                        scope: decision.authorization.scope,
                        sub: facts.subject.0,
                        sid: facts.session.0,
                        exp: facts.ends.as_secs(),
                        iat: token.issued.as_secs(),
                    });
                }
                Rotation::Lost => return Err(TokenError::SessionsLost),
                Rotation::Expired | Rotation::Reused | Rotation::Revoked | Rotation::Unknown => {
                    return Ok(IntrospectionResponse::INACTIVE);
                }
            }
        }
        Err(TokenError::CatchUpExhausted)
    }

    /// Asks `authorize()` with everything that was on the log when the question came in.
    async fn judge(
        &self,
        token: &VerifiedAccessToken,
        audiences: &[ResourceIndicator],
    ) -> Result<IntrospectionResponse, TokenError> {
        let claims = &*token.claims;
        let session = claims.sid.map(SessionId);
        let Fence { head: fence, killed } = self.parts.sessions.fence(Subject(claims.sub), session).await?;
        if killed {
            return Ok(IntrospectionResponse::INACTIVE);
        }
        for _ in 0..ATTEMPTS {
            if !covers(self.parts.revocations.applied().head, fence) {
                self.parts.revocations.catch_up().await?;
            }
            let Ok(client_id) = claims.client_id.parse::<ClientId>() else {
                return Ok(IntrospectionResponse::INACTIVE);
            };
            let Some(client) = self.parts.facts.client(&client_id).await? else {
                return Ok(IntrospectionResponse::INACTIVE);
            };
            let own = claims.sid.is_none();
            if own && claims.sub != client.uid.0 {
                return Ok(IntrospectionResponse::INACTIVE);
            }
            let question = Question {
                purpose: Purpose::Introspect { scope: &claims.scope },
                grants: &[origin(own, &client)],
                client: client.uid,
                subject: (!own).then_some(Subject(claims.sub)),
                audiences: Some(audiences),
                revocable: revocable(token),
                key_binding: KeyBinding::default(),
            };
            match self.decide(&question).await {
                Ok(decision) if covers(decision.head, fence) => {
                    let scope = decision.authorization.scope;
                    return Ok(IntrospectionResponse::access_token(AccessTokenClaims {
                        scope,
                        ..claims.clone()
                    }));
                }
                Ok(_) => {}
                Err(TokenError::Refused(_) | TokenError::ClientUnknown) => {
                    return Ok(IntrospectionResponse::INACTIVE);
                }
                Err(error) => return Err(error),
            }
        }
        Err(TokenError::CatchUpExhausted)
    }
}

/// What revocations of an access token are judged by.
pub(crate) fn revocable(token: &VerifiedAccessToken) -> Revocable<'_> {
    let claims = &token.claims;
    let started = claims
        .sid
        .map_or(TokenId(claims.jti).moment(), |sid| SessionId(sid).moment());
    Revocable {
        started,
        subject: claims.sub,
        client_id: &claims.client_id,
        session: claims.sid,
        token: Some(claims.jti),
        kid: Some(token.kid.as_str()),
    }
}

/// A client's own token came from client_credentials; a session from whichever grant that begins sessions the client
/// may still use.
fn origin(own: bool, client: &Client) -> GrantType {
    let begins = |grant: &&GrantType| grant.starts_session();
    match own {
        true => GrantType::ClientCredentials,
        false => client
            .policy
            .grants
            .iter()
            .find(begins)
            .copied()
            .unwrap_or(GrantType::Password),
    }
}

/// The audiences of the token that the caller is.
fn audiences_of(caller: &Client, claims: &AccessTokenClaims) -> Vec<ResourceIndicator> {
    let served = caller.policy.serves.iter().map(|served| &served.indicator);
    served
        .filter(|indicator| claims.aud.0.iter().any(|aud| aud == indicator.as_str()))
        .cloned()
        .collect()
}

fn covers(applied: Head, fence: Head) -> bool {
    applied.log == fence.log && applied.seq >= fence.seq && applied.facts >= fence.facts
}
