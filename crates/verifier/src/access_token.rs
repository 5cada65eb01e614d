use std::ops::Deref;
use std::sync::Arc;

use symbolon_oauth_types::ScopeSet;

use crate::{Claims, Refused, Verifier, challenge};

/// The access token of a request, verified. [`crate::BearerLayer`] puts it among the request's extensions, and axum
/// handlers take it as an argument.
#[derive(Clone, Debug)]
pub struct AccessToken {
    claims: Arc<Claims>,
    verifier: Verifier,
}

impl AccessToken {
    pub(crate) fn new(claims: Arc<Claims>, verifier: Verifier) -> Self {
        Self { claims, verifier }
    }

    /// What the token says.
    pub fn claims(&self) -> &Arc<Claims> {
        &self.claims
    }

    /// Refuses a token that lacks any of these scopes, and where the revocation feed is stale and one of them is not
    /// accepted then. It makes nothing laxer: what was refused before has not come here.
    ///
    /// # Errors
    /// A [`Rejection`] with status 403 or 503.
    pub fn require_scope(&self, required: &ScopeSet) -> Result<(), Rejection> {
        let outcome = self.verifier.require_scope(&self.claims, required);
        outcome.map_err(|refused| Rejection::new(refused, self.verifier.realm()))
    }
}

impl Deref for AccessToken {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.claims
    }
}

/// A refused request; as a response it is what RFC 6750 section 3 wants, and no more.
#[derive(Clone, Debug)]
pub struct Rejection {
    refused: Refused,
    realm: Arc<str>,
}

impl Rejection {
    pub(crate) fn new(refused: Refused, realm: Arc<str>) -> Self {
        Self { refused, realm }
    }

    /// Why, for logs.
    pub fn refused(&self) -> &Refused {
        &self.refused
    }

    /// The answer, with an empty body.
    pub fn response<B: Default>(&self) -> http::Response<B> {
        challenge::response(&self.refused, &self.realm)
    }
}
