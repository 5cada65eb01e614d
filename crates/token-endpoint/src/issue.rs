use symbolon_core::client::Client;
use symbolon_core::ports::AdminToken;
use symbolon_core::refresh::RefreshToken;
use symbolon_core::rights::is_admin_audience;
use symbolon_core::{RequestInfo, SessionId, TokenId, UnixMillis};
use symbolon_oauth_types::{AccessTokenClaims, Audiences, TokenResponse};
use uuid::Uuid;

use crate::accept::digest;
use crate::decision::Decision;
use crate::{Service, TokenError};

/// For whom an access token is minted.
pub(crate) struct Holder {
    pub(crate) subject: Uuid,
    pub(crate) session: Option<SessionId>,
    /// The token does not outlive this.
    pub(crate) ends: UnixMillis,
}

impl Service {
    /// Mints: the last step, after every check. A token that is signed while it is being revoked carries the moment
    /// at which its request came in, and is dead.
    pub(crate) async fn mint(
        &self,
        decision: Decision,
        holder: Holder,
        refresh: Option<&RefreshToken>,
        request: &RequestInfo,
    ) -> Result<TokenResponse, TokenError> {
        let issued = decision.decided.as_secs();
        let lifetime = u64::from(self.access_token_secs(&decision));
        let for_admin = decision.authorization.audiences.iter().any(is_admin_audience);
        let expires = (issued + lifetime).min(holder.ends.as_secs());
        let claims = AccessTokenClaims {
            iss: self.parts.issuer.clone(),
            sub: holder.subject,
            aud: Audiences(
                decision
                    .authorization
                    .audiences
                    .into_iter()
                    .map(String::from)
                    .collect(),
            ),
            exp: expires,
            iat: issued,
            jti: TokenId::new(request.received, &*self.parts.rng).0,
            client_id: decision.client.client_id.as_str().to_owned(),
            scope: decision.authorization.scope,
            sid: holder.session.map(|sid| sid.0),
        };
        let access_token = self
            .parts
            .tokens
            .sign(decision.authorization.signing_alg, &claims)
            .await?;
        if for_admin {
            self.put_on_record(&access_token, &claims, &decision.client, request)
                .await?;
        }
        Ok(TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in: expires.saturating_sub(self.parts.clock.now().as_secs()),
            refresh_token: refresh.map(|token| self.seal(token)).transpose()?,
            scope: claims.scope,
        })
    }

    /// The text of a refresh token.
    fn seal(&self, token: &RefreshToken) -> Result<String, TokenError> {
        use secrecy::ExposeSecret;
        let sealed = self.parts.seal.seal(token).map_err(|_| TokenError::Seal)?;
        Ok(sealed.expose_secret().to_owned())
    }

    /// Puts an access token for the admin API on record, with its event on the audit trail. One that could not be put there
    /// is not handed out.
    async fn put_on_record(
        &self,
        access_token: &str,
        claims: &AccessTokenClaims,
        client: &Client,
        request: &RequestInfo,
    ) -> Result<(), TokenError> {
        let token = AdminToken {
            token: TokenId(claims.jti),
            digest: digest(access_token),
            expires: UnixMillis(claims.exp.saturating_mul(1000)),
        };
        let event = self.admin_token_issued(claims, client, request);
        Ok(self.parts.admin_tokens.record_token(&token, &event).await?)
    }

    /// What the client says, or the server, and no more than the resource servers allow.
    fn access_token_secs(&self, decision: &Decision) -> u32 {
        let own = decision.client.policy.access_token_lifetime;
        let secs = own.unwrap_or(self.parts.lifetimes.access_token_secs);
        decision
            .authorization
            .max_lifetime
            .map_or(secs, |most| most.min(secs))
    }
}
