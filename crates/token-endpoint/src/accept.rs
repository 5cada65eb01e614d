//! Whether an access token is good: the one judgement, whoever asks.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use symbolon_core::audit::Judged;
use symbolon_core::authorize::{KeyBinding, Purpose, Refusal};
use symbolon_core::client::Client;
use symbolon_core::ports::{Fence, StoreError};
use symbolon_core::revocation::Head;
use symbolon_core::rights::is_admin_audience;
use symbolon_core::tokens::VerifiedAccessToken;
use symbolon_core::user::User;
use symbolon_core::{ClientId, SessionId, Subject, TokenId};
use symbolon_oauth_types::revocation::{Revocable, RevocationKind};
use symbolon_oauth_types::{AccessTokenClaims, GrantType, ResourceIndicator};

use crate::decision::{ATTEMPTS, Question};
use crate::{Service, TokenError};

/// An access token that is good at this moment. Only [`Service::accept`] and introspection make one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// Its claims, with the scope that still holds: never empty.
    pub claims: AccessTokenClaims,
    /// The client that it was issued to, as it stands now.
    pub client: Arc<Client>,
    /// The user on whose behalf, as they stand now; `None` where the client acts for itself.
    pub user: Option<Arc<User>>,
    /// The revocations and facts by which it was accepted.
    pub judged: Judged,
}

impl Service {
    /// Accepts an access token of this server for that audience, where it is good at this moment: by everything that was on
    /// the revocation log when the question came in, and by the facts as they stand now. One for the admin API must be on
    /// record besides, byte for byte: a leaked signing key opens no admin door.
    ///
    /// # Errors
    /// [`TokenError::refuses_token`] tells the reasons that lie in the token from those for which nothing can be said of it
    /// at present. A store that gives no answer is never a yes.
    pub async fn accept(&self, token: &str, audience: &ResourceIndicator) -> Result<Accepted, TokenError> {
        let verified = self.verify_access_token(token)?;
        let claims = &*verified.claims;
        if !claims.aud.0.iter().any(|aud| aud == audience.as_str()) {
            return Err(TokenError::AccessTokenAudience);
        }
        if is_admin_audience(audience) {
            self.check_record(token, TokenId(claims.jti)).await?;
        }
        let fence = self.fence_or_log(claims).await?;
        self.judge(&verified, std::slice::from_ref(audience), fence).await
    }

    /// Signature, type, issuer and end. What else there is to say of a token hangs on who asks.
    pub(crate) fn verify_access_token(&self, token: &str) -> Result<VerifiedAccessToken, TokenError> {
        let verified = self.parts.tokens.verify(token);
        let verified = verified.ok_or(TokenError::AccessTokenForged)?;
        if self.parts.clock.now().as_secs() >= verified.claims.exp {
            return Err(TokenError::AccessTokenExpired);
        }
        Ok(verified)
    }

    async fn check_record(&self, token: &str, id: TokenId) -> Result<(), TokenError> {
        let now = self.parts.clock.now();
        let recorded = self.parts.admin_tokens.recorded_token(id, now).await?;
        match recorded {
            Some(recorded) if recorded.digest == digest(token) => Ok(()),
            _ => Err(TokenError::AccessTokenUnrecorded),
        }
    }

    /// What the node must know to answer for a token. Of a token without session the session store knows nothing that is not
    /// on the log: where it gives no answer the log itself is read, so that whoever administers by such a token can revoke
    /// while the session store is down.
    async fn fence_or_log(&self, claims: &AccessTokenClaims) -> Result<Fence, TokenError> {
        match self.fence(claims).await {
            Err(TokenError::Store(StoreError::Unavailable(_))) if claims.sid.is_none() => {
                self.parts.revocations.catch_up().await?;
                Ok(Fence {
                    head: self.parts.revocations.applied().head,
                    killed: false,
                })
            }
            answer => answer,
        }
    }

    /// What the node must know to answer for a token, as the session store says it.
    pub(crate) async fn fence(&self, claims: &AccessTokenClaims) -> Result<Fence, TokenError> {
        let session = claims.sid.map(SessionId);
        Ok(self.parts.sessions.fence(Subject(claims.sub), session).await?)
    }

    /// Asks `authorize()` with everything that is on the log up to the fence.
    pub(crate) async fn judge(
        &self,
        token: &VerifiedAccessToken,
        audiences: &[ResourceIndicator],
        fence: Fence,
    ) -> Result<Accepted, TokenError> {
        let claims = &*token.claims;
        if fence.killed {
            return Err(TokenError::Refused(Refusal::Revoked(RevocationKind::Session)));
        }
        // Every client that there is has an id of this form.
        let client_id: ClientId = claims.client_id.parse().map_err(|_| TokenError::ClientUnknown)?;
        for _ in 0..ATTEMPTS {
            if !covers(self.parts.revocations.applied().head, fence.head) {
                self.parts.revocations.catch_up().await?;
            }
            let client = self.parts.facts.client(&client_id).await?;
            let client = client.ok_or(TokenError::ClientUnknown)?;
            let own = claims.sid.is_none();
            if own && claims.sub != client.uid.0 {
                // It was made again since, under the same name.
                return Err(TokenError::ClientUnknown);
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
            let decision = self.decide(&question).await?;
            if covers(decision.head, fence.head) {
                let scope = decision.authorization.scope;
                return Ok(Accepted {
                    claims: AccessTokenClaims {
                        scope,
                        ..claims.clone()
                    },
                    client: decision.client,
                    user: decision.user,
                    judged: Judged {
                        head: decision.head,
                        of: revocable(token).lookup(),
                    },
                });
            }
        }
        Err(TokenError::CatchUpExhausted)
    }
}

/// What is kept of a token for the admin API.
pub(crate) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
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

fn covers(applied: Head, fence: Head) -> bool {
    applied.log == fence.log && applied.seq >= fence.seq && applied.facts >= fence.facts
}
