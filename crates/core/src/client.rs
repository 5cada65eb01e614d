//! Clients: the applications that ask for tokens, and the resource servers that introspect them.

use std::collections::BTreeSet;
use std::str::FromStr;

use symbolon_jose::SigningAlg;
use symbolon_oauth_types::{GrantType, ResourceIndicator, ScopeSet};

use crate::rights::{ADMIN_AUDIENCE, is_admin_audience};
use crate::secret::ClientSecretHash;
use crate::user::is_admin_scope;
use crate::{ClientId, ClientUid, UnixMillis};

/// Whether a client can keep a secret ([RFC 6749 section 2.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.1)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientType {
    /// Authenticates.
    Confidential,
    /// Only names itself.
    Public,
}

/// How a client authenticates ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AuthMethod {
    /// `client_secret_basic`.
    ClientSecretBasic,
    /// `client_secret_post`.
    ClientSecretPost,
    /// `none`: a public client.
    None,
}

impl AuthMethod {
    /// Every method, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::None];

    /// The registered name of the method.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }
}

impl FromStr for AuthMethod {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        Self::ALL
            .into_iter()
            .find(|m| m.as_str() == text)
            .ok_or(ClientError::UnknownAuthMethod)
    }
}

/// Whether a refresh gives a new refresh token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RotationPolicy {
    /// Every refresh rotates; a replay is detected.
    #[default]
    Always,
    /// The refresh token stays. For confidential clients only.
    Never,
}

impl RotationPolicy {
    /// The name of the policy in the store and at the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl FromStr for RotationPolicy {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(ClientError::UnknownRotation),
        }
    }
}

/// A resource server that a client may ask tokens for, as it stands now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AllowedAudience {
    /// Its identifier, which becomes `aud`.
    pub indicator: ResourceIndicator,
    /// The algorithm it wants its tokens signed with; `None` leaves the choice to the client.
    pub signing_alg: Option<SigningAlg>,
    /// How long its tokens may live at most, in seconds; `None` leaves it to the client.
    pub access_token_lifetime: Option<u32>,
    /// False once the resource server was disabled or deleted. The admin API is always there.
    pub active: bool,
}

/// A resource server that a client is: tokens with this audience it may introspect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServedAudience {
    /// Its identifier, unique among all clients.
    pub indicator: ResourceIndicator,
    /// The algorithm it wants its tokens signed with.
    pub signing_alg: Option<SigningAlg>,
    /// How long its tokens may live at most, in seconds, 10 to 3600; `None` leaves it to the client. What the client or the
    /// server says is shorter stays so.
    pub access_token_lifetime: Option<u32>,
}

/// What an administrator decides about a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientPolicy {
    /// Name for people, 1 to 200 characters.
    pub name: String,
    /// Whether it can keep a secret.
    pub client_type: ClientType,
    /// How it may authenticate; exactly `none` for public clients.
    pub auth_methods: BTreeSet<AuthMethod>,
    /// The grants it may use.
    pub grants: BTreeSet<GrantType>,
    /// All scope it may ask for.
    pub scope: ScopeSet,
    /// What it gets when it asks for nothing; part of `scope`, never an admin scope.
    pub default_scope: ScopeSet,
    /// The resource servers it may ask tokens for; the first is the default.
    pub audiences: Vec<ResourceIndicator>,
    /// The resource servers it is.
    pub serves: Vec<ServedAudience>,
    /// Lifetime of its access tokens in seconds, 10 to 3600; `None` for the server's.
    pub access_token_lifetime: Option<u32>,
    /// Lifetime of its sessions in seconds, 60 to 400 days; `None` for the server's.
    pub session_lifetime: Option<u32>,
    /// How long a refresh token may lie unused in seconds; `None` for the server's.
    pub refresh_idle_lifetime: Option<u32>,
    /// Whether refresh tokens rotate.
    pub rotation: RotationPolicy,
    /// Late recoveries per session and day, 0 to 10; `None` for the server's.
    pub late_recoveries: Option<u8>,
    /// The algorithm its tokens are signed with where the resource server has no say; `None` for the server's.
    pub signing_alg: Option<SigningAlg>,
    /// Origins (scheme, host, port) whose scripts may call the token and revocation endpoints.
    pub cors_origins: BTreeSet<String>,
}

