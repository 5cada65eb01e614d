use serde::Serialize;

use crate::{AccessTokenClaims, ScopeSet};

/// An introspection response ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum IntrospectionResponse {
    /// An access token that is good at this moment.
    AccessToken {
        /// Always true.
        active: bool,
        /// Always `Bearer`.
        token_type: &'static str,
        /// The claims of the token, with the scope that still holds.
        #[serde(flatten)]
        claims: Box<AccessTokenClaims>,
    },
    /// Anything else. Nothing but `active` is told (section 2.2, last paragraph).
    Inactive {
        /// Always false.
        active: bool,
    },
    /// A refresh token that is good at this moment, shown to the client that holds it and to nobody else.
    RefreshToken {
        /// Always true.
        active: bool,
        /// The client that the token was issued to.
        client_id: String,
        /// The scope of the session that still holds.
        scope: ScopeSet,
        /// The subject of the session.
        sub: uuid::Uuid,
        /// The session.
        sid: uuid::Uuid,
        /// End of the session, seconds since the epoch.
        exp: u64,
        /// When this refresh token was issued, seconds since the epoch.
        iat: u64,
    },
}

impl IntrospectionResponse {
    /// `{"active":false}`.
    pub const INACTIVE: Self = Self::Inactive { active: false };

    /// The answer for an access token that is good.
    pub fn access_token(claims: AccessTokenClaims) -> Self {
        Self::AccessToken {
            active: true,
            token_type: "Bearer",
            claims: Box::new(claims),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inactive_says_nothing_else() {
        assert_eq!(
            serde_json::to_string(&IntrospectionResponse::INACTIVE).unwrap(),
            r#"{"active":false}"#
        );
    }
}
