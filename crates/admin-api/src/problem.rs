//! Errors as problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use symbolon_core::cursor::CursorError;
use symbolon_core::ports::StoreError;
use utoipa::ToSchema;

macro_rules! problems {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// What kind of problem it is; decides the status.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum ProblemKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl ProblemKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Its name, the last part of `type`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),+
                }
            }

            /// The status of the answer.
            pub fn status(self) -> StatusCode {
                match self {
                    $(Self::$kind => StatusCode::$status),+
                }
            }

            fn title(self) -> &'static str {
                match self {
                    $(Self::$kind => $title),+
                }
            }
        }
    };
}

problems! {
    /// More than the caller holds.
    Beyond = "beyond-your-rights", FORBIDDEN, "Nobody gives or takes over more than they hold";
    /// Too much changes at once. Nothing was changed.
    Busy = "busy", SERVICE_UNAVAILABLE, "Too much changes at once";
    /// The state of things does not allow it.
    Conflict = "conflict", CONFLICT, "It can't be done as things stand";
    /// The token lacks the scope.
    InsufficientScope = "insufficient-scope", FORBIDDEN, "The token lacks the scope";
    /// A fault of the server.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server failed";
    /// A value breaks a rule.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "A value breaks a rule";
    /// The request can't be read.
    Malformed = "malformed", BAD_REQUEST, "The request is malformed";
    /// There is no such record.
    NotFound = "not-found", NOT_FOUND, "There is no such record";
    /// Another request under the same idempotency key is under way, or was broken off.
    Pending = "idempotency-pending", CONFLICT, "What came of the first request is not known";
    /// The idempotency key was used for another request.
    KeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The idempotency key belongs to another request";
    /// The record is not as the request expects it.
    Stale = "stale", PRECONDITION_FAILED, "The record is not as the request expects it";
    /// A name is taken.
    Taken = "taken", CONFLICT, "The name is taken";
    /// The caller has too many idempotency keys.
    KeysFull = "too-many-idempotency-keys", TOO_MANY_REQUESTS, "You have too many idempotency keys";
    /// The body is too large.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// No token, or not a good one.
    Unauthorized = "unauthorized", UNAUTHORIZED, "A good access token is needed";
    /// Something that is needed can't be reached.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Something that is needed can't be reached";
    /// The body is of another kind.
    UnsupportedMedia = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body is not JSON";
}

/// What is wrong, and where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:symbolon:problem:` and the name of the kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong this time, and the remedy.
    pub detail: String,
    /// The fields that are wrong, each with the rule that it breaks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// A field that breaks a rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is: names separated by dots, positions in brackets; empty for the whole.
    pub field: String,
    /// The rule.
    pub rule: String,
}

/// What stands before the name of a kind.
const URN: &str = "urn:symbolon:problem:";

/// How long to wait where something can't be reached, in seconds.
const RETRY_SECONDS: u64 = 2;

impl Problem {
    /// A problem of that kind.
    pub fn new(kind: ProblemKind, detail: impl fmt::Display) -> Self {
        Self {
            kind: format!("{URN}{}", kind.as_str()),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail: detail.to_string(),
            errors: Vec::new(),
        }
    }

    /// Whether it is of that kind.
    pub fn is(&self, kind: ProblemKind) -> bool {
        self.kind.strip_prefix(URN) == Some(kind.as_str())
    }

    /// A field breaks a rule.
    pub fn invalid(field: impl Into<String>, rule: impl fmt::Display) -> Self {
        let rule = rule.to_string();
        let field = field.into();
        let detail = if field.is_empty() {
            rule.clone()
        } else {
            format!("{field}: {rule}")
        };
        Self::new(ProblemKind::Invalid, detail).at(field, rule)
    }

    /// There is no such record.
    pub fn not_found(what: &str) -> Self {
        Self::new(ProblemKind::NotFound, format_args!("there is no such {what}"))
    }

    /// Something can't be reached. What the store says goes to the log alone.
    pub(crate) fn unavailable(error: &StoreError) -> Self {
        match error {
            StoreError::Corrupt(_) => {
                tracing::error!(%error, "an admin request met a record that can't be");
                Self::new(
                    ProblemKind::Internal,
                    "the database holds something impossible: see the server's log",
                )
            }
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "an admin request could not reach what it needs");
                Self::new(
                    ProblemKind::Unavailable,
                    "the database or Redis did not answer; whether a change was made may not be known: look, then try again",
                )
            }
        }
    }

    /// The same, naming a field.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>, rule: impl fmt::Display) -> Self {
        self.errors.push(FieldError {
            field: field.into(),
            rule: rule.to_string(),
        });
        self
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<CursorError> for Problem {
    fn from(error: CursorError) -> Self {
        Self::new(ProblemKind::Malformed, error).at("after", error)
    }
}

/// Stands in an answer by which it is known that nothing was changed, though its status alone does not say so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NothingChanged;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(CONTENT_TYPE, kind)], body).into_response();
        if self.is(ProblemKind::Busy) {
            response.extensions_mut().insert(NothingChanged);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        response
    }
}
