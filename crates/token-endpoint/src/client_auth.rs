use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::SecretString;
use symbolon_core::authorize::Refusal;
use symbolon_core::client::{AuthMethod, Client};
use symbolon_core::{ClientId, RequestInfo};
use symbolon_oauth_types::{BasicCredentials, Form};

use crate::{Service, TokenError};

/// A client that has authenticated, or for public clients has named itself. Only [`Service::authenticate`] makes one.
#[derive(Clone, Debug)]
pub(crate) struct AuthenticatedClient {
    client: Arc<Client>,
    method: AuthMethod,
}

impl AuthenticatedClient {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the client proved who it is.
    pub(crate) fn is_proven(&self) -> bool {
        self.method != AuthMethod::None
    }
}

/// What a request presents, before anything is looked up.
struct Presented {
    client_id: ClientId,
    secret: Option<SecretString>,
    method: AuthMethod,
}

impl Service {
    /// Authenticates the client ([RFC 6749 section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)); every
    /// endpoint calls this and nothing else.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        form: &Form<'_>,
        request: &RequestInfo,
    ) -> Result<AuthenticatedClient, TokenError> {
        let presented = presented(headers, form)?;
        let client = self.parts.facts.client(&presented.client_id).await?;
        let client = client.ok_or(TokenError::ClientUnknown)?;
        if let Err(error) = self.check(&client, &presented) {
            self.tell_refused_client(&client, &error, request);
            return Err(error);
        }
        Ok(AuthenticatedClient {
            client,
            method: presented.method,
        })
    }

    fn check(&self, client: &Client, presented: &Presented) -> Result<(), TokenError> {
        if !client.policy.auth_methods.contains(&presented.method) {
            return Err(TokenError::ClientAuthMethod);
        }
        if let Some(secret) = &presented.secret {
            let now = self.parts.clock.now();
            let secrets = &self.parts.secrets;
            if !secrets.matches(client.uid, secret, &client.secrets, now) {
                return Err(TokenError::ClientSecretWrong);
            }
        }
        if client.active {
            Ok(())
        } else {
            Err(TokenError::Refused(Refusal::ClientDisabled))
        }
    }
}

fn presented(headers: &HeaderMap, form: &Form<'_>) -> Result<Presented, TokenError> {
    let mut authorization = headers.get_all(AUTHORIZATION).iter();
    let header = authorization.next();
    if authorization.next().is_some() {
        return Err(TokenError::ClientAuthTwice);
    }
    let (in_body, secret) = (form.value("client_id"), form.value("client_secret"));
    let id = |text: &str| text.parse::<ClientId>().map_err(|_| TokenError::ClientUnknown);
    let Some(header) = header else {
        let client_id = id(in_body.ok_or(TokenError::ClientAuthMissing)?)?;
        let method = if secret.is_some() {
            AuthMethod::ClientSecretPost
        } else {
            AuthMethod::None
        };
        return Ok(Presented {
            client_id,
            secret: secret.map(SecretString::from),
            method,
        });
    };
    let basic = BasicCredentials::parse(header.as_bytes()).map_err(|_| TokenError::ClientAuthMalformed)?;
    // Section 2.3: not more than one method. A bare client_id that agrees is no second one.
    if secret.is_some() || in_body.is_some_and(|named| named != basic.client_id) {
        return Err(TokenError::ClientAuthTwice);
    }
    Ok(Presented {
        client_id: id(&basic.client_id)?,
        secret: Some(basic.client_secret),
        method: AuthMethod::ClientSecretBasic,
    })
}
