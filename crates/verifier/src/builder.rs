use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::discovery::Issuer;
use crate::fetch::Fetch;
use crate::follow::{Evidence, Pace};
use crate::staleness::Staleness;
use crate::{
    Algorithm, BuildError, Clock, Jitter, Metrics, NoMetrics, RevocationCheck, ScopeSet, SystemClock,
    SystemJitter, WhenStale,
};

const DEFAULT_COOLDOWN: Duration = Duration::from_secs(30);
const DEFAULT_LEEWAY: Duration = Duration::from_secs(10);
const DEFAULT_POLL: Duration = Duration::from_secs(1);
const DEFAULT_REFRESH: RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(3600);
const DEFAULT_REMEMBERED: usize = 10_000;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_LEEWAY: Duration = Duration::from_secs(60);
/// The bounds of every other duration.
const DURATIONS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// The most tokens that may be remembered: about a gigabyte of the largest.
pub(crate) const MAX_REMEMBERED: usize = 1_000_000;
/// The longest audience, in bytes.
pub(crate) const MAX_AUDIENCE_LEN: usize = 1024;

/// Settings of a [`Verifier`](crate::Verifier). Issuer and audience are all that is needed.
#[must_use = "nothing is verified before it is built"]
pub struct Builder {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cooldown: Duration,
    /// `None` where what was said to report as can't be.
    pub(crate) evidence: Option<Option<Evidence>>,
    pub(crate) fetch: Option<Arc<dyn Fetch>>,
    pub(crate) jitter: Arc<dyn Jitter>,
    pub(crate) leeway: Duration,
    pub(crate) max_stale: Option<Duration>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) pace: Pace,
    pub(crate) refresh: RangeInclusive<Duration>,
    pub(crate) remembered: usize,
    pub(crate) revoked: Revoked,
    pub(crate) staleness: Staleness,
    pub(crate) timeout: Duration,
}

/// Who is to know which tokens are revoked.
pub(crate) enum Revoked {
    Custom(Arc<dyn RevocationCheck>),
    /// The issuer's feed, where the keys are the issuer's as well.
    Feed,
    Nobody,
}

impl Builder {
    pub(crate) fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audience,
            algorithms: Algorithm::ALL.to_vec(),
            clock: Arc::new(SystemClock::new()),
            cooldown: DEFAULT_COOLDOWN,
            evidence: None,
            fetch: None,
            jitter: Arc::new(SystemJitter),
            leeway: DEFAULT_LEEWAY,
            max_stale: None,
            metrics: Arc::new(NoMetrics),
            pace: Pace {
                poll: DEFAULT_POLL,
                stream: true,
            },
            refresh: DEFAULT_REFRESH,
            remembered: DEFAULT_REMEMBERED,
            revoked: Revoked::Feed,
            staleness: Staleness::default(),
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

    /// What fetches metadata, keys and the revocation feed, instead of `HttpFetch`.
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

    /// How old what is known of revocations may be, 1 s to a day, instead of what the issuer says. Past that nobody can
    /// tell whether a token is revoked, and [`Builder::when_stale`] decides. A head comes each second: less than 5 s takes
    /// each hitch of the network for a failure. Where this machine's clock is behind, what is known may be older by as much, the
    /// leeway or 10 s at most, whichever is more.
    pub fn max_stale(self, max_stale: Duration) -> Self {
        let max_stale = Some(max_stale);
        Self { max_stale, ..self }
    }

    /// What is told about tokens, keys and revocations.
    pub fn metrics(self, metrics: impl Metrics) -> Self {
        let metrics = Arc::new(metrics);
        Self { metrics, ..self }
    }

    /// The time from one poll of the revocation feed to the next, 1 s to a day, where its stream can't be had. Default: 1 s,
    /// for which revocations are late then.
    pub fn poll_every(self, poll: Duration) -> Self {
        let pace = Pace { poll, ..self.pace };
        Self { pace, ..self }
    }

