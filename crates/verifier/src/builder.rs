use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::VerifiedTokens;
use crate::discovery::Issuer;
use crate::fetch::Fetch;
use crate::remote::{Keeper, RemoteKeys, Schedule};
use crate::rules::Rules;
use crate::verifier::{AbortOnDrop, Inner, Keys};
use crate::{
    Algorithm, Clock, Jitter, KeySet, Metrics, NoFeed, NoMetrics, RevocationCheck, SystemClock, SystemJitter,
    Verifier,
};

const DEFAULT_COOLDOWN: Duration = Duration::from_secs(30);
const DEFAULT_LEEWAY: Duration = Duration::from_secs(10);
const DEFAULT_REFRESH: RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(3600);
const DEFAULT_REMEMBERED: usize = 10_000;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_LEEWAY: Duration = Duration::from_secs(60);
/// The bounds of every other duration.
const DURATIONS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// The most tokens that may be remembered: about a gigabyte of the largest.
const MAX_REMEMBERED: usize = 1_000_000;
/// The longest audience, in bytes.
const MAX_AUDIENCE_LEN: usize = 1024;

/// Settings of a [`Verifier`]. Issuer and audience are all that is needed.
#[must_use = "nothing is verified before it is built"]
pub struct Builder {
    issuer: String,
    audience: String,
    algorithms: Vec<Algorithm>,
    clock: Arc<dyn Clock>,
    cooldown: Duration,
    fetch: Option<Arc<dyn Fetch>>,
    jitter: Arc<dyn Jitter>,
    leeway: Duration,
    metrics: Arc<dyn Metrics>,
    refresh: RangeInclusive<Duration>,
    remembered: usize,
    revocation: Arc<dyn RevocationCheck>,
    timeout: Duration,
}