/// A client as it is kept.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its unchanging identity.
    pub uid: ClientUid,
    /// Its name on the wire.
    pub client_id: ClientId,
    /// False while it is disabled.
    pub active: bool,
    /// When it was made.
    pub created: UnixMillis,
    /// What it may do.
    pub policy: ClientPolicy,
    /// `policy.audiences` as they stand now.
    pub audiences: Vec<AllowedAudience>,
    /// Its secrets, hashed; at most [`crate::secret::ClientSecrets::MAX_LIVE`] are live.
    pub secrets: Vec<ClientSecretHash>,
}

impl ClientPolicy {
    /// A client that may do nothing yet: tokens rotate, lifetimes and algorithm are the server's, and a confidential
    /// client authenticates with `client_secret_basic`.
    pub fn new(name: &str, client_type: ClientType) -> Self {
        let method = match client_type {
            ClientType::Confidential => AuthMethod::ClientSecretBasic,
            ClientType::Public => AuthMethod::None,
        };
        Self {
            name: name.to_owned(),
            client_type,
            auth_methods: [method].into(),
            grants: BTreeSet::new(),
            scope: ScopeSet::default(),
            default_scope: ScopeSet::default(),
            audiences: vec![],
            serves: vec![],
            access_token_lifetime: None,
            session_lifetime: None,
            refresh_idle_lifetime: None,
            rotation: RotationPolicy::Always,
            late_recoveries: None,
            signing_alg: None,
            cors_origins: BTreeSet::new(),
        }
    }

    /// Most audiences, origins and served audiences that a client may have, each.
    pub const MAX_LIST: usize = 32;

    /// The one validator: creating, importing and updating a client all go through it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ClientError> {
        let public = self.client_type == ClientType::Public;
        let only_none = self.auth_methods.iter().eq([&AuthMethod::None]);
        let lists = [self.audiences.len(), self.serves.len(), self.cors_origins.len()];
        let lifetime = |value: Option<u32>, min, max| value.is_none_or(|v| (min..=max).contains(&v));
        let rules = [
            (valid_name(&self.name), ClientError::Name),
            (!self.auth_methods.is_empty(), ClientError::NoAuthMethod),
            (
                public == only_none && (public || !self.auth_methods.contains(&AuthMethod::None)),
                ClientError::AuthMethods,
            ),
            (
                !public || !self.grants.contains(&GrantType::ClientCredentials),
                ClientError::PublicClientCredentials,
            ),
            (
                !public || self.rotation == RotationPolicy::Always,
                ClientError::PublicWithoutRotation,
            ),
            (
                self.rotation == RotationPolicy::Always || self.refresh_idle_lifetime.is_none(),
                ClientError::IdleWithoutRotation,
            ),
            (
                !public || self.serves.is_empty(),
                ClientError::PublicResourceServer,
            ),
            (
                !self.grants.is_empty() || !self.serves.is_empty(),
                ClientError::NoGrant,
            ),
            (
                self.grants.is_empty() || !self.scope.is_empty(),
                ClientError::NoScope,
            ),
            (
                self.grants.is_empty() || !self.audiences.is_empty(),
                ClientError::NoAudience,
            ),
            (
                self.default_scope.is_subset(&self.scope),
                ClientError::DefaultScope,
            ),
            (
                !self.default_scope.iter().any(is_admin_scope),
                ClientError::DefaultAdminScope,
            ),
            (
                lists.iter().all(|len| *len <= Self::MAX_LIST),
                ClientError::TooMany,
            ),
            (
                !self
                    .serves
                    .iter()
                    .any(|served| is_admin_audience(&served.indicator)),
                ClientError::AdminAudience,
            ),
            (
                self.serves
                    .iter()
                    .all(|served| lifetime(served.access_token_lifetime, 10, MAX_ACCESS_TOKEN_SECS)),
                ClientError::ServedLifetime,
            ),
            (
                lifetime(self.access_token_lifetime, 10, MAX_ACCESS_TOKEN_SECS),
                ClientError::AccessTokenLifetime,
            ),
            (
                lifetime(self.session_lifetime, 60, MAX_SESSION_SECS),
                ClientError::SessionLifetime,
            ),
            (
                lifetime(self.refresh_idle_lifetime, 60, MAX_SESSION_SECS),
                ClientError::IdleLifetime,
            ),
            (
                self.late_recoveries.is_none_or(|n| n <= 10),
                ClientError::LateRecoveries,
            ),
            (
                self.cors_origins.iter().all(|o| valid_origin(o)),
                ClientError::Origin,
            ),
        ];
        rules
            .into_iter()
            .find(|(good, _)| !good)
            .map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// No access token lives longer than this, whatever is configured: 1 hour, in seconds. Signing keys stay published at
/// least as long after their last signature.
pub const MAX_ACCESS_TOKEN_SECS: u32 = 3600;

/// No session lives longer than this, whatever is configured: 400 days, in seconds. Revocation entries are kept
/// as long, so that none is forgotten while a session lives that it concerns.
pub const MAX_SESSION_SECS: u32 = 400 * 24 * 3600;

fn valid_name(name: &str) -> bool {
    let len = name.chars().count();
    (1..=200).contains(&len) && !name.chars().any(char::is_control) && name.trim() == name
}

/// An origin as browsers send it: scheme, host and port that are not default, no path, lower case.
fn valid_origin(origin: &str) -> bool {
    origin.len() <= 255
        && url::Url::parse(origin).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == origin
        })
}

