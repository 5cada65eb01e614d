use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use tokio::task::AbortHandle;

use crate::cache::{Verified, VerifiedTokens};
use crate::challenge;
use crate::jws::{Form, Unverified};
use crate::key::Key;
use crate::remote::RemoteKeys;
use crate::revocation::Revocation;
use crate::rules::Rules;
use crate::staleness::Staleness;
use crate::{BuildError, Builder, Claims, Clock, FeedStatus, KeySet, Metrics, Refused, ScopeSet};

/// The media type of access tokens (RFC 9068 section 2.1).
const TOKEN_TYPE: &str = "at+jwt";
/// The longest token that is looked at, in bytes: 16 KiB.
const MAX_TOKEN_LEN: usize = 16 * 1024;

/// Verifies the access tokens of one issuer for one resource server. Clones are cheap and share everything.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) rules: Rules,
    /// The audience, shared with what is refused.
    pub(crate) realm: Arc<str>,
    pub(crate) keys: Keys,
    pub(crate) tokens: Option<VerifiedTokens>,
    pub(crate) revocation: Revocation,
    pub(crate) staleness: Staleness,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<dyn Metrics>,
    /// What keeps keys and revocations fresh, and what reports.
    pub(crate) _tasks: Vec<AbortOnDrop>,
}

