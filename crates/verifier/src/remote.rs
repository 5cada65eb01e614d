//! Keys that are fetched: in the background, and early when a token names one that is not known.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use symbolon_oauth_types::feed::paths;
use tokio::sync::{Notify, watch};
use url::Url;

use crate::discovery::{Discovery, below};
use crate::environment::shortened;
use crate::feed::FeedKeys;
use crate::fetch::{FetchError, Fetched};
use crate::key::Key;
use crate::{Clock, Jitter, KeySet, Metrics, Refused};

/// How long keys are kept where the issuer does not say.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);
/// How long is waited after a first failure where no keys are known yet; twice as long after each further one, up to
/// the cooldown.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// How keys are fetched.
#[derive(Clone)]
pub(crate) struct Schedule {
    /// The least time from one fetch for the sake of an unknown `kid` to the next.
    pub(crate) cooldown: Duration,
    /// The bounds of the time from one fetch to the next.
    pub(crate) refresh: RangeInclusive<Duration>,
}

/// The keys of an issuer, as they were fetched last. A failed fetch changes nothing.
pub(crate) struct RemoteKeys {
    current: ArcSwapOption<KeySet>,
    clock: Arc<dyn Clock>,
    cooldown: Duration,
    demand: Mutex<Demand>,
    /// The number of the last demand that was met, with or without success.
    met: watch::Sender<u64>,
    wake: Notify,
}

/// Fetches for the sake of an unknown `kid`.
#[derive(Default)]
struct Demand {
    /// How many there were.
    made: u64,
    /// When the last one was made, by the monotonic clock.
    last: Option<Duration>,
}

impl RemoteKeys {
    pub(crate) fn new(clock: Arc<dyn Clock>, cooldown: Duration) -> Self {
        Self {
            current: ArcSwapOption::empty(),
            clock,
            cooldown,
            demand: Mutex::default(),
            met: watch::Sender::new(0),
            wake: Notify::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.current.load().as_ref().map_or(0, |set| set.len())
    }

    /// The names of all keys.
    pub(crate) fn kids(&self) -> Vec<String> {
        let current = self.current.load();
        let set = current.as_ref().into_iter();
        set.flat_map(|set| set.kids()).map(str::to_owned).collect()
    }

    /// The key of a `kid`; `None` if the issuer has none as far as is known.
    pub(crate) fn find(&self, kid: &str) -> Result<Option<Arc<Key>>, Refused> {
        let current = self.current.load();
        let set = current.as_ref().ok_or(Refused::KeysUnavailable)?;
        Ok(set.find(kid).cloned())
    }

    /// The key of a `kid` that is not known, for which keys are fetched if they were not just now. Tokens that come
    /// while that lasts wait for the same fetch; others are refused at once until the cooldown is over.
    pub(crate) async fn find_anew(&self, kid: &str) -> Result<Option<Arc<Key>>, Refused> {
        let Some((number, mut met)) = self.demand() else {
            return Ok(None);
        };
        // It fails only if nobody fetches any more; then what is known is all there is.
        let _ = met.wait_for(|met| *met >= number).await;
        self.find(kid)
    }

    /// Joins the demand under way or makes one; `None` during the cooldown.
    fn demand(&self) -> Option<(u64, watch::Receiver<u64>)> {
        let mut demand = self.locked_demand();
        let met = self.met.subscribe();
        if demand.made > *met.borrow() {
            return Some((demand.made, met));
        }
        let now = self.clock.monotonic();
        if demand
            .last
            .is_some_and(|last| now.saturating_sub(last) < self.cooldown)
        {
            return None;
        }
        demand.made += 1;
        demand.last = Some(now);
        self.wake.notify_one();
        Some((demand.made, met))
    }

    fn is_demanded(&self) -> bool {
        self.demands_made() > *self.met.borrow()
    }

    fn demands_made(&self) -> u64 {
        self.locked_demand().made
    }

    fn locked_demand(&self) -> MutexGuard<'_, Demand> {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, set: KeySet) {
        let set = match self.current.load().as_ref() {
            Some(old) => set.replacing(old),
            None => set,
        };
        self.current.store(Some(Arc::new(set)));
    }
}

/// Which keys are kept fresh.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Those that sign the feed.
    Feed,
    /// Those that sign tokens.
    Tokens,
}

impl Purpose {
    async fn address(self, discovery: &Discovery) -> Result<Url, FetchError> {
        match self {
            Self::Tokens => discovery.jwks_uri().await,
            Self::Feed => {
                let no_feed = || FetchError::Document("the issuer publishes no revocation feed".into());
                let feed = discovery.feed().await?.ok_or_else(no_feed)?;
                Ok(below(&feed, paths::KEYS))
            }
        }
    }

