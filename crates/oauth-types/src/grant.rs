use std::fmt;
use std::str::FromStr;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Form, ResourceError, ResourceIndicator, ScopeError, ScopeSet};

/// The grant types that this server knows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 6749 section 4.3. RFC 9700 section 2.4 forbids it; off for a client unless switched on.
    Password,
    /// RFC 6749 section 6.
    RefreshToken,
}

impl GrantType {
    /// Every grant type, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::ClientCredentials, Self::Password, Self::RefreshToken];

    /// The value of `grant_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// Whether the grant starts a session (a login) that refresh tokens continue.
    pub fn starts_session(self) -> bool {
        matches!(self, Self::Password)
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GrantType {
    type Err = UnknownGrantType;

    fn from_str(text: &str) -> Result<Self, UnknownGrantType> {
        Self::ALL
            .into_iter()
            .find(|grant| grant.as_str() == text)
            .ok_or(UnknownGrantType)
    }
}

/// The text names no grant type of this server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown grant type: choose from client_credentials, password, refresh_token")]
pub struct UnknownGrantType;

/// A token request, its syntax checked and nothing else.
#[derive(Debug)]
pub enum GrantRequest {
    /// RFC 6749 section 4.4.2.
    ClientCredentials {
        /// The scope asked for; `None` asks for the client's default.
        scope: Option<ScopeSet>,
        /// The resource servers asked for (RFC 8707); empty asks for the client's default.
        resources: Vec<ResourceIndicator>,
    },
    /// RFC 6749 section 4.3.2.
    Password {
        /// The resource owner's name as typed.
        username: String,
        /// The resource owner's password.
        password: SecretString,
        /// The scope asked for; `None` asks for the client's default.
        scope: Option<ScopeSet>,
        /// The resource servers asked for (RFC 8707); empty asks for the client's default.
        resources: Vec<ResourceIndicator>,
    },
    /// RFC 6749 section 6.
    RefreshToken {
        /// The refresh token, opaque.
        refresh_token: SecretString,
        /// A narrower scope for the access token; `None` asks for all of the session's.
        scope: Option<ScopeSet>,
        /// A choice among the session's resource servers; empty asks for all of them.
        resources: Vec<ResourceIndicator>,
    },
    /// A grant type that this server does not know.
    Unsupported,
}

impl GrantRequest {
    /// Most resource indicators in one request.
    pub const MAX_RESOURCES: usize = 8;
    /// Longest password that is accepted, in bytes.
    pub const MAX_PASSWORD_BYTES: usize = 1024;
    /// Longest user name that is accepted, in bytes.
    pub const MAX_USERNAME_BYTES: usize = 320;
    /// Longest refresh token that is looked at, in bytes: more than the longest scope and all audiences come to.
    pub const MAX_REFRESH_TOKEN_BYTES: usize = 16_384;

    /// Reads a token request from a decoded form.
    ///
    /// # Errors
    /// [`RequestError`] where a required parameter is missing or a value is not well-formed.
    pub fn from_form(form: &Form<'_>) -> Result<Self, RequestError> {
        let grant = form
            .value("grant_type")
            .ok_or(RequestError::Missing("grant_type"))?;
        let Ok(grant) = grant.parse::<GrantType>() else {
            return Ok(Self::Unsupported);
        };
        let scope = form.value("scope").map(str::parse).transpose()?;
        let resources = resources(form)?;
        Ok(match grant {
            GrantType::ClientCredentials => Self::ClientCredentials { scope, resources },
            GrantType::Password => Self::Password {
                username: required(form, "username", Self::MAX_USERNAME_BYTES)?.to_owned(),
                password: required(form, "password", Self::MAX_PASSWORD_BYTES)?.into(),
                scope,
                resources,
            },
            GrantType::RefreshToken => Self::RefreshToken {
                refresh_token: required(form, "refresh_token", Self::MAX_REFRESH_TOKEN_BYTES)?.into(),
                scope,
                resources,
            },
        })
    }
}

fn required<'f>(form: &'f Form<'_>, name: &'static str, max: usize) -> Result<&'f str, RequestError> {
    let value = form.value(name).ok_or(RequestError::Missing(name))?;
    if value.len() > max {
        Err(RequestError::TooLong(name))
    } else {
        Ok(value)
    }
}

fn resources(form: &Form<'_>) -> Result<Vec<ResourceIndicator>, RequestError> {
    let mut found: Vec<ResourceIndicator> = form
        .values("resource")
        .take(GrantRequest::MAX_RESOURCES + 1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    if found.len() > GrantRequest::MAX_RESOURCES {
        return Err(RequestError::Resource(ResourceError));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Why a token request is not well-formed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// A required parameter is missing or empty.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// A resource indicator is invalid, or there are too many.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// The scope list is invalid.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// A value is longer than its bound.
    #[error("the parameter {0} is too long")]
    TooLong(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<GrantRequest, RequestError> {
        GrantRequest::from_form(&Form::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn names_the_missing_parameter() {
        assert_eq!(read("").unwrap_err(), RequestError::Missing("grant_type"));
        assert_eq!(
            read("grant_type=password&password=x").unwrap_err(),
            RequestError::Missing("username")
        );
        assert_eq!(
            read("grant_type=password&username=x").unwrap_err(),
            RequestError::Missing("password")
        );
        assert_eq!(
            read("grant_type=refresh_token").unwrap_err(),
            RequestError::Missing("refresh_token")
        );
    }

    #[test]
    fn unknown_grant_types_are_unsupported() {
        for grant in [
            "implicit",
            "PASSWORD",
            "urn:ietf:params:oauth:grant-type:device_code",
        ] {
            assert!(matches!(
                read(&format!("grant_type={grant}")).unwrap(),
                GrantRequest::Unsupported
            ));
        }
    }

    #[test]
    fn bounds_every_value() {
        let long = "x".repeat(1025);
        let body = format!("grant_type=password&username=u&password={long}");
        assert_eq!(read(&body).unwrap_err(), RequestError::TooLong("password"));
        let nine = (0..9).map(|i| format!("&resource=urn:x:{i}")).collect::<String>();
        let body = format!("grant_type=client_credentials{nine}");
        assert_eq!(read(&body).unwrap_err(), RequestError::Resource(ResourceError));
    }
}