/// Where the keys come from.
pub(crate) enum Keys {
    Fixed(KeySet),
    Remote(Arc<RemoteKeys>),
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
            Self::Remote(keys) => keys.find(kid),
        }
    }

    async fn find_anew(&self, kid: &str) -> Result<Option<Arc<Key>>, Refused> {
        match self {
            Self::Fixed(_) => Ok(None),
            Self::Remote(keys) => keys.find_anew(kid).await,
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
            Err(refused) => Err(self.counted(refused)),
        }
    }

    /// Verifies the one bearer token in the `Authorization` header, as [`Verifier::verify_with_scope`] does.
    ///
    /// # Errors
    /// [`Refused`]
    pub async fn authenticate_with_scope(
        &self,
        headers: &HeaderMap,
        required: &ScopeSet,
    ) -> Result<Arc<Claims>, Refused> {
        match challenge::bearer(headers) {
            Ok(token) => self.verify_with_scope(token, required).await,
            Err(refused) => Err(self.counted(refused)),
        }
    }

    /// Verifies an access token ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)), and that it was not
    /// revoked.
    ///
    /// It waits only where the token names a key that is not known, for at most the time-outs of two fetches and what
    /// is left of one that has begun.
    ///
    /// Where the revocation feed is stale, the verifier's policy decides ([`Builder::when_stale`]); a token that has a scope
    /// which [`crate::WhenStale::Refuse`] is the policy of is refused in any case, since nobody said what it is needed for.
    ///
    /// # Errors
    /// [`Refused`] says what was wrong first.
    pub async fn verify(&self, token: &str) -> Result<Arc<Claims>, Refused> {
        self.count(self.accept(token, None).await)
    }

    /// Verifies an access token, and that it has all of these scopes. Where the revocation feed is stale, the policies of
    /// these scopes decide, and that of the verifier for a scope without one.
    ///
    /// # Errors
    /// [`Refused`] says what was wrong first.
    pub async fn verify_with_scope(&self, token: &str, required: &ScopeSet) -> Result<Arc<Claims>, Refused> {
        let required = Some(required).filter(|required| !required.is_empty());
        self.count(self.accept(token, required).await)
    }

    /// The resource server that tokens must be meant for.
    pub fn audience(&self) -> &str {
        &self.0.rules.audience
    }

    /// How many keys are known; zero as long as they could never be fetched.
    pub fn keys_known(&self) -> usize {
        match &self.0.keys {
            Keys::Fixed(set) => set.len(),
            Keys::Remote(keys) => keys.len(),
        }
    }

    /// What is known of the revocation feed; nothing where none is followed.
    pub fn feed(&self) -> Option<FeedStatus> {
        match &self.0.revocation {
            Revocation::Feed(feed) => Some(feed.status()),
            Revocation::Custom(_) | Revocation::Ignored => None,
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

    /// Refuses a token that was accepted, where it lacks any of these scopes, or where the feed is stale and one of them
    /// wants it refused then.
    #[cfg(any(feature = "axum", feature = "tower"))]
    pub(crate) fn require_scope(&self, claims: &Claims, required: &ScopeSet) -> Result<(), Refused> {
        claims.require_scope(required)?;
        match &self.0.revocation {
            Revocation::Feed(feed)
                if self.0.staleness.of_required(required) == crate::WhenStale::Refuse
                    && feed.is_stale_now() =>
            {
                Err(Refused::RevocationUnknown)
            }
            _ => Ok(()),
        }
    }

    fn count(&self, outcome: Result<(Arc<Claims>, bool), Refused>) -> Result<Arc<Claims>, Refused> {
        match outcome {
            Ok((claims, cached)) => {
                self.0.metrics.accepted(cached);
                Ok(claims)
            }
            Err(refused) => Err(self.counted(refused)),
        }
    }

    fn counted(&self, refused: Refused) -> Refused {
        self.0.metrics.refused(refused.reason());
        refused
    }

    /// The claims, and whether the signature had been verified before.
    async fn accept(&self, token: &str, required: Option<&ScopeSet>) -> Result<(Arc<Claims>, bool), Refused> {
        let remembered = self.0.tokens.as_ref().zip(VerifiedTokens::name(token));
        if let Some((tokens, name)) = &remembered
            && let Some(verified) = tokens.find(name)
            && self.is_current(&verified.key)
        {
            let decided = self.decide(&verified, required);
            if !is_of_use(&decided) {
                tokens.remove(name);
            }
            return decided.map(|()| (verified.claims, true));
        }
        let verified = self.verify_signature(token).await?;
        self.0.rules.check_parties(&verified.claims)?;
        let decided = self.decide(&verified, required);
        let claims = Arc::clone(&verified.claims);
        if let Some((tokens, name)) = remembered.filter(|_| is_of_use(&decided)) {
            tokens.insert(name, verified);
        }
        decided.map(|()| (claims, false))
    }

    async fn verify_signature(&self, token: &str) -> Result<Verified, Refused> {
        let form = Form {
            typ: TOKEN_TYPE,
            max_len: MAX_TOKEN_LEN,
            algorithms: &self.0.rules.algorithms,
        };
        let unverified = Unverified::parse(token, &form)?;
        let key = match self.0.keys.find(&unverified.kid)? {
            Some(key) => key,
            None => {
                let found = self.0.keys.find_anew(&unverified.kid).await?;
                found.ok_or(Refused::KeyUnknown)?
            }
        };
        let claims = Claims::parse(&unverified.verify(&key)?, &key.kid)?;
        Ok(Verified {
            lookup: claims.revocable().lookup(),
            claims: Arc::new(claims),
            key,
        })
    }

    /// Whether the issuer still publishes the key, the same and not another one under its name.
    fn is_current(&self, key: &Arc<Key>) -> bool {
        let current = self.0.keys.find(&key.kid);
        current.is_ok_and(|current| current.is_some_and(|current| Arc::ptr_eq(&current, key)))
    }

    /// What may change from one request to the next. The one function that decides, for tokens whose signature was verified
    /// just now and for those that were verified before.
    fn decide(&self, verified: &Verified, required: Option<&ScopeSet>) -> Result<(), Refused> {
        let Verified { claims, lookup, .. } = verified;
        let now = self.0.clock.now();
        self.0.rules.check_times(claims, now)?;
        if let Some(required) = required {
            claims.require_scope(required)?;
        }
        self.0.revocation.check(claims, lookup, now, || match required {
            Some(required) => self.0.staleness.of_required(required),
            None => self.0.staleness.of_token(&claims.scope),
        })
    }
}

/// Whether the token may be accepted another time.
fn is_of_use(decided: &Result<(), Refused>) -> bool {
    let of_use = |refused: &Refused| {
        matches!(
            refused,
            Refused::InsufficientScope { .. } | Refused::RevocationUnknown
        )
    };
    decided.as_ref().err().is_none_or(of_use)
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("rules", &self.0.rules)
            .field("keys", &self.keys_known())
            .finish_non_exhaustive()
    }
}
