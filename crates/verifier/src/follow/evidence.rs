//! Tells the issuer what the verifier has applied, so that whoever revoked something can know that it has arrived.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use symbolon_oauth_types::feed::paths;
use tokio::time::{sleep, timeout};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::Feed;
use super::source::Failure;
use crate::Jitter;
use crate::discovery::{Discovery, below};
use crate::environment::shortened;
use crate::fetch::FetchError;
use crate::remote::RemoteKeys;

/// The time from one report to the next where nothing changes.
const EVERY: Duration = Duration::from_secs(5);
/// The least time from one report to the next.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// The longest time from a report that failed to the next.
const MAX_RETRY: Duration = Duration::from_secs(60);
/// The longest name, in characters.
const MAX_NAME_LEN: usize = 100;
/// The longest client id and secret, in bytes.
const MAX_CREDENTIAL_LEN: usize = 512;
/// The most keys that a report names.
const MAX_KIDS: usize = 100;
/// The longest `kid` that a report names, in bytes: one that is longer has the whole report refused.
const MAX_KID_LEN: usize = 64;

/// Who reports.
pub(crate) struct Evidence {
    name: String,
    authorization: HeaderValue,
}

impl Evidence {
    /// `None` where the name is not 1 to 100 characters of `A-Z a-z 0-9 . _ : -`, or where the credentials are empty or too
    /// long.
    pub(crate) fn new(name: String, client_id: &str, client_secret: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
        let named = (1..=MAX_NAME_LEN).contains(&name.len()) && name.bytes().all(allowed);
        let within = |text: &str| (1..=MAX_CREDENTIAL_LEN).contains(&text.len());
        if !named || !within(client_id) || !within(client_secret) {
            return None;
        }
        // Both are form-urlencoded before they are joined (RFC 6749 section 2.3.1).
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(client_id), encoded(client_secret));
        let mut authorization: HeaderValue = format!("Basic {}", BASE64_STANDARD.encode(pair))
            .try_into()
            .ok()?;
        authorization.set_sensitive(true);
        Some(Self { name, authorization })
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The task that reports.
pub(crate) struct Reporter {
    pub(crate) evidence: Evidence,
    pub(crate) feed: Arc<Feed>,
    /// The keys that sign tokens.
    pub(crate) keys: Arc<RemoteKeys>,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) jitter: Arc<dyn Jitter>,
}

impl Reporter {
    /// Reports every few seconds and soon after each advance, for as long as it is polled.
    pub(crate) async fn run(self) {
        let mut advances = self.feed.advances();
        let mut failures: u32 = 0;
        loop {
            match self.report().await {
                Ok(()) => {
                    if std::mem::take(&mut failures) > 0 {
                        tracing::info!("what is applied of the revocation feed can be reported again");
                    }
                }
                Err(error) => {
                    if failures == 0 {
                        let issuer = self.discovery.issuer.as_str();
                        tracing::warn!(issuer, %error, "what is applied of the revocation feed could not be reported");
                    }
                    failures = failures.saturating_add(1);
                }
            }
            let doubled = EVERY.saturating_mul(1 << failures.min(16));
            let wait = shortened(doubled.min(MAX_RETRY), &*self.jitter);
            sleep(AT_MOST_EVERY).await;
            tokio::select! {
                () = sleep(wait.saturating_sub(AT_MOST_EVERY)) => {}
                Ok(()) = advances.changed(), if failures == 0 => {}
            }
        }
    }

    /// Nothing is said before anything is known.
    async fn report(&self) -> Result<(), Failure> {
        let status = self.feed.status();
        let (Some(log), Some(as_of)) = (status.log, status.as_of) else {
            return Ok(());
        };
        let kids = reportable(self.keys.kids());
        let form = Serializer::new(String::new())
            .append_pair("name", &self.evidence.name)
            .append_pair("log", &log.to_string())
            .append_pair("seq", &status.seq.to_string())
            .append_pair("as_of", &as_of.0.to_string())
            .append_pair("kids", &kids.join(" "))
            .finish();
        let feed = self.discovery.feed().await?.ok_or(Failure::NoFeed)?;
        let url = below(&feed, paths::EVIDENCE);
        let fetcher = &self.discovery.fetcher;
        let posting = fetcher.fetch.post(&url, form, &self.evidence.authorization);
        Ok(timeout(fetcher.timeout, posting)
            .await
            .map_err(|_| FetchError::Timeout)??)
    }
}

/// As many of the keys as a report may name.
fn reportable(mut kids: Vec<String>) -> Vec<String> {
    kids.retain(|kid| kid.len() <= MAX_KID_LEN);
    kids.sort_unstable();
    kids.truncate(MAX_KIDS);
    kids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_no_more_keys_and_no_longer_ones_than_the_server_reads() {
        let longest = "k".repeat(64);
        let kids = vec![longest.clone(), "k".repeat(65), "a".to_owned()];
        assert_eq!(reportable(kids), ["a".to_owned(), longest]);
        let many = (0..101).map(|number| format!("{number:03}"));
        assert_eq!(reportable(many.collect()).len(), 100);
    }

    #[test]
    fn names_and_credentials_are_bounded() {
        let ok = |name: &str, id: &str, secret: &str| Evidence::new(name.into(), id, secret).is_some();
        assert!(ok("api-1.eu:8080_a", "orders", "s"));
        for name in ["", "a b", "a\nb", "ä", &"a".repeat(101)] {
            assert!(!ok(name, "orders", "s"), "{name}");
        }
        assert!(!ok("a", "", "s") && !ok("a", "orders", "") && !ok("a", "orders", &"s".repeat(513)));
    }

    #[test]
    fn credentials_are_encoded_before_they_are_joined_and_never_shown() {
        let evidence = Evidence::new("a".into(), "a:b", "c d%").unwrap();
        let text = evidence.authorization.to_str().unwrap();
        let pair = BASE64_STANDARD
            .decode(text.strip_prefix("Basic ").unwrap())
            .unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "a%3Ab:c+d%25");
        assert!(!format!("{evidence:?} {:?}", evidence.authorization).contains(text));
    }
}
