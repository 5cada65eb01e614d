use serde::{Deserialize, Serialize};

/// Error codes of the endpoints. The RFC that defines each is named.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// RFC 6749 section 5.2: client authentication failed.
    InvalidClient,
    /// RFC 6749 section 5.2: the grant or refresh token is invalid, expired, revoked or another client's.
    InvalidGrant,
    /// RFC 6749 section 5.2: the request is malformed.
    InvalidRequest,
    /// RFC 6749 section 5.2: the scope is invalid, unknown or exceeds what was granted.
    InvalidScope,
    /// RFC 8707 section 2: the resource is invalid, unknown or not allowed to the client.
    InvalidTarget,
    /// An unexpected fault of the server; the code is that of RFC 6749 section 4.1.2.1.
    ServerError,
    /// Overload or a store that can't be reached; the code is that of RFC 6749 section 4.1.2.1.
    TemporarilyUnavailable,
    /// RFC 6749 section 5.2: the client may not use this grant type.
    UnauthorizedClient,
    /// RFC 6749 section 5.2: the server does not know the grant type.
    UnsupportedGrantType,
}

impl ErrorCode {
    /// The code as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }
}

/// An error response body ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)). The
/// description is one of a fixed set of texts: nothing of the request is ever reflected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct ErrorResponse {
    /// The code.
    pub error: ErrorCode,
    /// Fixed human-readable text: printable ASCII without `"` and `\`.
    pub error_description: &'static str,
}
