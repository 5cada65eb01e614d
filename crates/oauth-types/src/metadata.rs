use serde::Serialize;

use crate::GrantType;

/// Authorization server metadata ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)). It lists
/// what is there and nothing else; members with nothing to list are left out (section 3.2).
#[derive(Clone, Debug, Serialize)]
pub struct AuthorizationServerMetadata {
    /// The issuer identifier.
    pub issuer: String,
    /// RFC 6749 section 3.2.
    pub token_endpoint: String,
    /// Where the public keys are.
    pub jwks_uri: String,
    /// Scopes that clients may ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Response types of the authorization endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_types_supported: Vec<String>,
    /// Grant types that at least one client may use.
    pub grant_types_supported: Vec<GrantType>,
    /// Ways to authenticate at the token endpoint.
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// RFC 7009.
    pub revocation_endpoint: String,
    /// Ways to authenticate at the revocation endpoint.
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// RFC 7662.
    pub introspection_endpoint: String,
    /// Ways to authenticate at the introspection endpoint.
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// Where the revocation feed is ([`crate::feed::paths`] stand below it): not of RFC 8414, which lets others add
    /// members (section 2).
    pub revocation_feed_uri: String,
}
