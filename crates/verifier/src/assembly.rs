//! From settings to a verifier and its tasks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::builder::Revoked;
use crate::cache::VerifiedTokens;
use crate::discovery::{Discovery, Fetcher};
use crate::fetch::Fetch;
use crate::follow::{Feed, Follower, Progress, Reporter, Source};
use crate::remote::{Keeper, Purpose, RemoteKeys, Schedule};
use crate::revocation::Revocation;
use crate::rules::Rules;
use crate::verifier::{AbortOnDrop, Inner, Keys};
use crate::{BuildError, Builder, KeySet, Verifier};

/// How far in the future a head of the feed may be, at least: unlike tokens, heads are read the moment that they are made.
const LEAST_AHEAD: Duration = Duration::from_secs(10);

impl Builder {
    /// Fetches metadata and keys, reads the revocation feed, and goes on to keep all of it fresh in tasks of this Tokio
    /// runtime, until the last clone of the verifier is dropped.
    ///
    /// An issuer that does not answer is no error: until it does, tokens are refused with status 503
    /// ([`crate::Refused::KeysUnavailable`], [`crate::Refused::RevocationUnknown`]), and it is tried again every few seconds.
    /// [`Verifier::keys_known`] and [`Verifier::feed`] tell. So it is where the issuer publishes no revocation feed;
    /// [`Builder::without_revocation`] does without.
    ///
    /// # Errors
    /// [`BuildError`] names the setting that is out of bounds.
    pub async fn build(mut self) -> Result<Verifier, BuildError> {
        let issuer = self.check()?;
        let fetcher = Fetcher {
            fetch: match &self.fetch {
                Some(fetch) => Arc::clone(fetch),
                None => default_fetch()?,
            },
            timeout: self.timeout,
        };
        let discovery = Arc::new(Discovery::new(issuer, fetcher));
        let (keys, mut keeper) = self.keeper(Purpose::Tokens, &discovery);
        match std::mem::replace(&mut self.revoked, Revoked::Nobody) {
            Revoked::Custom(check) => {
                let wait = keeper.refresh().await;
                let tasks = vec![spawn(keeper.run(wait))];
                Ok(self.verifier(Keys::Remote(keys), Revocation::Custom(check), tasks))
            }
            Revoked::Nobody => {
                let wait = keeper.refresh().await;
                let tasks = vec![spawn(keeper.run(wait))];
                Ok(self.verifier(Keys::Remote(keys), Revocation::Ignored, tasks))
            }
            Revoked::Feed => {
                let feed = self.feed();
                let (feed_keys, mut feed_keeper) = self.keeper(Purpose::Feed, &discovery);
                let mut follower = self.follower(&feed, feed_keys, &discovery);
                let begin_to_follow = async {
                    let wait = feed_keeper.refresh().await;
                    // A document may want it to fetch again.
                    let feed_keeper = spawn(feed_keeper.run(wait));
                    // What takes longer goes on in the background.
                    let _ = timeout(self.timeout, follower.poll()).await;
                    [feed_keeper, spawn(follower.run())]
                };
                let (wait, tasks) = tokio::join!(keeper.refresh(), begin_to_follow);
                let mut tasks = Vec::from(tasks);
                tasks.push(spawn(keeper.run(wait)));
                if let Some(evidence) = self.evidence.take().flatten() {
                    let reporter = Reporter {
                        evidence,
                        feed: Arc::clone(&feed),
                        keys: Arc::clone(&keys),
                        discovery,
                        jitter: Arc::clone(&self.jitter),
                    };
                    tasks.push(spawn(reporter.run()));
                }
                Ok(self.verifier(Keys::Remote(keys), Revocation::Feed(feed), tasks))
            }
        }
    }

    /// A verifier whose keys stand still, and which looks at no revocation unless [`Builder::revocation`] says where. It
    /// fetches nothing and needs no runtime.
    ///
    /// # Errors
    /// [`BuildError`] names the setting that is out of bounds.
    pub fn build_with_keys(mut self, keys: KeySet) -> Result<Verifier, BuildError> {
        self.check()?;
        if self.evidence.is_some() {
            return Err(BuildError::NothingToReport);
        }
        let revocation = match std::mem::replace(&mut self.revoked, Revoked::Nobody) {
            Revoked::Custom(check) => Revocation::Custom(check),
            Revoked::Feed | Revoked::Nobody => Revocation::Ignored,
        };
        Ok(self.verifier(Keys::Fixed(keys), revocation, vec![]))
    }

    fn feed(&self) -> Arc<Feed> {
        Arc::new(Feed::new(
            self.leeway.max(LEAST_AHEAD),
            self.max_stale,
            Arc::clone(&self.clock),
            Arc::clone(&self.metrics),
        ))
    }

    fn keeper(&self, purpose: Purpose, discovery: &Arc<Discovery>) -> (Arc<RemoteKeys>, Keeper) {
        let keys = Arc::new(RemoteKeys::new(Arc::clone(&self.clock), self.cooldown));
        let keeper = Keeper {
            keys: Arc::clone(&keys),
            purpose,
            discovery: Arc::clone(discovery),
            jitter: Arc::clone(&self.jitter),
            metrics: Arc::clone(&self.metrics),
            schedule: Schedule {
                cooldown: self.cooldown,
                refresh: self.refresh.clone(),
            },
            failures: 0,
        };
        (keys, keeper)
    }

    fn follower(&self, feed: &Arc<Feed>, keys: Arc<RemoteKeys>, discovery: &Arc<Discovery>) -> Follower {
        Follower {
            feed: Arc::clone(feed),
            source: Source {
                discovery: Arc::clone(discovery),
                keys,
                metrics: Arc::clone(&self.metrics),
            },
            jitter: Arc::clone(&self.jitter),
            metrics: Arc::clone(&self.metrics),
            pace: self.pace,
            progress: Progress::default(),
        }
    }

    fn verifier(self, keys: Keys, revocation: Revocation, tasks: Vec<AbortOnDrop>) -> Verifier {
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
            revocation,
            staleness: self.staleness,
            clock: self.clock,
            metrics: self.metrics,
            _tasks: tasks,
        })
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDrop {
    AbortOnDrop(tokio::spawn(task).abort_handle())
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