/// Why a client was refused. Each text names the rule and the remedy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// `access_token_lifetime` is out of bounds.
    #[error("the access-token lifetime must be from 10 seconds to 1 hour")]
    AccessTokenLifetime,
    /// The admin API is nobody's resource server.
    #[error("`{ADMIN_AUDIENCE}` is the audience of this server's own admin API: no client can serve it")]
    AdminAudience,
    /// The methods do not fit the type.
    #[error("a public client authenticates with exactly `none`, a confidential one never with `none`")]
    AuthMethods,
    /// An admin scope among the defaults.
    #[error("an admin scope can't be a default scope: clients must ask for it by name")]
    DefaultAdminScope,
    /// A default scope that is not allowed.
    #[error("every default scope must also be an allowed scope")]
    DefaultScope,
    /// `refresh_idle_lifetime` is out of bounds.
    #[error("the refresh idle lifetime must be from 60 seconds to 400 days")]
    IdleLifetime,
    /// Idle time is counted from the last rotation.
    #[error(
        "a refresh idle lifetime needs rotation: a refresh token that stays lives as long as its session"
    )]
    IdleWithoutRotation,
    /// `late_recoveries` is out of bounds.
    #[error("late recoveries must be from 0 to 10 per session and day")]
    LateRecoveries,
    /// The name is empty, too long, or holds control characters.
    #[error("the name must be 1 to 200 characters, without control characters or surrounding space")]
    Name,
    /// Grants but no audience.
    #[error(
        "a client that may use a grant needs at least one audience: the resource server its tokens are for"
    )]
    NoAudience,
    /// No way to authenticate.
    #[error("at least one authentication method is needed")]
    NoAuthMethod,
    /// Neither grants nor a resource server.
    #[error("allow at least one grant, or name the audience that this client serves")]
    NoGrant,
    /// Grants but no scope.
    #[error("a client that may use a grant needs at least one scope")]
    NoScope,
    /// An origin with a path, an unknown scheme, or not as browsers send it.
    #[error("a CORS origin is scheme, host and port as browsers send it, such as https://app.example")]
    Origin,
    /// RFC 6749 section 4.4.
    #[error("a public client can't use client_credentials (RFC 6749 section 4.4)")]
    PublicClientCredentials,
    /// A resource server that can't authenticate.
    #[error("a resource server must be a confidential client: introspection needs authentication")]
    PublicResourceServer,
    /// RFC 9700 section 4.14.2.
    #[error("refresh tokens of a public client must rotate (RFC 9700 section 4.14.2)")]
    PublicWithoutRotation,
    /// `access_token_lifetime` of a resource server is out of bounds.
    #[error("the access-token lifetime of a resource server must be from 10 seconds to 1 hour")]
    ServedLifetime,
    /// `session_lifetime` is out of bounds.
    #[error("the session lifetime must be from 60 seconds to 400 days")]
    SessionLifetime,
    /// A list past [`ClientPolicy::MAX_LIST`].
    #[error(
        "at most {} audiences and origins are allowed per client",
        ClientPolicy::MAX_LIST
    )]
    TooMany,
    /// No such authentication method.
    #[error("unknown authentication method: choose from client_secret_basic, client_secret_post, none")]
    UnknownAuthMethod,
    /// No such rotation policy.
    #[error("unknown rotation policy: choose from always, never")]
    UnknownRotation,
}