impl Builder {
    pub(crate) fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audience,
            algorithms: Algorithm::ALL.to_vec(),
            clock: Arc::new(SystemClock::new()),
            cooldown: DEFAULT_COOLDOWN,
            fetch: None,
            jitter: Arc::new(SystemJitter),
            leeway: DEFAULT_LEEWAY,
            metrics: Arc::new(NoMetrics),
            refresh: DEFAULT_REFRESH,
            remembered: DEFAULT_REMEMBERED,
            revocation: Arc::new(NoFeed),
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// The algorithms that are accepted, instead of all of [`Algorithm::ALL`]. Each key has one of its own besides.
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let algorithms = algorithms.into_iter().collect();
        Self { algorithms, ..self }
    }

    /// The clock, instead of the system's.
    pub fn clock(self, clock: impl Clock) -> Self {
        let clock = Arc::new(clock);
        Self { clock, ..self }
    }

    /// The least time from one fetch of the keys for the sake of an unknown `kid` to the next, 1 s to a day. Default:
    /// 30 s.
    pub fn cooldown(self, cooldown: Duration) -> Self {
        Self { cooldown, ..self }
    }

    /// What fetches metadata and keys, instead of `HttpFetch`.
    pub fn fetch(self, fetch: impl Fetch) -> Self {
        let fetch: Option<Arc<dyn Fetch>> = Some(Arc::new(fetch));
        Self { fetch, ..self }
    }

    /// What spreads the fetches of many verifiers, instead of the system's randomness.
    pub fn jitter(self, jitter: impl Jitter) -> Self {
        let jitter = Arc::new(jitter);
        Self { jitter, ..self }
    }

    /// How far the clocks of issuer and verifier may differ, 60 s at most. Default: 10 s. Tokens are accepted for so
    /// much longer.
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// What is told about tokens and keys.
    pub fn metrics(self, metrics: impl Metrics) -> Self {
        let metrics = Arc::new(metrics);
        Self { metrics, ..self }
    }

    /// The bounds of the time from one fetch of the keys to the next, each 1 s to a day, within which the issuer's
    /// `Cache-Control` decides. Default: 30 s to an hour.
    pub fn refresh(self, bounds: RangeInclusive<Duration>) -> Self {
        Self {
            refresh: bounds,
            ..self
        }
    }

    /// How many tokens are remembered, so that their signature need not be verified again: 0 to 1,000,000, each of which
    /// takes 1 KiB mostly and 10 KiB at most. Default: 10,000.
    pub fn remember(self, tokens: usize) -> Self {
        Self {
            remembered: tokens,
            ..self
        }
    }

    /// What knows which tokens are revoked. Default: [`NoFeed`], which knows nothing.
    pub fn revocation(self, revocation: impl RevocationCheck) -> Self {
        let revocation = Arc::new(revocation);
        Self { revocation, ..self }
    }

    /// The longest that one document may take, 1 s to a day. Default: 5 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Fetches metadata and keys, and goes on to keep them fresh in a task of this Tokio runtime, until the last clone
    /// of the verifier is dropped.
    ///
    /// An issuer that does not answer is no error: until it does, tokens are refused with status 503
    /// ([`crate::Refused::KeysUnavailable`]), and it is tried again every few seconds. [`Verifier::keys_known`] tells.
    ///
    /// # Errors
    /// [`BuildError`] names the setting that is out of bounds.
    pub async fn build(self) -> Result<Verifier, BuildError> {
        let issuer = self.check()?;
        let fetch = match &self.fetch {
            Some(fetch) => Arc::clone(fetch),
            None => default_fetch()?,
        };
        let keys = Arc::new(RemoteKeys::new(Arc::clone(&self.clock), self.cooldown));
        let mut keeper = Keeper {
            keys: Arc::clone(&keys),
            fetch,
            issuer,
            jitter: Arc::clone(&self.jitter),
            metrics: Arc::clone(&self.metrics),
            schedule: Schedule {
                cooldown: self.cooldown,
                refresh: self.refresh.clone(),
                timeout: self.timeout,
            },
            jwks_uri: None,
            failures: 0,
        };
        let wait = keeper.refresh().await;
        let task = tokio::spawn(keeper.run(wait)).abort_handle();
        Ok(self.verifier(Keys::Remote {
            keys,
            _keeper: AbortOnDrop(task),
        }))
    }

    /// A verifier whose keys stand still. It fetches nothing and needs no runtime.
    ///
    /// # Errors
    /// [`BuildError`] names the setting that is out of bounds.
    pub fn build_with_keys(self, keys: KeySet) -> Result<Verifier, BuildError> {
        self.check()?;
        Ok(self.verifier(Keys::Fixed(keys)))
    }

    fn check(&self) -> Result<Issuer, BuildError> {
        let issuer = Issuer::parse(&self.issuer).ok_or(BuildError::Issuer)?;
        // It stands in a quoted string of `WWW-Authenticate`.
        let quotable = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if !(1..=MAX_AUDIENCE_LEN).contains(&self.audience.len()) || !self.audience.bytes().all(quotable) {
            return Err(BuildError::Audience);
        }
        if self.algorithms.is_empty() {
            return Err(BuildError::Algorithms);
        }
        if self.leeway > MAX_LEEWAY {
            return Err(BuildError::Leeway);
        }
        if self.remembered > MAX_REMEMBERED {
            return Err(BuildError::Remember);
        }
        let durations = [
            ("cooldown", self.cooldown),
            ("refresh", *self.refresh.start()),
            ("refresh", *self.refresh.end()),
            ("timeout", self.timeout),
        ];
        if let Some((name, _)) = durations.iter().find(|(_, value)| !DURATIONS.contains(value)) {
            return Err(BuildError::Duration(name));
        }
        if self.refresh.is_empty() {
            return Err(BuildError::Duration("refresh"));
        }
        Ok(issuer)
    }

    fn verifier(self, keys: Keys) -> Verifier {
        Verifier::new(Inner {
            realm: self.audience.as_str().into(),
            rules: Rules {
                issuer: self.issuer,
                audience: self.audience,
                algorithms: self.algorithms,
                leeway: u64::try_from(self.leeway.as_millis()).unwrap_or(u64::MAX),
            },
            keys,
            tokens: (self.remembered > 0).then(|| VerifiedTokens::new(self.remembered)),
            revocation: self.revocation,
            clock: self.clock,
            metrics: self.metrics,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "http")]
fn default_fetch() -> Result<Arc<dyn Fetch>, BuildError> {
    let fetch = crate::HttpFetch::new().map_err(|error| BuildError::Fetch(error.to_string()))?;
    Ok(Arc::new(fetch))
}

#[cfg(not(feature = "http"))]
fn default_fetch() -> Result<Arc<dyn Fetch>, BuildError> {
    let remedy = "name one with `Builder::fetch`, or switch the feature `http` on";
    Err(BuildError::Fetch(remedy.into()))
}

/// A setting that a verifier can't be built with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No algorithm is allowed.
    #[error("no algorithm is allowed: name at least one")]
    Algorithms,
    /// The audience is no resource indicator.
    #[error(
        "the audience must have 1 to {MAX_AUDIENCE_LEN} bytes of printable ASCII, without space, double quote and backslash"
    )]
    Audience,
    /// A duration is out of bounds.
    #[error("`{0}` must be 1 s to 24 h, and the lower bound no more than the upper")]
    Duration(&'static str),
    /// There is nothing that fetches.
    #[error("nothing fetches keys: {0}")]
    Fetch(String),
    /// The issuer is no issuer identifier.
    #[error("the issuer must be an https URL (http on loopback) without query, fragment and credentials")]
    Issuer,
    /// The leeway is too long.
    #[error("the leeway must be 60 s or less")]
    Leeway,
    /// Too many tokens would be remembered.
    #[error("at most {MAX_REMEMBERED} tokens may be remembered")]
    Remember,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_settings_out_of_bounds() {
        let good = || Verifier::builder("https://as", "https://api");
        let secs = Duration::from_secs;
        let day = secs(24 * 3600);
        assert!(good().leeway(secs(60)).cooldown(day).check().is_ok());
        for (builder, error) in [
            (good().algorithms([]), BuildError::Algorithms),
            (Verifier::builder("https://as", ""), BuildError::Audience),
            (Verifier::builder("https://as", "a\"b"), BuildError::Audience),
            (Verifier::builder("https://as", "a\r\nb"), BuildError::Audience),
            (
                Verifier::builder("https://as", "a".repeat(1025)),
                BuildError::Audience,
            ),
            (Verifier::builder("http://as", "a"), BuildError::Issuer),
            (good().leeway(secs(61)), BuildError::Leeway),
            (good().remember(1_000_001), BuildError::Remember),
            (good().cooldown(secs(0)), BuildError::Duration("cooldown")),
            (good().timeout(day + secs(1)), BuildError::Duration("timeout")),
            (good().refresh(secs(0)..=secs(9)), BuildError::Duration("refresh")),
            (good().refresh(secs(9)..=secs(8)), BuildError::Duration("refresh")),
        ] {
            assert_eq!(builder.check().unwrap_err(), error);
        }
    }
}
