use secrecy::SecretString;
use symbolon_core::client::Client;
use symbolon_core::revocation::{NewRevocation, Reach};
use symbolon_core::tokens::VerifiedAccessToken;
use symbolon_core::{SessionId, Subject, TokenId, UnixMillis};
use symbolon_oauth_types::revocation::{Digest, Revocable, RevocationKind};

use crate::grant::refresh_token::session_revocable;
use crate::introspect::revocable;
use crate::{Service, TokenError};

/// `token` entries that one session, or one client for its own tokens, may have at a time, so that nobody can flood
/// the verifiers. Past it the session is revoked as a whole.
const MAX_TOKEN_ENTRIES: u64 = 64;
const REASON: &str = "revoked by the client";

impl Service {
    /// Token revocation ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)). A refresh token takes its session with
    /// it, an access token only itself. A token that is not this client's, or is no token, changes nothing, and the
    /// answer is the same (section 2.2). Only when the log has the entry is the answer a success.
    /// Where it is revoked already, it is promised anew: that this node knows does not say that all do.
    pub(crate) async fn revoke(&self, token: &str, client: &Client) -> Result<Reach, TokenError> {
        if let Some(refresh) = self.parts.seal.open(&SecretString::from(token)) {
            let facts = &refresh.facts;
            if self.parts.clock.now() >= facts.ends || facts.client != client.uid {
                return Ok(Reach::Everywhere);
            }
            if self.is_revoked(&session_revocable(&refresh, client)) {
                return self.promise(facts.subject).await;
            }
            return self
                .revoke_session(facts.session, facts.subject, facts.ends, client)
                .await;
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
        self.revoke_access_token(&access, client).await
    }

    async fn promise(&self, whose: Subject) -> Result<Reach, TokenError> {
        Ok(self.parts.revocations.promise(Some(whose)).await?)
    }

    /// Whether an entry that this node has applied revokes it already. Entries are never taken back, so that one
    /// that is not known yet costs no more than a second one.
    fn is_revoked(&self, token: &Revocable<'_>) -> bool {
        self.parts.revocations.applied().cutoffs.revokes(token).is_some()
    }

    async fn revoke_session(
        &self,
        session: SessionId,
        subject: Subject,
        ends: UnixMillis,
        client: &Client,
    ) -> Result<Reach, TokenError> {
        let entry = NewRevocation::session(session, ends)
            .of(subject)
            .because(REASON, &actor(client));
        Ok(self.parts.revocations.revoke(entry).await?)
    }

    async fn revoke_access_token(
        &self,
        token: &VerifiedAccessToken,
        client: &Client,
    ) -> Result<Reach, TokenError> {
        let claims = &token.claims;
        let subject = Subject(claims.sub);
        let owner = match claims.sid {
            Some(sid) => Digest::of_uuid(RevocationKind::Session, sid),
            None => Digest::of(RevocationKind::Client, &claims.client_id),
        };
        if self.parts.revocations.live_tokens(owner).await? >= MAX_TOKEN_ENTRIES {
            let Some(sid) = claims.sid else {
                return Err(TokenError::TooManyRevocations);
            };
            let longest = u64::from(symbolon_core::client::MAX_SESSION_SECS) * 1000;
            let session = SessionId(sid);
            return self
                .revoke_session(session, subject, session.moment().plus(longest), client)
                .await;
        }
        let expires = UnixMillis(claims.exp.saturating_mul(1000));
        let entry = NewRevocation::token(TokenId(claims.jti), owner, expires)
            .of(subject)
            .because(REASON, &actor(client));
        Ok(self.parts.revocations.revoke(entry).await?)
    }
}

fn actor(client: &Client) -> String {
    format!("client:{}", client.client_id)
}
