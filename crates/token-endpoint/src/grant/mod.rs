//! One file per grant. No HTTP here.

mod client_credentials;
pub(crate) mod detour;
mod password;
pub(crate) mod refresh_token;

use symbolon_core::RequestInfo;
use symbolon_oauth_types::{GrantRequest, TokenResponse};

use crate::client_auth::AuthenticatedClient;
use crate::{Service, TokenError};

/// What a grant knows of the request besides its parameters.
pub(crate) struct Context<'a> {
    pub(crate) client: &'a AuthenticatedClient,
    pub(crate) request: RequestInfo,
    pub(crate) user_agent: Option<String>,
}

impl Service {
    pub(crate) async fn redeem(
        &self,
        request: GrantRequest,
        context: &Context<'_>,
    ) -> Result<TokenResponse, TokenError> {
        match request {
            GrantRequest::ClientCredentials { scope, resources } => {
                self.client_credentials(scope, resources, context).await
            }
            GrantRequest::Password {
                username,
                password,
                scope,
                resources,
            } => {
                let login = password::Login {
                    username,
                    password,
                    scope,
                    resources,
                };
                self.password(login, context).await
            }
            GrantRequest::RefreshToken {
                refresh_token,
                scope,
                resources,
            } => {
                let presented = refresh_token::Presented {
                    refresh_token,
                    scope,
                    resources,
                };
                self.refresh(presented, context).await
            }
            GrantRequest::Unsupported => Err(TokenError::UnsupportedGrantType),
        }
    }
}

/// `None` where no resource was asked for, so that the default applies.
fn asked(
    resources: &[symbolon_oauth_types::ResourceIndicator],
) -> Option<&[symbolon_oauth_types::ResourceIndicator]> {
    (!resources.is_empty()).then_some(resources)
}
