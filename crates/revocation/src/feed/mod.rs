//! The revocation feed: what verifiers follow, as `docs/revocation-feed.md` specifies it. Whatever is answered was signed
//! before somebody asked.

mod batches;
mod endpoints;
mod inbox;
mod ledger;
mod publisher;
mod signer;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use symbolon_core::ports::{RevocationLog, StoreResult};
use symbolon_core::{Clock, Rng};
use symbolon_documents::{Document, open};
use tokio::sync::Mutex;

use self::inbox::Inbox;
use self::ledger::Ledger;
use self::signer::Signer;
use self::stream::Streams;
use self::view::View;
use crate::LiveLog;

pub use self::endpoints::router;
pub(crate) use self::inbox::Slot;
pub use self::signer::{FeedKeyError, FeedKeys};

/// A node whose head is older does not see the log, and sends readers elsewhere.
const BLIND_AFTER_MS: u64 = 5_000;

/// What the feed is made by.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// The issuer identifier.
    pub issuer: String,
    /// For how long verifiers go on without a newer head, in whole seconds.
    pub max_stale: Duration,
    /// Most streams that are open at once; 0 for none.
    pub max_streams: usize,
    /// How long the keys of the feed may be cached, in whole seconds.
    pub keys_max_age: Duration,
}

/// The feed of one node: what [`Feed::publish`] makes and [`router`] answers.
pub struct Feed {
    signer: Arc<Signer>,
    log: Arc<LiveLog>,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// Whoever publishes has it.
    ledger: Mutex<Ledger>,
    /// Nothing before the first head.
    view: ArcSwapOption<View>,
    keys: Document,
    streams: Streams,
    publications: AtomicU64,
}

/// What operators see of the feed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FeedStatus {
    /// Streams that are open.
    pub streams: usize,
    /// Streams that were ended because their reader was too slow.
    pub lagged: u64,
    /// Streams that were refused because there were too many.
    pub refused: u64,
    /// Subjects, clients, sessions, tokens and keys that have an entry in force on the feed.
    pub in_force: usize,
    /// Batches that are kept.
    pub batches: usize,
    /// Bytes of the snapshot as it stands; 0 before the first.
    pub snapshot_bytes: usize,
    /// Bytes of the snapshot where it is compressed.
    pub snapshot_gzip_bytes: usize,
    /// How old what the present head says is; nothing before the first.
    pub age: Option<Duration>,
    /// How often something new was published: batches, or a head by itself.
    pub publications: u64,
}

impl Feed {
    /// Reads the whole log, for a feed of it. Nothing is published before [`Feed::publish`].
    ///
    /// # Errors
    /// As [`LiveLog::open`].
    pub async fn open(
        config: FeedConfig,
        keys: FeedKeys,
        log: Arc<dyn RevocationLog>,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
    ) -> StoreResult<Self> {
        let inbox = Inbox::default();
        let log = LiveLog::open_for(log, clock.clone(), Some(inbox.slot())).await?;
        // As the key set of the issuer is cached, less what that takes off.
        let caching = format!(
            "public, max-age={}, stale-while-revalidate=60",
            config.keys_max_age.as_secs()
        );
        let keys_document = Document::json(&keys.jwks(), &caching, &open::HEADERS);
        Ok(Self {
            signer: Arc::new(Signer::new(config.issuer, config.max_stale, keys)),
            log: Arc::new(log),
            inbox,
            clock,
            rng,
            ledger: Mutex::default(),
            view: ArcSwapOption::empty(),
            keys: keys_document,
            streams: Streams::new(config.max_streams),
            publications: AtomicU64::new(0),
        })
    }

    /// The log that it is of, as this node applies it.
    pub fn log(&self) -> Arc<LiveLog> {
        self.log.clone()
    }

    /// Whether this node has not seen the log for some time. Readers that are told so may find a node that has.
    fn is_blind(&self, view: &View) -> bool {
        self.clock.now().since(view.head.as_of) > BLIND_AFTER_MS
    }

    /// What operators see.
    pub fn status(&self) -> FeedStatus {
        let of_streams = self.streams.status();
        let view = self.view.load();
        let Some(view) = &*view else {
            return of_streams;
        };
        let snapshot = view.snapshot.as_ref().map(|snapshot| &snapshot.document);
        let millis = self.clock.now().since(view.head.as_of);
        FeedStatus {
            in_force: view.in_force,
            batches: view.batches.len(),
            snapshot_bytes: snapshot.map_or(0, |document| document.body().len()),
            snapshot_gzip_bytes: snapshot.and_then(Document::compressed_len).unwrap_or_default(),
            age: Some(Duration::from_millis(millis)),
            publications: self.publications.load(Ordering::Relaxed),
            ..of_streams
        }
    }
}
