//! The authorization server metadata document (RFC 8414) and the origins that may read it from a browser.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use http::header::VARY;
use symbolon_core::client::AuthMethod;
use symbolon_core::ports::PublishedFacts;
use symbolon_documents::Document;
use symbolon_oauth_types::{AuthorizationServerMetadata, GrantType};

use crate::endpoints::{Endpoints, FEED_PATH, INTROSPECTION_PATH, REVOCATION_PATH, TOKEN_PATH};

/// Grants come and go with clients, and nothing breaks where a cache is minutes behind.
const CACHE: &str = "public, max-age=300";

/// What the enabled clients have in sum and what is on the register, as it is published. Readers never wait for [`Published::refresh`].
pub struct Published {
    endpoints: Endpoints,
    current: ArcSwap<Current>,
}

pub(crate) struct Current {
    pub(crate) document: Document,
    grants: BTreeSet<GrantType>,
    origins: Arc<BTreeSet<String>>,
}

impl Published {
    /// The metadata of an issuer, by the present facts.
    pub fn new(endpoints: Endpoints, facts: PublishedFacts) -> Self {
        let current = ArcSwap::from_pointee(Current::new(&endpoints, facts));
        Self { endpoints, current }
    }

    /// Publishes new facts, all of them at once.
    pub fn refresh(&self, facts: PublishedFacts) {
        self.current.store(Arc::new(Current::new(&self.endpoints, facts)));
    }

    /// Where the endpoints are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Grants that at least one enabled client may use, in the order in which they are listed.
    pub fn grants(&self) -> Vec<GrantType> {
        self.current.load().grants.iter().copied().collect()
    }

    /// Origins that at least one enabled client registered.
    pub fn origins(&self) -> Arc<BTreeSet<String>> {
        self.current.load().origins.clone()
    }

    /// Whether an enabled client registered the origin. Origins are compared as text (RFC 6454 section 6.2 says how
    /// browsers write them).
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.current.load().allows_origin(origin)
    }

    pub(crate) fn current(&self) -> arc_swap::Guard<Arc<Current>> {
        self.current.load()
    }
}

impl Current {
    fn new(endpoints: &Endpoints, facts: PublishedFacts) -> Self {
        let vary = [(VARY, HeaderValue::from_static("Origin"))];
        Self {
            document: Document::json(&metadata(endpoints, &facts), CACHE, &vary),
            grants: facts.grants,
            origins: Arc::new(facts.cors_origins),
        }
    }

    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        self.origins.contains(origin)
    }
}

/// Lists what is there and nothing else.
fn metadata(endpoints: &Endpoints, facts: &PublishedFacts) -> AuthorizationServerMetadata {
    let every_method: Vec<&str> = AuthMethod::ALL.map(AuthMethod::as_str).into();
    // RFC 7662 section 2.1: who introspects must authenticate, which public clients can't.
    let secret_methods = [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];
    AuthorizationServerMetadata {
        issuer: endpoints.issuer().to_owned(),
        token_endpoint: endpoints.url(TOKEN_PATH),
        jwks_uri: endpoints.jwks_uri(),
        scopes_supported: facts.scopes.iter().cloned().collect(),
        response_types_supported: Vec::new(),
        grant_types_supported: facts.grants.iter().copied().collect(),
        token_endpoint_auth_methods_supported: every_method.clone(),
        revocation_endpoint: endpoints.url(REVOCATION_PATH),
        revocation_endpoint_auth_methods_supported: every_method,
        introspection_endpoint: endpoints.url(INTROSPECTION_PATH),
        introspection_endpoint_auth_methods_supported: secret_methods.map(AuthMethod::as_str).into(),
        revocation_feed_uri: endpoints.url(FEED_PATH),
    }
}
