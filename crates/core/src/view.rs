//! Records as administrators see them: in the admin API, at the command line, and before and after a change on the audit
//! trail. They hold no secret, nor the hash of one.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::UnixMillis;
use crate::client::{Client, ClientType};
use crate::ports::RegisteredScope;
use crate::secret::ClientSecretHash;
use crate::time::rfc3339;
use crate::user::{Role, User};

/// A client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientView {
    /// Its unchanging identity; `sub` in the tokens that it gets for itself.
    pub uid: Uuid,
    /// Its name on the wire.
    pub client_id: String,
    /// Name for people.
    pub name: String,
    /// `confidential` or `public`.
    #[serde(rename = "type")]
    pub client_type: String,
    /// False while it is disabled.
    pub active: bool,
    /// How it may authenticate.
    pub auth_methods: Vec<String>,
    /// The grants it may use.
    pub grants: Vec<String>,
    /// All scope it may ask for, separated by spaces.
    pub scope: String,
    /// What it gets when it asks for nothing.
    pub default_scope: String,
    /// The resource servers it may ask tokens for; the first is the default.
    pub audiences: Vec<String>,
    /// Those of them that are disabled or gone.
    pub inactive_audiences: Vec<String>,
    /// The resource servers it is.
    pub serves: Vec<ServedView>,
    /// Lifetime of its access tokens in seconds; null for the server's.
    pub access_token_lifetime: Option<u32>,
    /// Lifetime of its sessions in seconds; null for the server's.
    pub session_lifetime: Option<u32>,
    /// How long a refresh token may lie unused, in seconds; null for the server's.
    pub refresh_idle_lifetime: Option<u32>,
    /// `always` or `never`: whether refresh tokens rotate.
    pub rotation: String,
    /// Late recoveries per session and day; null for the server's.
    pub late_recoveries: Option<u8>,
    /// The algorithm its tokens are signed with; null for the server's.
    pub signing_alg: Option<String>,
    /// Origins whose scripts may call the token and revocation endpoints.
    pub cors_origins: Vec<String>,
    /// Its secrets, told apart by their ids.
    pub secrets: Vec<SecretView>,
    /// When it was made.
    pub created: String,
    /// The same in milliseconds since the epoch.
    pub created_ms: u64,
}

/// A resource server that a client is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = ServedAudience)]
pub struct ServedView {
    /// Its identifier, `aud` in its tokens.
    pub audience: String,
    /// The algorithm that it wants its tokens signed with; null leaves the choice to the client.
    pub signing_alg: Option<String>,
    /// How long its tokens may live at most, in seconds; null leaves it to the client.
    pub access_token_lifetime: Option<u32>,
}

/// A secret of a client, without the secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = ClientSecret)]
pub struct SecretView {
    /// Tells it from the client's others.
    pub id: String,
    /// From when on it is refused; null for never.
    pub expires: Option<String>,
    /// The same in milliseconds since the epoch.
    pub expires_ms: Option<u64>,
}

impl SecretView {
    /// Whether it is still good at that moment.
    pub fn is_live(&self, now: UnixMillis) -> bool {
        self.expires_ms.is_none_or(|end| now.0 < end)
    }
}

/// A user.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// The unchanging identity; `sub` in tokens.
    pub subject: Uuid,
    /// The name as it was given.
    pub username: String,
    /// The e-mail address, with which the user can log in too.
    pub email: Option<String>,
    /// False while the user is disabled.
    pub active: bool,
    /// Names of the roles held.
    pub roles: Vec<String>,
    /// When the user was made.
    pub created: String,
    /// The same in milliseconds since the epoch.
    pub created_ms: u64,
}

/// A role: a name for a set of scopes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Role)]
pub struct RoleView {
    /// Its name.
    pub name: String,
    /// What it allows, separated by spaces.
    pub scope: String,
}

/// A scope on the register.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Scope)]
pub struct ScopeView {
    /// The scope.
    pub name: String,
    /// What it allows, in words for people.
    pub description: String,
}