    fn read(self, json: &[u8]) -> Result<KeySet, FetchError> {
        let set = match self {
            Self::Tokens => KeySet::from_json(json),
            Self::Feed => FeedKeys::from_json(json).map(|keys| keys.0),
        };
        set.map_err(|error| FetchError::Document(error.to_string()))
    }

    fn report(self, metrics: &dyn Metrics, outcome: Result<usize, &'static str>) {
        match self {
            Self::Tokens => metrics.keys_fetched(outcome),
            Self::Feed => metrics.feed_keys_fetched(outcome),
        }
    }
}

/// The one that fetches, so that never two fetches are under way. A request that goes away takes no fetch with it.
pub(crate) struct Keeper {
    pub(crate) keys: Arc<RemoteKeys>,
    pub(crate) purpose: Purpose,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) jitter: Arc<dyn Jitter>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) schedule: Schedule,
    pub(crate) failures: u32,
}

impl Keeper {
    /// Keeps the keys fresh, for as long as it is polled. The first fetch is due after `wait`.
    pub(crate) async fn run(mut self, mut wait: Duration) {
        loop {
            // A wake-up for a demand that a fetch in between has met wakes nobody.
            let demanded = async {
                while !self.keys.is_demanded() {
                    self.keys.wake.notified().await;
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = demanded => {}
            }
            wait = self.refresh().await;
        }
    }

    /// Fetches once. Returns how long to wait until the next time.
    pub(crate) async fn refresh(&mut self) -> Duration {
        // Demands that come from here on may be for keys that this fetch does not see any more.
        let demands = self.keys.demands_made();
        let outcome = self.attempt().await;
        let wait = match outcome {
            Ok((set, max_age)) => {
                let count = set.len();
                self.keys.store(set);
                self.purpose.report(&*self.metrics, Ok(count));
                self.failures = 0;
                max_age.clamp(*self.schedule.refresh.start(), *self.schedule.refresh.end())
            }
            Err(error) => {
                self.discovery.forget().await;
                self.purpose.report(&*self.metrics, Err(error.reason()));
                let (issuer, known) = (self.discovery.issuer.as_str(), self.keys.len());
                let of = self.purpose;
                tracing::warn!(issuer, ?of, known, %error, "keys could not be fetched: those that are known go on");
                self.failures = self.failures.saturating_add(1);
                self.retry(known)
            }
        };
        self.keys.met.send_replace(demands);
        shortened(wait, &*self.jitter)
    }

    /// How long to wait after a failure. With keys at hand nothing is urgent.
    fn retry(&self, known: usize) -> Duration {
        if known > 0 {
            return self.schedule.cooldown;
        }
        let doubled = FIRST_RETRY.saturating_mul(1 << self.failures.clamp(1, 16) >> 1);
        doubled.min(self.schedule.cooldown)
    }

    async fn attempt(&self) -> Result<(KeySet, Duration), FetchError> {
        let uri = self.purpose.address(&self.discovery).await?;
        let document = self.discovery.fetcher.get(&uri, KeySet::MAX_BYTES).await?;
        Ok((self.purpose.read(&document.body)?, max_age(&document)))
    }
}

/// For how long the document is fresh (RFC 9111 sections 4.2.1 and 5.2.2).
fn max_age(document: &Fetched) -> Duration {
    let Some(text) = &document.cache_control else {
        return DEFAULT_MAX_AGE;
    };
    let mut found = DEFAULT_MAX_AGE;
    for directive in text.split(',').map(|part| part.trim().to_ascii_lowercase()) {
        match directive.split_once('=') {
            None if directive == "no-store" || directive == "no-cache" => return Duration::ZERO,
            Some(("max-age", secs)) => {
                // What can't be read counts as stale (RFC 9111 section 4.2.1).
                let secs = secs.trim_matches('"').parse().unwrap_or(0_u64);
                found = Duration::from_secs(secs.saturating_sub(document.age));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_long_keys_are_fresh() {
        let of = |value: &str| max_age(&Fetched::new("").with_cache_control(value)).as_secs();
        assert_eq!(of("public, max-age=900, stale-while-revalidate=60"), 900);
        assert_eq!(of("Max-Age=\"7\""), 7);
        assert_eq!(of("max-age=900, no-store"), 0);
        assert_eq!(of("no-cache"), 0);
        assert_eq!(of("max-age=soon"), 0);
        assert_eq!(of("s-maxage=5"), 300);
        assert_eq!(max_age(&Fetched::new("")).as_secs(), 300);
        let mut aged = Fetched::new("").with_cache_control("max-age=900");
        aged.age = 800;
        assert_eq!(max_age(&aged).as_secs(), 100);
        aged.age = u64::MAX;
        assert_eq!(max_age(&aged).as_secs(), 0);
    }
}
