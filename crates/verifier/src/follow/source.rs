//! Where the documents of the feed come from.

use std::sync::Arc;
use std::time::Duration;

use symbolon_oauth_types::feed::paths;
use tokio::time::timeout;
use url::Url;

use crate::discovery::{Discovery, below};
use crate::feed::{Document, DocumentError, Position, form, read_verified};
use crate::fetch::{FetchError, Pieces};
use crate::jws::Unverified;
use crate::key::Key;
use crate::remote::RemoteKeys;
use crate::{Metrics, Refused};

/// What is longer is read where it keeps no request waiting.
const MAX_INLINE_BYTES: usize = 64 * 1024;

/// What may be longer, which is the snapshot, may take [`LONG_TIMEOUT`].
const MAX_PROMPT_BYTES: usize = 1024 * 1024;
/// So that 64 MiB also come over a slow link: about ten megabits in a second.
const LONG_TIMEOUT: Duration = Duration::from_secs(60);

/// Why the feed could not be followed, for the time being.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("not all that is behind the known position could be had")]
    Behind,
    #[error("{document} of the feed: {error}")]
    Document {
        document: &'static str,
        error: DocumentError,
    },
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the keys of the feed could not be fetched yet")]
    KeysUnavailable,
    #[error("the head is from the future: the clocks of issuer and verifier differ by too much")]
    Future,
    /// What lies behind a position is not, or not yet, where it was asked for.
    #[error("there is nothing behind the known position")]
    Missing,
    #[error(
        "the issuer publishes no revocation feed (`revocation_feed_uri` in its metadata), so that nobody can tell \
         whether a token was revoked: every token is refused. To accept tokens without looking at revocation, build the \
         verifier with `Builder::without_revocation`"
    )]
    NoFeed,
    #[error("the stream said that the known position is not kept any more")]
    Resync,
    #[error("no newer head came in time: what answers seems to stand still")]
    Silent,
    #[error("the stream has ended")]
    StreamEnded,
}

impl Failure {
    /// The reason as one of a fixed few words.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Document { .. } => "document",
            Self::Fetch(error) => error.reason(),
            Self::Future => "future",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Missing => "missing",
            Self::NoFeed => "no_feed",
            Self::Resync => "resync",
            Self::Silent => "silent",
            Self::StreamEnded => "stream_ended",
        }
    }
}

/// Fetches and verifies documents.
pub(crate) struct Source {
    pub(crate) discovery: Arc<Discovery>,
    /// The keys of the feed.
    pub(crate) keys: Arc<RemoteKeys>,
    pub(crate) metrics: Arc<dyn Metrics>,
}

impl Source {
    /// Gets what stands at a path below the feed's address, and does `then` with it.
    pub(crate) async fn get<D: Document, T: Send + 'static>(
        &self,
        path: &str,
        then: fn(D) -> T,
    ) -> Result<T, Failure> {
        let url = below(&self.address().await?, path);
        let fetcher = &self.discovery.fetcher;
        let time = match D::MAX_BYTES > MAX_PROMPT_BYTES {
            true => fetcher.timeout.max(LONG_TIMEOUT),
            false => fetcher.timeout,
        };
        let fetched = fetcher.get_within(time, &url, D::MAX_BYTES).await?;
        self.open(fetched.body, then).await
    }

    /// Opens the stream behind a position.
    pub(crate) async fn stream(&self, behind: Position) -> Result<Box<dyn Pieces>, Failure> {
        let url = below(&self.address().await?, paths::STREAM);
        let id = format!("{}:{}", behind.log, behind.seq);
        let fetcher = &self.discovery.fetcher;
        let opening = timeout(fetcher.timeout, fetcher.fetch.stream(&url, &id)).await;
        Ok(opening.map_err(|_| FetchError::Timeout)??)
    }

    /// Verifies and reads a document, and does `then` with it.
    pub(crate) async fn open<D: Document, T: Send + 'static>(
        &self,
        text: Vec<u8>,
        then: fn(D) -> T,
    ) -> Result<T, Failure> {
        let opened = self.verified(text, then).await;
        if let Err(Failure::Document { error, .. }) = &opened {
            self.metrics.feed_refused(D::NAME, error.reason());
        }
        opened
    }

    async fn verified<D: Document, T: Send + 'static>(
        &self,
        text: Vec<u8>,
        then: fn(D) -> T,
    ) -> Result<T, Failure> {
        let refused = |error: DocumentError| Failure::Document {
            document: D::NAME,
            error,
        };
        let text = String::from_utf8(text).map_err(|_| refused(Refused::Malformed.into()))?;
        let key = self.key::<D>(&text).await.map_err(|error| match error {
            Refused::KeysUnavailable => Failure::KeysUnavailable,
            error => refused(error.into()),
        })?;
        let issuer = self.discovery.issuer.as_str();
        if text.len() <= MAX_INLINE_BYTES {
            return read::<D>(&text, issuer, &key).map(then).map_err(refused);
        }
        let issuer = issuer.to_owned();
        let reading = move || read::<D>(&text, &issuer, &key).map(then);
        let read = tokio::task::spawn_blocking(reading).await;
        read.map_err(|error| FetchError::Transport(error.to_string()))?
            .map_err(refused)
    }

    /// The key of the feed that the document names.
    async fn key<D: Document>(&self, text: &str) -> Result<Arc<Key>, Refused> {
        let kid = Unverified::parse(text, &form::<D>())?.kid;
        let found = match self.keys.find(&kid)? {
            None => self.keys.find_anew(&kid).await?,
            found => found,
        };
        found.ok_or(Refused::KeyUnknown)
    }

    async fn address(&self) -> Result<Url, Failure> {
        self.discovery.feed().await?.ok_or(Failure::NoFeed)
    }
}

fn read<D: Document>(text: &str, issuer: &str, key: &Key) -> Result<D, DocumentError> {
    read_verified(&Unverified::parse(text, &form::<D>())?, issuer, key)
}