    /// Follows the revocation feed by polling alone: where streams are no use, for example behind a proxy that holds them
    /// back.
    pub fn poll_only(self) -> Self {
        let pace = Pace {
            stream: false,
            ..self.pace
        };
        Self { pace, ..self }
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

    /// Reports to the issuer every few seconds what is applied of the revocation feed and which keys are known, so that
    /// whoever revokes something can see when it has arrived here. It authenticates as a client of the issuer. `name` is what
    /// this verifier is called, 1 to 100 characters of `A-Z a-z 0-9 . _ : -`. Each process needs a name of its own within
    /// the client: two with one name confirm for each other. A report that fails does no harm.
    pub fn report_as(self, name: impl Into<String>, client_id: &str, client_secret: &str) -> Self {
        let evidence = Some(Evidence::new(name.into(), client_id, client_secret));
        Self { evidence, ..self }
    }

    /// What knows which tokens are revoked, instead of the issuer's feed.
    pub fn revocation(self, revocation: impl RevocationCheck) -> Self {
        let revoked = Revoked::Custom(Arc::new(revocation));
        Self { revoked, ..self }
    }

    /// The longest that one document may take, 1 s to a day. Default: 5 s. A snapshot of the revocation feed may take a
    /// minute in any case.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What becomes of tokens while what is known of revocations is too old. Default: [`WhenStale::Refuse`].
    pub fn when_stale(mut self, policy: WhenStale) -> Self {
        self.staleness.default = policy;
        self
    }

    /// The same for requests that need one of these scopes.
    ///
    /// - [`WhenStale::Refuse`] is heeded wherever the scope is required. Where nobody says what is required
    ///   ([`Verifier::verify`](crate::Verifier::verify)), it is heeded for all tokens that have the scope.
    /// - [`WhenStale::Accept`] is heeded where the scope is required in the same step that verifies the token
    ///   ([`Verifier::verify_with_scope`](crate::Verifier::verify_with_scope), `BearerLayer::require_scope`), and only if all
    ///   scopes that are required have this policy.
    pub fn when_stale_for(mut self, scopes: &ScopeSet, policy: WhenStale) -> Self {
        let policies = scopes.iter().map(|scope| (scope.clone(), policy));
        self.staleness.scopes.extend(policies);
        self
    }

    /// Looks at no revocation: **a token that was revoked is accepted until it expires**.
    pub fn without_revocation(self) -> Self {
        let revoked = Revoked::Nobody;
        Self { revoked, ..self }
    }

    /// The issuer, if every setting is within its bounds.
    pub(crate) fn check(&self) -> Result<Issuer, BuildError> {
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
            ("max_stale", self.max_stale.unwrap_or(Duration::from_secs(1))),
            ("poll_every", self.pace.poll),
            ("refresh", *self.refresh.start()),
            ("refresh", *self.refresh.end()),
            ("timeout", self.timeout),
        ];
        if let Some((name, _)) = durations.iter().find(|(_, value)| !DURATIONS.contains(value)) {
            return Err(BuildError::Duration(name));
        }
        if matches!(self.evidence, Some(None)) {
            return Err(BuildError::Report);
        }
        if self.evidence.is_some() && !matches!(self.revoked, Revoked::Feed) {
            return Err(BuildError::NothingToReport);
        }
        if self.refresh.is_empty() {
            return Err(BuildError::Duration("refresh"));
        }
        Ok(issuer)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verifier;

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
            (good().max_stale(secs(0)), BuildError::Duration("max_stale")),
            (good().max_stale(day + secs(1)), BuildError::Duration("max_stale")),
            (good().poll_every(secs(0)), BuildError::Duration("poll_every")),
            (good().report_as("a b", "c", "s"), BuildError::Report),
            (
                good().report_as("a", "c", "s").without_revocation(),
                BuildError::NothingToReport,
            ),
        ] {
            assert_eq!(builder.check().unwrap_err(), error);
        }
    }
}