impl From<&Client> for ClientView {
    fn from(client: &Client) -> Self {
        let policy = &client.policy;
        let dead = client.audiences.iter().filter(|audience| !audience.active);
        Self {
            uid: client.uid.0,
            client_id: client.client_id.to_string(),
            name: policy.name.clone(),
            client_type: match policy.client_type {
                ClientType::Confidential => "confidential".to_owned(),
                ClientType::Public => "public".to_owned(),
            },
            active: client.active,
            auth_methods: policy
                .auth_methods
                .iter()
                .map(|m| m.as_str().to_owned())
                .collect(),
            grants: policy
                .grants
                .iter()
                .map(|grant| grant.as_str().to_owned())
                .collect(),
            scope: policy.scope.to_string(),
            default_scope: policy.default_scope.to_string(),
            audiences: policy.audiences.iter().map(ToString::to_string).collect(),
            inactive_audiences: dead.map(|audience| audience.indicator.to_string()).collect(),
            serves: policy
                .serves
                .iter()
                .map(|served| ServedView {
                    audience: served.indicator.to_string(),
                    signing_alg: served.signing_alg.map(|alg| alg.to_string()),
                    access_token_lifetime: served.access_token_lifetime,
                })
                .collect(),
            access_token_lifetime: policy.access_token_lifetime,
            session_lifetime: policy.session_lifetime,
            refresh_idle_lifetime: policy.refresh_idle_lifetime,
            rotation: policy.rotation.as_str().to_owned(),
            late_recoveries: policy.late_recoveries,
            signing_alg: policy.signing_alg.map(|alg| alg.to_string()),
            cors_origins: policy.cors_origins.iter().cloned().collect(),
            secrets: client.secrets.iter().map(SecretView::from).collect(),
            created: rfc3339(client.created),
            created_ms: client.created.0,
        }
    }
}

impl From<&ClientSecretHash> for SecretView {
    fn from(secret: &ClientSecretHash) -> Self {
        Self {
            id: secret.id(),
            expires: secret.expires.map(rfc3339),
            expires_ms: secret.expires.map(|UnixMillis(end)| end),
        }
    }
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            subject: user.subject.0,
            username: user.username.clone(),
            email: user.email.clone(),
            active: user.active,
            roles: user.roles.iter().map(ToString::to_string).collect(),
            created: rfc3339(user.created),
            created_ms: user.created.0,
        }
    }
}

impl From<&Role> for RoleView {
    fn from(role: &Role) -> Self {
        Self {
            name: role.name.to_string(),
            scope: role.scope.to_string(),
        }
    }
}

impl From<&RegisteredScope> for ScopeView {
    fn from(scope: &RegisteredScope) -> Self {
        Self {
            name: scope.name.to_string(),
            description: scope.description.clone(),
        }
    }
}

/// Which state of a record somebody has seen: another one of the same record has another version. It is the record's
/// entity tag ([RFC 9110 section 8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)) without its quotes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Version([u8; 16]);

impl Version {
    /// The version of a record as it is seen.
    pub fn of(view: &impl Serialize) -> Self {
        // Views are plain data, which has a form in JSON.
        let json = serde_json::to_vec(view).unwrap_or_default();
        let mut version = [0; 16];
        version.copy_from_slice(&Sha256::digest(&json)[..16]);
        Self(version)
    }

    /// Reads what [`Version`] displays.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32
            || !text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return None;
        }
        u128::from_str_radix(text, 16)
            .ok()
            .map(|bits| Self(bits.to_be_bytes()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_tell_states_apart_and_read_back() {
        let role = |scope: &str| RoleView {
            name: "a".into(),
            scope: scope.into(),
        };
        let version = Version::of(&role("x"));
        assert_eq!(version, Version::of(&role("x")));
        assert_ne!(version, Version::of(&role("y")));
        assert_eq!(Version::parse(&version.to_string()), Some(version));
        for bad in [
            "",
            "abc",
            &"g".repeat(32),
            &"A".repeat(32),
            &format!("+{}", "1".repeat(31)),
        ] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
