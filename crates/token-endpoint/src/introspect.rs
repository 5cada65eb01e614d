use symbolon_core::authorize::{KeyBinding, Purpose};
use symbolon_core::client::Client;
use symbolon_core::revocation::Head;
use symbolon_core::tokens::VerifiedAccessToken;
use symbolon_core::{ClientId, Subject, TokenId};
use symbolon_oauth_types::revocation::Revocable;
use symbolon_oauth_types::{AccessTokenClaims, GrantType, IntrospectionResponse, ResourceIndicator};

use crate::client_auth::AuthenticatedClient;
use crate::decision::{ATTEMPTS, Question};
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

    /// Asks `authorize()` with everything that was on the log when the question came in.
    async fn judge(
        &self,
        token: &VerifiedAccessToken,
        audiences: &[ResourceIndicator],
    ) -> Result<IntrospectionResponse, TokenError> {
        let claims = &*token.claims;
        let fence = self.parts.sessions.fence(Subject(claims.sub)).await?;
        for _ in 0..ATTEMPTS {
            if !covers(self.parts.revocations.applied().head, fence) {
                self.parts.revocations.catch_up().await?;
            }
            let Ok(client_id) = claims.client_id.parse::<ClientId>() else {
                break;
            };
            let Some(client) = self.parts.facts.client(&client_id).await? else {
                break;
            };
            let own = claims.sid.is_none();
            if own && claims.sub != client.uid.0 {
                break;
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
                Err(TokenError::Refused(_) | TokenError::ClientUnknown) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(IntrospectionResponse::INACTIVE)
    }
}

/// What revocations of an access token are judged by.
pub(crate) fn revocable(token: &VerifiedAccessToken) -> Revocable<'_> {
    let claims = &token.claims;
    let started = claims.sid.map_or(TokenId(claims.jti).moment(), |sid| {
        symbolon_core::SessionId(sid).moment()
    });
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
