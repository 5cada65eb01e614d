//! Who may come in.

use std::sync::Arc;

use async_trait::async_trait;
use symbolon_admin_api::{Denied, Gate, Presented, Principal};
use symbolon_core::Subject;
use symbolon_core::audit::Actor;
use symbolon_core::ports::StoreError;
use symbolon_core::rights::admin_audience;
use symbolon_core::user::ADMIN_SCOPES;
use symbolon_oauth_types::ScopeSet;
use symbolon_token_endpoint::{Service, TokenError};

/// Admits ordinary access tokens of this server for the admin audience that are on record and still good, by the function
/// that introspection goes by.
pub struct TokenGate {
    service: Arc<Service>,
}

impl TokenGate {
    /// The gate of a node.
    pub fn new(service: Arc<Service>) -> Self {
        Self { service }
    }
}

#[async_trait]
impl Gate for TokenGate {
    async fn admit(&self, presented: &Presented<'_>) -> Result<Principal, Denied> {
        let token = presented.token.ok_or(Denied::Missing)?;
        let accepted = match self.service.accept(token, admin_audience()).await {
            Ok(accepted) => accepted,
            Err(TokenError::Store(error)) => return Err(Denied::Unavailable(error)),
            Err(error) if error.refuses_token() => return Err(Denied::Refused(error.reason())),
            // Nothing was said of the token.
            Err(error) => return Err(Denied::Unavailable(StoreError::Unavailable(error.to_string()))),
        };
        let (client, uid) = (&accepted.client.client_id, accepted.client.uid);
        Ok(match &accepted.user {
            Some(user) => Principal {
                actor: Actor::user(Subject(user.subject.0)),
                via: Some(client.clone()),
                client: Some(uid),
                scope: accepted.claims.scope,
                judged: Some(accepted.judged),
            },
            None => Principal {
                actor: Actor::client(client),
                via: None,
                client: Some(uid),
                scope: accepted.claims.scope,
                judged: Some(accepted.judged),
            },
        })
    }
}

/// Admits whoever works on the database itself: they can do everything to it anyway, and do it on record.
pub struct OperatorGate {
    principal: Principal,
}

impl OperatorGate {
    /// The gate of a command that this operator runs.
    ///
    /// # Errors
    /// The scopes of the admin API are malformed, which a test rules out.
    pub fn new(operator: Actor) -> anyhow::Result<Self> {
        let scope: ScopeSet = ADMIN_SCOPES.join(" ").parse()?;
        Ok(Self {
            principal: Principal {
                actor: operator,
                via: None,
                client: None,
                scope,
                judged: None,
            },
        })
    }
}

#[async_trait]
impl Gate for OperatorGate {
    async fn admit(&self, _presented: &Presented<'_>) -> Result<Principal, Denied> {
        Ok(self.principal.clone())
    }
}
