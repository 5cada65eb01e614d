use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use tokio::task::AbortHandle;

use crate::cache::{Verified, VerifiedTokens};
use crate::challenge;
use crate::key::Key;
use crate::remote::RemoteKeys;
use crate::rules::Rules;
use crate::token::Unverified;
use crate::{BuildError, Builder, Claims, Clock, KeySet, Metrics, Refused, RevocationCheck};

/// Verifies the access tokens of one issuer for one resource server. Clones are cheap and share everything.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) rules: Rules,
    /// The audience, shared with what is refused.
    pub(crate) realm: Arc<str>,
    pub(crate) keys: Keys,
    pub(crate) tokens: Option<VerifiedTokens>,
    pub(crate) revocation: Arc<dyn RevocationCheck>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<dyn Metrics>,
}

/// Where the keys come from.
pub(crate) enum Keys {
    Fixed(KeySet),
    Remote {
        keys: Arc<RemoteKeys>,
        /// Keeps them fresh.
        _keeper: AbortOnDrop,
    },
}

/// Ends a task with the last verifier that needs it.
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Keys {
    fn find(&self, kid: &str) -> Result<Option<Arc<Key>>, Refused> {
        match self {
            Self::Fixed(set) => Ok(set.find(kid).cloned()),
            Self::Remote { keys, .. } => keys.find(kid),
        }
    }

    async fn find_anew(&self, kid: &str) -> Result<Option<Arc<Key>>, Refused> {
        match self {
            Self::Fixed(_) => Ok(None),
            Self::Remote { keys, .. } => keys.find_anew(kid).await,
        }
    }
}

impl Verifier {
    /// Begins a verifier for the tokens of `issuer` that are meant for `audience`. Both are compared exactly.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> Builder {
        Builder::new(issuer.into(), audience.into())
    }

    /// A verifier whose keys stand still, with the defaults of everything else: for tests without a server, and for
    /// those that are given their keys by other means.
    ///
    /// # Errors
    /// [`BuildError`] where issuer or audience are not what they must be.
    pub fn with_keys(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        keys: KeySet,
    ) -> Result<Self, BuildError> {
        Self::builder(issuer, audience).build_with_keys(keys)
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Verifies the one bearer token in the `Authorization` header, as [`Verifier::verify`] does.
    ///
    /// # Errors
    /// [`Refused`]
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Claims>, Refused> {
        match challenge::bearer(headers) {
            Ok(token) => self.verify(token).await,
            Err(refused) => {
                self.0.metrics.refused(refused.reason());
                Err(refused)
            }
        }
    }

    /// Verifies an access token ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)).
    ///
    /// It waits only where the token names a key that is not known, for at most the time-outs of two fetches and what
    /// is left of one that has begun.
    ///
    /// # Errors
    /// [`Refused`] says what was wrong first.
    pub async fn verify(&self, token: &str) -> Result<Arc<Claims>, Refused> {
        match self.accept(token).await {
            Ok((claims, cached)) => {
                self.0.metrics.accepted(cached);
                Ok(claims)
            }
            Err(refused) => {
                self.0.metrics.refused(refused.reason());
                Err(refused)
            }
        }
    }

    /// The resource server that tokens must be meant for.
    pub fn audience(&self) -> &str {
        &self.0.rules.audience
    }

    /// How many keys are known; zero as long as they could never be fetched.
    pub fn keys_known(&self) -> usize {
        match &self.0.keys {
            Keys::Fixed(set) => set.len(),
            Keys::Remote { keys, .. } => keys.len(),
        }
    }

    /// The headers of the answer to a refused request: `WWW-Authenticate` as
    /// [RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3) has it or, with status 503, `Retry-After`.
    pub fn refusal_headers(&self, refused: &Refused) -> HeaderMap {
        challenge::headers(refused, &self.0.realm)
    }

    #[cfg(any(feature = "axum", feature = "tower"))]
    pub(crate) fn realm(&self) -> Arc<str> {
        Arc::clone(&self.0.realm)
    }

    /// The claims, and whether the signature had been verified before.
    async fn accept(&self, token: &str) -> Result<(Arc<Claims>, bool), Refused> {
        let remembered = self.0.tokens.as_ref().zip(VerifiedTokens::name(token));
        if let Some((tokens, name)) = &remembered
            && let Some(verified) = tokens.find(name)
            && self.is_current(&verified.key)
        {
            let decided = self.decide(&verified.claims);
            if decided.is_err() {
                tokens.remove(name);
            }
            return decided.map(|()| (verified.claims, true));
        }
        let verified = self.verify_signature(token).await?;
        self.0.rules.check_parties(&verified.claims)?;
        self.decide(&verified.claims)?;
        let claims = Arc::clone(&verified.claims);
        if let Some((tokens, name)) = remembered {
            tokens.insert(name, verified);
        }
        Ok((claims, false))
    }

    async fn verify_signature(&self, token: &str) -> Result<Verified, Refused> {
        let unverified = Unverified::parse(token, &self.0.rules.algorithms)?;
        let key = match self.0.keys.find(&unverified.kid)? {
            Some(key) => key,
            None => {
                let found = self.0.keys.find_anew(&unverified.kid).await?;
                found.ok_or(Refused::KeyUnknown)?
            }
        };
        let claims = Arc::new(unverified.verify(&key)?);
        Ok(Verified { claims, key })
    }

    /// Whether the issuer still publishes the key, the same and not another one under its name.
    fn is_current(&self, key: &Arc<Key>) -> bool {
        let current = self.0.keys.find(&key.kid);
        current.is_ok_and(|current| current.is_some_and(|current| Arc::ptr_eq(&current, key)))
    }

    fn decide(&self, claims: &Claims) -> Result<(), Refused> {
        self.0
            .rules
            .decide(claims, &*self.0.revocation, self.0.clock.now())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("rules", &self.0.rules)
            .field("keys", &self.keys_known())
            .finish_non_exhaustive()
    }
}
