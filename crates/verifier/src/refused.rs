use http::StatusCode;
use symbolon_oauth_types::ScopeSet;
use symbolon_oauth_types::revocation::RevocationKind;

/// Why a request was refused. [`Refused::reason`] and the `Display` text are for logs; clients get no more than
/// [`Refused::error_code`] (RFC 6750 section 3.1).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// `alg` is not allowed here, or not that of the key.
    #[error("`alg` is not an allowed algorithm, or not that of the key")]
    Algorithm,
    /// The token is for another resource server.
    #[error("`aud` does not contain this resource server")]
    Audience,
    /// The `Authorization` header is repeated, or what follows `Bearer` is no token.
    #[error("there must be one `Authorization` header, with one bearer token")]
    AuthorizationHeader,
    /// A required claim is absent, or a claim has another type or range than it must have.
    #[error("the claim `{0}` is absent or has another type or range than it must have")]
    Claim(&'static str),
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// A header member is absent, has another type, or is one that is never accepted (`crit`, `jwk` and their like).
    #[error("the header member `{0}` is absent, malformed or refused")]
    Header(&'static str),
    /// The token lacks a scope that the request needs.
    #[error("the scope `{required}` is needed")]
    InsufficientScope {
        /// What the request needs.
        required: ScopeSet,
    },
    /// The token is from another issuer.
    #[error("`iss` is not the issuer that is trusted here")]
    Issuer,
    /// There are no keys yet: they could never be fetched.
    #[error("the issuer's keys could not be fetched yet")]
    KeysUnavailable,
    /// No key of the issuer has this `kid`.
    #[error("the issuer has no key with this `kid`")]
    KeyUnknown,
    /// Not a compact JWS with JSON objects in it, or a member is repeated.
    #[error("the token is no well-formed JWT")]
    Malformed,
    /// The request carries no bearer token.
    #[error("the request carries no bearer token")]
    MissingToken,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token was revoked.
    #[error("the token was revoked, by its {}", .0.as_str())]
    Revoked(RevocationKind),
    /// It can't be told whether the token was revoked.
    #[error("it can't be told whether the token was revoked")]
    RevocationUnknown,
    /// The token is bound to a key of its client (`cnf`), of which a bearer request gives no proof.
    #[error("the token is bound to a key, and may not be used as a bearer token")]
    SenderConstrained,
    /// The signature is not that of the key.
    #[error("the signature does not verify")]
    Signature,
    /// The token, or a part of it, is longer than any that is accepted.
    #[error("the token is too long")]
    TooLong,
    /// `typ` is not that of an access token.
    #[error("`typ` is not `at+jwt`")]
    Type,
}

impl Refused {
    /// The reason as one of a fixed few words, for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Audience => "audience",
            Self::AuthorizationHeader => "authorization_header",
            Self::Claim(_) => "claim",
            Self::Expired => "expired",
            Self::Header(_) => "header",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::Issuer => "issuer",
            Self::KeysUnavailable => "keys_unavailable",
            Self::KeyUnknown => "key_unknown",
            Self::Malformed => "malformed",
            Self::MissingToken => "missing_token",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked(_) => "revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::SenderConstrained => "sender_constrained",
            Self::Signature => "signature",
            Self::TooLong => "too_long",
            Self::Type => "type",
        }
    }

    /// The error code for the client ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1));
    /// none where it sent no token, and none where the fault is not the client's.
    pub fn error_code(&self) -> Option<&'static str> {
        match self {
            Self::KeysUnavailable | Self::MissingToken | Self::RevocationUnknown => None,
            Self::AuthorizationHeader => Some("invalid_request"),
            Self::InsufficientScope { .. } => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        }
    }

    /// The status of the answer: 400, 401, 403, or 503 where the verifier can't tell.
    pub fn status(&self) -> StatusCode {
        match self.error_code() {
            Some("invalid_request") => StatusCode::BAD_REQUEST,
            Some("insufficient_scope") => StatusCode::FORBIDDEN,
            None if *self != Self::MissingToken => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_each_reason_to_its_code_and_status() {
        let required = "a b".parse().unwrap();
        for (refused, code, status) in [
            (Refused::MissingToken, None, 401),
            (Refused::AuthorizationHeader, Some("invalid_request"), 400),
            (Refused::Expired, Some("invalid_token"), 401),
            (Refused::KeyUnknown, Some("invalid_token"), 401),
            (
                Refused::Revoked(RevocationKind::Session),
                Some("invalid_token"),
                401,
            ),
            (
                Refused::InsufficientScope { required },
                Some("insufficient_scope"),
                403,
            ),
            (Refused::KeysUnavailable, None, 503),
            (Refused::RevocationUnknown, None, 503),
        ] {
            assert_eq!(
                (refused.error_code(), refused.status().as_u16()),
                (code, status),
                "{refused}"
            );
        }
    }
}
