use std::time::Duration;

use http::StatusCode;
use symbolon_core::authorize::Refusal;
use symbolon_core::ports::StoreError;
use symbolon_core::throttle::ThrottledBy;
use symbolon_core::tokens::SignError;
use symbolon_oauth_types::revocation::RevocationKind;
use symbolon_oauth_types::{ErrorCode, ErrorResponse, FormError, RequestError};

use crate::LaneError;

/// Why a request was refused: one variant per reason, told to the log and to metrics, never to the client.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The access token is for somebody else.
    #[error("access token for another audience")]
    AccessTokenAudience,
    /// The access token is past its end.
    #[error("access token expired")]
    AccessTokenExpired,
    /// Not an access token of this server under a key that is published.
    #[error("malformed or forged access token")]
    AccessTokenForged,
    /// The access token for the admin API is well signed, and was never handed out.
    #[error("access token for the admin API that is not on record")]
    AccessTokenUnrecorded,
    /// The body ended early or could not be read.
    #[error("the body could not be read")]
    BodyUnreadable,
    /// The body is longer than allowed.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The node could not keep up with the log and the facts.
    #[error("facts changed faster than they could be read")]
    CatchUpExhausted,
    /// Credentials or other parameters in the query string.
    #[error("request parameters in the query string")]
    InQuery,
    /// Header and body both carry credentials, or the header is repeated.
    #[error("more than one client authentication")]
    ClientAuthTwice,
    /// The client may not authenticate in this way.
    #[error("client authentication method not allowed")]
    ClientAuthMethod,
    /// The `Authorization` header is not decodable Basic.
    #[error("malformed client authentication")]
    ClientAuthMalformed,
    /// No client is named.
    #[error("no client authentication")]
    ClientAuthMissing,
    /// The secret is wrong.
    #[error("wrong client secret")]
    ClientSecretWrong,
    /// No such client.
    #[error("unknown client")]
    ClientUnknown,
    /// Not a form.
    #[error("unsupported content type")]
    ContentType,
    /// The form is malformed.
    #[error("malformed form: {0}")]
    Form(#[from] FormError),
    /// Hashing was shed.
    #[error("password hashing: {0}")]
    Lane(#[from] LaneError),
    /// Wrong password, or no such user.
    #[error("wrong password")]
    PasswordWrong,
    /// The store was emptied and is not rebuilt yet.
    #[error("the session store lost its data")]
    SessionsLost,
    /// The refresh token is past the session's end.
    #[error("session expired")]
    RefreshExpired,
    /// The refresh token was not used for too long.
    #[error("refresh token idle for too long")]
    RefreshIdle,
    /// Not a refresh token of this server.
    #[error("forged or unknown refresh token")]
    RefreshForged,
    /// An old refresh token was used again: the session was killed.
    #[error("refresh token reused: session killed")]
    RefreshReused,
    /// The session was killed before.
    #[error("session killed before")]
    RefreshRevoked,
    /// The store has lost the session, and adopting is switched off.
    #[error("session lost and not adopted")]
    RefreshUnknown,
    /// The refresh token is another client's.
    #[error("refresh token of another client")]
    RefreshWrongClient,
    /// authorize() said no.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// A parameter of a verifier's report is malformed.
    #[error("malformed report: {0}")]
    ReportMalformed(&'static str),
    /// A parameter is missing or malformed.
    #[error("malformed request: {0}")]
    Request(#[from] RequestError),
    /// The refresh token could not be sealed.
    #[error("no refresh seal key")]
    Seal,
    /// The access token could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many failed logins.
    #[error("login throttled, by {}", by.as_str())]
    Throttled {
        /// What they were counted under.
        by: ThrottledBy,
        /// How long nothing is tried.
        wait: Duration,
    },
    /// The client revoked too many of its own tokens.
    #[error("too many revoked tokens of one client")]
    TooManyRevocations,
    /// No such grant type.
    #[error("unsupported grant type")]
    UnsupportedGrantType,
}

/// A reason as a label: one of a fixed set.
pub type Reason = &'static str;

impl TokenError {
    /// The reason as logs and metrics name it.
    pub fn reason(&self) -> Reason {
        match self {
            Self::AccessTokenAudience => "access_token_audience",
            Self::AccessTokenExpired => "access_token_expired",
            Self::AccessTokenForged => "access_token_forged",
            Self::AccessTokenUnrecorded => "access_token_unrecorded",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyUnreadable => "body_unreadable",
            Self::CatchUpExhausted => "catch_up_exhausted",
            Self::ClientAuthMalformed => "client_auth_malformed",
            Self::ClientAuthMethod => "client_auth_method",
            Self::ClientAuthMissing => "client_auth_missing",
            Self::ClientAuthTwice => "client_auth_twice",
            Self::ClientSecretWrong => "client_secret_wrong",
            Self::ClientUnknown => "client_unknown",
            Self::ContentType => "content_type",
            Self::Form(_) => "form_malformed",
            Self::InQuery => "in_query",
            Self::Lane(LaneError::Deadline) => "hash_lane_deadline",
            Self::Lane(LaneError::Failed) => "hash_lane_failed",
            Self::Lane(LaneError::Full) => "hash_lane_full",
            Self::PasswordWrong => "password_wrong",
            Self::RefreshExpired => "refresh_expired",
            Self::RefreshForged => "refresh_forged",
            Self::RefreshIdle => "refresh_idle",
            Self::RefreshReused => "refresh_reused",
            Self::RefreshRevoked => "refresh_revoked",
            Self::RefreshUnknown => "refresh_unknown",
            Self::RefreshWrongClient => "refresh_wrong_client",
            Self::Refused(refusal) => refusal_reason(*refusal),
            Self::ReportMalformed(_) => "report_malformed",
            Self::Request(_) => "request_malformed",
            Self::Seal => "seal_failed",
            Self::SessionsLost => "sessions_lost",
            Self::Sign(SignError::Unconfirmed) => "signing_unconfirmed",
            Self::Sign(_) => "signing_failed",
            Self::Store(StoreError::Corrupt(_)) => "store_corrupt",
            Self::Store(StoreError::Unavailable(_)) => "store_unavailable",
            Self::Throttled {
                by: ThrottledBy::Account,
                ..
            } => "login_throttled",
            Self::Throttled {
                by: ThrottledBy::Address,
                ..
            } => "login_throttled_address",
            Self::TooManyRevocations => "too_many_revocations",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    /// The OAuth error code: the one table from reasons to codes.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::BodyTooLarge
            | Self::BodyUnreadable
            | Self::ClientAuthTwice
            | Self::ContentType
            | Self::Form(_)
            | Self::InQuery
            | Self::ReportMalformed(_) => ErrorCode::InvalidRequest,
            Self::Request(RequestError::Resource(_)) => ErrorCode::InvalidTarget,
            Self::Request(RequestError::Scope(_)) => ErrorCode::InvalidScope,
            Self::Request(RequestError::Missing(_) | RequestError::TooLong(_)) => ErrorCode::InvalidRequest,
            Self::ClientAuthMalformed
            | Self::ClientAuthMethod
            | Self::ClientAuthMissing
            | Self::ClientSecretWrong
            | Self::ClientUnknown => ErrorCode::InvalidClient,
            // Those of access tokens are never told: introspection says inactive, other APIs have errors of their own.
            Self::AccessTokenAudience
            | Self::AccessTokenExpired
            | Self::AccessTokenForged
            | Self::AccessTokenUnrecorded
            | Self::PasswordWrong
            | Self::RefreshExpired
            | Self::RefreshForged
            | Self::RefreshIdle
            | Self::RefreshReused
            | Self::RefreshRevoked
            | Self::RefreshUnknown
            | Self::RefreshWrongClient => ErrorCode::InvalidGrant,
            Self::Refused(refusal) => refusal_code(*refusal),
            Self::UnsupportedGrantType => ErrorCode::UnsupportedGrantType,
            Self::CatchUpExhausted
            | Self::Lane(LaneError::Deadline | LaneError::Full)
            | Self::SessionsLost
            | Self::Sign(SignError::Unconfirmed)
            | Self::Store(StoreError::Unavailable(_))
            | Self::Throttled { .. }
            | Self::TooManyRevocations => ErrorCode::TemporarilyUnavailable,
            Self::Lane(LaneError::Failed)
            | Self::Seal
            | Self::Sign(SignError::Failed(_) | SignError::NoKey(_))
            | Self::Store(StoreError::Corrupt(_)) => ErrorCode::ServerError,
        }
    }

    /// The HTTP status. `invalid_client` is always 401 with `WWW-Authenticate`, which
    /// [RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) allows for every method.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Throttled { .. } | Self::TooManyRevocations => StatusCode::TOO_MANY_REQUESTS,
            _ => match self.code() {
                ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
                ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            },
        }
    }

    /// Seconds for `Retry-After`, where trying again makes sense.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Throttled { wait, .. } => Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            Self::TooManyRevocations => Some(60),
            _ => (self.code() == ErrorCode::TemporarilyUnavailable).then_some(1),
        }
    }

    /// The body: a code and a fixed text.
    pub fn response(&self) -> ErrorResponse {
        let error = self.code();
        let error_description = match error {
            ErrorCode::InvalidClient => "client authentication failed",
            ErrorCode::InvalidGrant => "the grant is invalid, expired or revoked",
            ErrorCode::InvalidRequest => match self {
                Self::BodyTooLarge => "the request body is too large",
                Self::ContentType => "the content type must be application/x-www-form-urlencoded",
                Self::InQuery => "parameters must be in the body, not in the query string",
                Self::ClientAuthTwice => "the client must authenticate in exactly one way",
                Self::Form(FormError::Repeated) => "a parameter is repeated",
                Self::Request(RequestError::Missing(_)) => "a required parameter is missing",
                _ => "the request is malformed",
            },
            ErrorCode::InvalidScope => "the scope is malformed, unknown or more than may be granted",
            ErrorCode::InvalidTarget => "the resource is malformed, unknown or not allowed to this client",
            ErrorCode::ServerError => "the server could not answer the request",
            ErrorCode::TemporarilyUnavailable => "try again later",
            ErrorCode::UnauthorizedClient => "the client may not use this grant type",
            ErrorCode::UnsupportedGrantType => "the grant type is not supported",
        };
        ErrorResponse {
            error,
            error_description,
        }
    }

    /// Whether it says of an access token that it is no good, or that what it was issued for is no longer allowed. Other
    /// errors say nothing of it.
    pub fn refuses_token(&self) -> bool {
        matches!(
            self,
            Self::AccessTokenAudience
                | Self::AccessTokenExpired
                | Self::AccessTokenForged
                | Self::AccessTokenUnrecorded
                | Self::ClientUnknown
                | Self::Refused(_)
        )
    }

    /// Whether the fault is the server's, to be logged as an error.
    pub fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Store(_) | Self::Seal | Self::Sign(_) | Self::Lane(LaneError::Failed)
        )
    }
}

