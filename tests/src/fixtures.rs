use symbolon_core::client::{AuthMethod, ClientPolicy, ClientType, ServedAudience};
use symbolon_core::{ClientUid, Subject};
use symbolon_oauth_types::{GrantType, ScopeSet};

/// Password of every test user.
pub const PASSWORD: &str = "correct horse battery staple";
/// What every test user and client may have, unless a test says otherwise.
pub const SCOPE: &str = "orders:read orders:write";
/// The resource server that is there from the start.
pub const AUDIENCE: &str = "https://api.example";

/// A client as a test knows it.
#[derive(Clone, Debug)]
pub struct TestClient {
    /// Its unchanging identity.
    pub uid: ClientUid,
    /// Its name on the wire.
    pub id: String,
    /// Its secret; empty for public clients.
    pub secret: String,
}

/// A user as a test knows it.
#[derive(Clone, Debug)]
pub struct TestUser {
    /// The subject.
    pub subject: Subject,
    /// The name to log in with.
    pub name: String,
}

/// A client to be made: every grant, [`SCOPE`], [`AUDIENCE`]. Tests change `policy` at will.
#[derive(Clone, Debug)]
pub struct ClientSpec {
    /// Its name on the wire.
    pub id: String,
    /// What it may do.
    pub policy: ClientPolicy,
}

impl ClientSpec {
    /// A confidential application.
    #[expect(clippy::expect_used, reason = "test support: the constants are valid")]
    pub fn confidential(id: &str) -> Self {
        let scope: ScopeSet = SCOPE.parse().expect("a scope");
        let policy = ClientPolicy {
            auth_methods: [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost].into(),
            grants: GrantType::ALL.into(),
            default_scope: scope.clone(),
            scope,
            audiences: vec![AUDIENCE.parse().expect("an audience")],
            ..ClientPolicy::new(id, ClientType::Confidential)
        };
        Self {
            id: id.to_owned(),
            policy,
        }
    }

    /// A public application.
    pub fn public(id: &str) -> Self {
        let mut spec = Self::confidential(id);
        spec.policy.client_type = ClientType::Public;
        spec.policy.auth_methods = [AuthMethod::None].into();
        spec.policy.grants.remove(&GrantType::ClientCredentials);
        spec
    }

    /// A resource server.
    #[expect(clippy::expect_used, reason = "test support: a bad audience is a failed test")]
    pub fn resource_server(id: &str, audience: &str) -> Self {
        let mut spec = Self::confidential(id);
        spec.policy.grants.clear();
        spec.policy.audiences.clear();
        let indicator = audience.parse().expect("an audience");
        spec.policy.serves = vec![ServedAudience {
            indicator,
            signing_alg: None,
            access_token_lifetime: None,
        }];
        spec
    }

    /// Changes the policy.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut ClientPolicy)) -> Self {
        change(&mut self.policy);
        self
    }
}