impl ClientError {
    /// The field of [`crate::view::ClientView`] that breaks the rule; empty where it may be one of several.
    pub fn field(self) -> &'static str {
        match self {
            Self::AccessTokenLifetime => "access_token_lifetime",
            Self::AdminAudience | Self::PublicResourceServer | Self::ServedLifetime => "serves",
            Self::AuthMethods | Self::NoAuthMethod | Self::UnknownAuthMethod => "auth_methods",
            Self::DefaultAdminScope | Self::DefaultScope => "default_scope",
            Self::IdleLifetime | Self::IdleWithoutRotation => "refresh_idle_lifetime",
            Self::LateRecoveries => "late_recoveries",
            Self::Name => "name",
            Self::NoAudience => "audiences",
            Self::NoGrant | Self::PublicClientCredentials => "grants",
            Self::NoScope => "scope",
            Self::Origin => "cors_origins",
            Self::PublicWithoutRotation | Self::UnknownRotation => "rotation",
            Self::SessionLifetime => "session_lifetime",
            Self::TooMany => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ClientPolicy {
        ClientPolicy {
            grants: [GrantType::ClientCredentials].into(),
            scope: "a b users:write".parse().unwrap(),
            default_scope: "a".parse().unwrap(),
            audiences: vec!["urn:api".parse().unwrap()],
            cors_origins: ["https://app.example".to_owned()].into(),
            ..ClientPolicy::new("App", ClientType::Confidential)
        }
    }

    fn served(audience: &str, access_token_lifetime: Option<u32>) -> ServedAudience {
        ServedAudience {
            indicator: audience.parse().unwrap(),
            signing_alg: None,
            access_token_lifetime,
        }
    }

    #[test]
    fn each_rule_has_its_refusal() {
        assert_eq!(policy().validate(), Ok(()));
        type Change = fn(&mut ClientPolicy);
        let broken: [(ClientError, Change); 15] = [
            (ClientError::Name, |p| p.name = "a\u{1b}[31m".into()),
            (ClientError::NoAuthMethod, |p| p.auth_methods.clear()),
            (ClientError::AuthMethods, |p| {
                p.auth_methods = [AuthMethod::None].into()
            }),
            (ClientError::AuthMethods, |p| p.client_type = ClientType::Public),
            (ClientError::NoGrant, |p| p.grants.clear()),
            (ClientError::NoScope, |p| {
                (p.scope, p.default_scope) = Default::default()
            }),
            (ClientError::NoAudience, |p| p.audiences.clear()),
            (ClientError::DefaultScope, |p| {
                p.default_scope = "c".parse().unwrap()
            }),
            (ClientError::DefaultAdminScope, |p| {
                p.default_scope = "users:write".parse().unwrap()
            }),
            (ClientError::AccessTokenLifetime, |p| {
                p.access_token_lifetime = Some(3601)
            }),
            (ClientError::AdminAudience, |p| {
                p.serves = vec![served(ADMIN_AUDIENCE, None)]
            }),
            (ClientError::ServedLifetime, |p| {
                p.serves = vec![served("urn:a", Some(10)), served("urn:b", Some(3601))]
            }),
            (ClientError::LateRecoveries, |p| p.late_recoveries = Some(11)),
            (ClientError::IdleWithoutRotation, |p| {
                (p.rotation, p.refresh_idle_lifetime) = (RotationPolicy::Never, Some(60));
            }),
            (ClientError::Origin, |p| {
                p.cors_origins = ["https://app.example/".to_owned()].into()
            }),
        ];
        for (error, change) in broken {
            let mut changed = policy();
            change(&mut changed);
            assert_eq!(changed.validate(), Err(error));
        }
    }

    #[test]
    fn public_clients_are_held_short() {
        let mut public = policy();
        public.client_type = ClientType::Public;
        public.auth_methods = [AuthMethod::None].into();
        assert_eq!(public.validate(), Err(ClientError::PublicClientCredentials));
        public.grants = [GrantType::Password, GrantType::RefreshToken].into();
        assert_eq!(public.validate(), Ok(()));
        public.rotation = RotationPolicy::Never;
        assert_eq!(public.validate(), Err(ClientError::PublicWithoutRotation));
    }
}
