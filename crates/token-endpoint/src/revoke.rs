use secrecy::SecretString;
use symbolon_core::audit::{Act, Actor};
use symbolon_core::client::Client;
use symbolon_core::revocation::{NewRevocation, Reach, token_owner};
use symbolon_core::tokens::VerifiedAccessToken;
use symbolon_core::{RequestInfo, Subject};
use symbolon_oauth_types::revocation::Revocable;

use crate::accept::revocable;
use crate::grant::refresh_token::session_revocable;
use crate::{Service, TokenError};

const REASON: &str = "revoked by the client";

impl Service {
    /// Token revocation ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)). A refresh token takes its session with
    /// it, an access token only itself. A token that is not this client's, or is no token, changes nothing, and the
    /// answer is the same (section 2.2). Only when the log has the entry is the answer a success.
    /// Where it is revoked already, it is promised anew: that this node knows does not say that all do.
    pub(crate) async fn revoke(
        &self,
        token: &str,
        client: &Client,
        request: &RequestInfo,
    ) -> Result<Reach, TokenError> {
        if let Some(refresh) = self.parts.seal.open(&SecretString::from(token)) {
            let facts = &refresh.facts;
            if self.parts.clock.now() >= facts.ends || facts.client != client.uid {
                return Ok(Reach::Everywhere);
            }
            if self.is_revoked(&session_revocable(&refresh, client)) {
                return self.promise(facts.subject).await;
            }
            let entry = NewRevocation::session(facts.session, facts.ends)
                .of(facts.subject)
                .by(&act(client, request));
            return Ok(self.parts.revocations.revoke(entry).await?);
        }
        let Some(access) = self.parts.tokens.verify(token) else {
            return Ok(Reach::Everywhere);
        };
        let claims = &access.claims;
        if self.parts.clock.now().as_secs() >= claims.exp || claims.client_id != client.client_id.as_str() {
            return Ok(Reach::Everywhere);
        }
        if self.is_revoked(&revocable(&access)) {
            return self.promise(Subject(claims.sub)).await;
        }
        self.revoke_access_token(&access, client, request).await
    }

    async fn promise(&self, whose: Subject) -> Result<Reach, TokenError> {
        Ok(self.parts.revocations.promise(Some(whose)).await?)
    }

    /// Whether an entry that this node has applied revokes it already. Entries are never taken back, so that one
    /// that is not known yet costs no more than a second one.
    fn is_revoked(&self, token: &Revocable<'_>) -> bool {
        self.parts.revocations.applied().cutoffs.revokes(token).is_some()
    }

    async fn revoke_access_token(
        &self,
        token: &VerifiedAccessToken,
        client: &Client,
        request: &RequestInfo,
    ) -> Result<Reach, TokenError> {
        let live = self
            .parts
            .revocations
            .live_tokens(token_owner(&token.claims))
            .await?;
        let entry = NewRevocation::access_token(&token.claims, live).ok_or(TokenError::TooManyRevocations)?;
        let entry = entry.by(&act(client, request));
        Ok(self.parts.revocations.revoke(entry).await?)
    }
}

fn act(client: &Client, request: &RequestInfo) -> Act {
    Act::new(Actor::client(&client.client_id), REASON).in_request(request)
}
