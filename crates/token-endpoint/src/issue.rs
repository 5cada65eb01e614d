use symbolon_core::client::Client;
use symbolon_core::refresh::RefreshToken;
use symbolon_core::{RequestInfo, SessionId, TokenId, UnixMillis};
use symbolon_oauth_types::{AccessTokenClaims, Audiences, TokenResponse};
use uuid::Uuid;

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
        let lifetime = u64::from(self.access_token_secs(&decision.client));
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

    fn access_token_secs(&self, client: &Client) -> u32 {
        client
            .policy
            .access_token_lifetime
            .unwrap_or(self.parts.lifetimes.access_token_secs)
    }
}
