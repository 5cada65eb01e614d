use symbolon_core::UnixMillis;
use symbolon_core::authorize::{KeyBinding, Purpose};
use symbolon_oauth_types::revocation::Revocable;
use symbolon_oauth_types::{GrantType, ResourceIndicator, ScopeSet, TokenResponse};

use super::{Context, asked};
use crate::decision::Question;
use crate::issue::Holder;
use crate::{Service, TokenError};

impl Service {
    /// The client credentials grant ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)). No
    /// refresh token. The facts are those of at most a lease ago; the token's own moment makes it die with its client.
    pub(super) async fn client_credentials(
        &self,
        scope: Option<ScopeSet>,
        resources: Vec<ResourceIndicator>,
        context: &Context<'_>,
    ) -> Result<TokenResponse, TokenError> {
        let client = context.client.client();
        let decision = self
            .decide(&Question {
                purpose: Purpose::Issue {
                    requested: scope.as_ref(),
                },
                grants: &[GrantType::ClientCredentials],
                client: client.uid,
                subject: None,
                audiences: asked(&resources),
                revocable: Revocable {
                    started: context.request.received,
                    subject: client.uid.0,
                    client_id: client.client_id.as_str(),
                    session: None,
                    token: None,
                    kid: None,
                },
                key_binding: KeyBinding::default(),
            })
            .await?;
        let holder = Holder {
            subject: client.uid.0,
            session: None,
            ends: UnixMillis::NEVER,
        };
        self.mint(decision, holder, None, &context.request).await
    }
}
