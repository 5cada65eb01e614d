use serde::Serialize;

use crate::ScopeSet;

/// A successful token response ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)). It
/// holds plain tokens: it is made at the very end and serialised at once.
#[derive(Serialize)]
pub struct TokenResponse {
    /// The JWT access token.
    pub access_token: String,
    /// Always `Bearer` (RFC 6750).
    pub token_type: &'static str,
    /// Lifetime of the access token, seconds.
    pub expires_in: u64,
    /// The refresh token to use from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What was granted; always sent.
    pub scope: ScopeSet,
}
