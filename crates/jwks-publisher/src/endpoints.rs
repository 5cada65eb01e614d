//! Where the endpoints of an issuer are.

/// The token endpoint, below the issuer.
pub const TOKEN_PATH: &str = "/oauth2/token";
/// The revocation endpoint, below the issuer.
pub const REVOCATION_PATH: &str = "/oauth2/revoke";
/// The introspection endpoint, below the issuer.
pub const INTROSPECTION_PATH: &str = "/oauth2/introspect";

/// The revocation feed, below the issuer.
pub const FEED_PATH: &str = "/revocations";

const JWKS_PATH: &str = "/.well-known/jwks.json";
const METADATA_PREFIX: &str = "/.well-known/oauth-authorization-server";

/// The URLs of an issuer's endpoints and the paths under which they are served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoints {
    issuer: String,
    path_start: usize,
}

/// The path of the issuer can't be served.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the issuer's path {0:?} can't be served: it holds `{{` or `}}`, or one of its segments begins with `*` or `:`; \
     choose a path without them"
)]
pub struct IssuerPathError(String);

impl Endpoints {
    /// Endpoints of an issuer identifier that the configuration has validated: an absolute URL without query and
    /// fragment.
    ///
    /// # Errors
    /// [`IssuerPathError`] for a path that the router would take for a pattern rather than for itself.
    pub fn new(issuer: &str) -> Result<Self, IssuerPathError> {
        let authority = issuer.find("://").map_or(0, |scheme| scheme + "://".len());
        let path_start = issuer[authority..]
            .find('/')
            .map_or(issuer.len(), |slash| authority + slash);
        let path = &issuer[path_start..];
        let is_pattern =
            path.contains(['{', '}']) || path.split('/').any(|segment| segment.starts_with(['*', ':']));
        if is_pattern {
            return Err(IssuerPathError(path.to_owned()));
        }
        Ok(Self {
            issuer: issuer.to_owned(),
            path_start,
        })
    }

    /// The issuer identifier, as it was configured.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The URL of a path below the issuer; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer.trim_end_matches('/'))
    }

    /// The request path of a path below the issuer, as a route of axum; `path` begins with a slash.
    pub fn route(&self, path: &str) -> String {
        format!("{}{path}", self.path())
    }

    /// The URL of the key set.
    pub fn jwks_uri(&self) -> String {
        self.url(JWKS_PATH)
    }

    /// The request path of the key set.
    pub fn jwks_route(&self) -> String {
        self.route(JWKS_PATH)
    }

    /// The request path of the metadata: the well-known part stands in front of the issuer's path
    /// ([RFC 8414 section 3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1)).
    pub fn metadata_route(&self) -> String {
        format!("{METADATA_PREFIX}{}", self.path())
    }

    /// The issuer's path without a terminating slash.
    fn path(&self) -> &str {
        self.issuer[self.path_start..].trim_end_matches('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_the_well_known_part_before_the_issuers_path() {
        for (issuer, jwks, metadata) in [
            (
                "https://as.example",
                "/.well-known/jwks.json",
                "/.well-known/oauth-authorization-server",
            ),
            (
                "https://as.example:8443/tenant/a",
                "/tenant/a/.well-known/jwks.json",
                "/.well-known/oauth-authorization-server/tenant/a",
            ),
            (
                "https://as.example/tenant/",
                "/tenant/.well-known/jwks.json",
                "/.well-known/oauth-authorization-server/tenant",
            ),
        ] {
            let endpoints = Endpoints::new(issuer).unwrap();
            assert_eq!(endpoints.jwks_route(), jwks);
            assert_eq!(endpoints.metadata_route(), metadata);
            assert_eq!(
                endpoints.jwks_uri(),
                format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'))
            );
            assert_eq!(endpoints.issuer(), issuer);
        }
    }

    #[test]
    fn refuses_paths_that_are_patterns() {
        for path in ["/{x}", "/a}", "/a/*rest", "/:id"] {
            let error = Endpoints::new(&format!("https://as.example{path}")).unwrap_err();
            assert_eq!(error, IssuerPathError(path.to_owned()));
        }
        assert!(Endpoints::new("https://[::1]:8443/a*b:c").is_ok());
    }
}
