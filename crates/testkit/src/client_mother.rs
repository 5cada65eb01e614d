use symbolon_core::client::{AuthMethod, Client, ClientPolicy, ClientType, ServedAudience};
use symbolon_core::secret::ClientSecretHash;
use symbolon_core::{ClientId, ClientUid, UnixMillis};
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::{GrantType, ResourceIndicator};

use crate::{FakeClock, fresh_client_uid};

/// Makes a [`Client`] whose policy is valid unless a test breaks it.
#[derive(Clone, Debug)]
pub struct ClientMother(Client);

/// A confidential client that may use every grant, with the scope `orders:read orders:write`, of which `orders:read`
/// is the default, and without audience.
pub fn confidential_client(client_id: &str) -> ClientMother {
    ClientMother(Client {
        uid: fresh_client_uid(),
        client_id: id(client_id),
        active: true,
        created: FakeClock::START,
        policy: ClientPolicy {
            auth_methods: [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost].into(),
            grants: GrantType::ALL.into(),
            scope: "orders:read orders:write".parse().unwrap(),
            default_scope: "orders:read".parse().unwrap(),
            ..ClientPolicy::new(client_id, ClientType::Confidential)
        },
        audiences: vec![],
        secrets: vec![],
    })
}

/// A public client that may use `password` and `refresh_token`; otherwise as [`confidential_client`].
pub fn public_client(client_id: &str) -> ClientMother {
    confidential_client(client_id).policy(|policy| {
        policy.client_type = ClientType::Public;
        policy.auth_methods = [AuthMethod::None].into();
        policy.grants = [GrantType::Password, GrantType::RefreshToken].into();
    })
}

/// A confidential client that is the resource server `audience` and may use no grant.
pub fn resource_server(client_id: &str, audience: &str) -> ClientMother {
    confidential_client(client_id)
        .policy(|policy| {
            policy.grants.clear();
            (policy.scope, policy.default_scope) = Default::default();
        })
        .serves(audience, None)
}

impl ClientMother {
    /// With that identity.
    #[must_use]
    pub fn uid(mut self, uid: ClientUid) -> Self {
        self.0.uid = uid;
        self
    }

    /// Disabled.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.0.active = false;
        self
    }

    /// Made at that moment.
    #[must_use]
    pub fn created(mut self, at: UnixMillis) -> Self {
        self.0.created = at;
        self
    }

    /// May ask tokens for those resource servers, which the built client says are enabled.
    #[must_use]
    pub fn audiences(mut self, audiences: &[&str]) -> Self {
        self.0.policy.audiences = audiences.iter().map(|audience| indicator(audience)).collect();
        self.0.audiences = (self.0.policy.audiences.iter())
            .map(|indicator| symbolon_core::client::AllowedAudience {
                indicator: indicator.clone(),
                signing_alg: None,
                access_token_lifetime: None,
                active: true,
            })
            .collect();
        self
    }

    /// Is that resource server too.
    #[must_use]
    pub fn serves(mut self, audience: &str, signing_alg: Option<SigningAlg>) -> Self {
        self.0.policy.serves.push(ServedAudience {
            indicator: indicator(audience),
            signing_alg,
            access_token_lifetime: None,
        });
        self
    }

    /// May use exactly those grants.
    #[must_use]
    pub fn grants(mut self, grants: &[GrantType]) -> Self {
        self.0.policy.grants = grants.iter().copied().collect();
        self
    }

    /// May ask for that scope, and gets `default` when it asks for nothing.
    #[must_use]
    pub fn scope(mut self, scope: &str, default: &str) -> Self {
        self.0.policy.scope = scope.parse().unwrap();
        self.0.policy.default_scope = default.parse().unwrap();
        self
    }

    /// With that secret too.
    #[must_use]
    pub fn secret(mut self, secret: ClientSecretHash) -> Self {
        self.0.secrets.push(secret);
        self
    }

    /// With any other change of its policy.
    #[must_use]
    pub fn policy(mut self, change: impl FnOnce(&mut ClientPolicy)) -> Self {
        change(&mut self.0.policy);
        self
    }

    /// The client.
    pub fn build(self) -> Client {
        self.0
    }
}

fn id(client_id: &str) -> ClientId {
    client_id.parse().unwrap()
}

fn indicator(audience: &str) -> ResourceIndicator {
    audience.parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mother_makes_a_valid_policy() {
        let clients = [
            confidential_client("a").audiences(&["urn:api"]),
            public_client("b").audiences(&["urn:api"]),
            resource_server("c", "urn:api"),
        ];
        for client in clients {
            assert_eq!(client.build().policy.validate(), Ok(()));
        }
    }
}
