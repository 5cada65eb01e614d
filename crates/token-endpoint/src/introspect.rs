use secrecy::SecretString;
use symbolon_core::authorize::{KeyBinding, Purpose};
use symbolon_core::client::Client;
use symbolon_core::refresh::RefreshToken;
use symbolon_core::rotation::Rotation;
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
        match self.introspect_access_token(token, caller.client()).await {
            Ok(claims) => Ok(IntrospectionResponse::access_token(claims)),
            Err(error) if error.refuses_token() => Ok(IntrospectionResponse::INACTIVE),
            Err(error) => Err(error),
        }
    }

    /// Section 4: a token is shown only to the resource servers that it is for.
    async fn introspect_access_token(
        &self,
        token: &str,
        caller: &Client,
    ) -> Result<AccessTokenClaims, TokenError> {
        let token = self.verify_access_token(token)?;
        let shared = audiences_of(caller, &token.claims);
        if shared.is_empty() {
            return Err(TokenError::AccessTokenAudience);
        }
        let fence = self.fence(&token.claims).await?;
        Ok(self.judge(&token, &shared, fence).await?.claims)
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
                Err(error) if error.refuses_token() => return Ok(IntrospectionResponse::INACTIVE),
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
}

/// The audiences of the token that the caller is.
fn audiences_of(caller: &Client, claims: &AccessTokenClaims) -> Vec<ResourceIndicator> {
    let served = caller.policy.serves.iter().map(|served| &served.indicator);
    served
        .filter(|indicator| claims.aud.0.iter().any(|aud| aud == indicator.as_str()))
        .cloned()
        .collect()
}