fn refusal_code(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::AlgorithmConflict | Refusal::AudienceNotAllowed => ErrorCode::InvalidTarget,
        Refusal::ClientDisabled => ErrorCode::InvalidClient,
        Refusal::GrantNotAllowed | Refusal::PublicClient => ErrorCode::UnauthorizedClient,
        Refusal::Revoked(_) | Refusal::UserDisabled | Refusal::UserGone | Refusal::WrongKey => {
            ErrorCode::InvalidGrant
        }
        Refusal::ScopeEmpty | Refusal::ScopeExceedsGrant | Refusal::ScopeNotAllowed => {
            ErrorCode::InvalidScope
        }
    }
}

fn refusal_reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::AlgorithmConflict => "algorithm_conflict",
        Refusal::AudienceNotAllowed => "audience_not_allowed",
        Refusal::ClientDisabled => "client_disabled",
        Refusal::GrantNotAllowed => "grant_not_allowed",
        Refusal::PublicClient => "public_client",
        Refusal::Revoked(RevocationKind::All) => "revoked_all",
        Refusal::Revoked(RevocationKind::Client) => "revoked_client",
        Refusal::Revoked(RevocationKind::Key) => "revoked_key",
        Refusal::Revoked(RevocationKind::Session) => "revoked_session",
        Refusal::Revoked(RevocationKind::Subject) => "revoked_subject",
        Refusal::Revoked(RevocationKind::Token) => "revoked_token",
        Refusal::ScopeEmpty => "scope_empty",
        Refusal::ScopeExceedsGrant => "scope_exceeds_grant",
        Refusal::ScopeNotAllowed => "scope_not_allowed",
        Refusal::UserDisabled => "user_disabled",
        Refusal::UserGone => "user_gone",
        Refusal::WrongKey => "wrong_key",
    }
}
