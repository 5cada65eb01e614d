//! The task that follows the feed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use symbolon_oauth_types::feed::{Head, Snapshot, paths};
use tokio::time::{sleep, timeout};

use super::source::{Failure, Source};
use super::{Feed, Following};
use crate::environment::{part, shortened};
use crate::feed::{Batch, Candidate, Event, Events, Need, Outcome, Position};
use crate::fetch::{FetchError, Pieces};
use crate::{Jitter, Metrics};

/// What brings no new head for so long stands still: one comes each second.
const SILENCE: Duration = Duration::from_secs(5);
/// The longest time from a failure to the next try.
const MAX_RETRY: Duration = Duration::from_secs(10);
/// How long is waited where the issuer publishes no feed.
const NO_FEED_RETRY: Duration = Duration::from_secs(30);
/// A stream that ends before it has brought so many heads counts as one that could not be had.
const GOOD_STREAM: u32 = 3;
/// The most polls from one try to open a stream to the next.
const MAX_POLLS_PER_STREAM: u32 = 30;
/// The longest time from the end of a stream to the next one: a node that stops ends all of its streams at once.
const RECONNECT: Duration = Duration::from_millis(500);
/// The longest wait before a snapshot is read again: what makes one verifier read it has the others read it as well.
const SPREAD: Duration = Duration::from_secs(2);
/// Where more batches than these are missing, a snapshot is read instead.
const MAX_BATCHES: usize = 64;
/// The most documents that are read in a row.
const MAX_DOCUMENTS: usize = 256;
/// Expired entries are forgotten each time that so many heads have come.
const PRUNE_EVERY: u32 = 60;
/// After so many failures in a row it is looked up again where the feed is.
const LOOK_UP_EVERY: u32 = 3;

/// How the feed is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The time from one poll to the next.
    pub(crate) poll: Duration,
    /// Whether the stream is tried.
    pub(crate) stream: bool,
}

/// The one that reads the feed.
pub(crate) struct Follower {
    pub(crate) feed: Arc<Feed>,
    pub(crate) source: Source,
    pub(crate) jitter: Arc<dyn Jitter>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) pace: Pace,
    pub(crate) progress: Progress,
}

/// What the follower remembers.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Failures in a row.
    failures: u32,
    /// Streams in a row that could not be had.
    failed_streams: u32,
    /// How many polls there are before a stream is tried again.
    polls_before_stream: u32,
    /// The position behind which there was nothing when it was asked last.
    missing: Option<Position>,
    heads: u32,
    /// When a head came last that was not there before, by the monotonic clock.
    news: Duration,
    told_of_staleness: bool,
    told_of_too_many: bool,
}

/// A stream that is being read.
struct Reading {
    pieces: Box<dyn Pieces>,
    events: Events,
    complete: VecDeque<Event>,
}

impl Follower {
    /// Follows the feed, for as long as it is polled.
    pub(crate) async fn run(mut self) {
        loop {
            if self.may_stream() && self.stream().await {
                sleep(part(RECONNECT, &*self.jitter)).await;
                continue;
            }
            let wait = self.poll().await;
            sleep(wait).await;
        }
    }

    /// Reads what there is. Returns how long to wait until the next time.
    pub(crate) async fn poll(&mut self) -> Duration {
        self.progress.polls_before_stream = self.progress.polls_before_stream.saturating_sub(1);
        let wait = match self.catch_up().await {
            Ok(()) => {
                self.succeeded(Following::Polling);
                self.pace.poll
            }
            // The node that was asked may lag: the next one may not.
            Err(Failure::Missing) => self.pace.poll,
            Err(failure) => {
                self.feed.follows_by(Following::Not);
                self.failed(&failure).await;
                self.renew_after(&failure);
                match failure {
                    Failure::NoFeed => NO_FEED_RETRY,
                    _ => {
                        let doubled = self.pace.poll * (1 << self.progress.failures.clamp(1, 16) >> 1);
                        doubled.min(MAX_RETRY.max(self.pace.poll))
                    }
                }
            }
        };
        self.look_at_staleness();
        shortened(wait, &*self.jitter)
    }

    async fn catch_up(&mut self) -> Result<(), Failure> {
        if self.feed.need() == Need::Snapshot {
            self.snapshot().await?;
        }
        let head = self.source.get(paths::HEAD, |head: Head| head).await?;
        if self.take(head) == Outcome::TooNew {
            return Err(Failure::Future);
        }
        let settled = self.settle().await;
        match self.feed.now().monotonic.saturating_sub(self.progress.news) >= SILENCE {
            true => Err(Failure::Silent),
            false => settled,
        }
    }

    /// Reads what lies before the newest head that has come.
    async fn settle(&mut self) -> Result<(), Failure> {
        let mut snapshots = 0;
        for documents in 0..MAX_DOCUMENTS {
            match self.feed.need() {
                Need::Head => {
                    self.progress.missing = None;
                    return Ok(());
                }
                Need::Batch(behind) if documents >= MAX_BATCHES && self.feed.position() == Some(behind) => {
                    self.give_up(behind);
                }
                Need::Batch(behind) => self.batch(behind).await?,
                Need::Snapshot if snapshots == 0 => {
                    snapshots += 1;
                    self.snapshot().await?;
                }
                Need::Snapshot => break,
            }
        }
        Err(Failure::Behind)
    }

    /// Who knows too little to judge tokens does not wait for the others.
    async fn snapshot(&self) -> Result<(), Failure> {
        if !self.feed.is_stale_now() {
            sleep(part(SPREAD, &*self.jitter)).await;
        }
        let candidate = self
            .source
            .get(paths::SNAPSHOT, <Candidate as From<Snapshot>>::from)
            .await?;
        self.feed.change_much(|state, _| state.snapshot(candidate));
        Ok(())
    }

    async fn batch(&mut self, behind: Position) -> Result<(), Failure> {
        let path = format!("{}/{}/{}", paths::BATCHES, behind.log, behind.seq);
        match self.source.get(&path, |batch: Batch| batch).await {
            Ok(batch) => {
                self.take_batch(&batch);
            }
            Err(Failure::Fetch(FetchError::Status(404))) => {}
            Err(failure) => return Err(failure),
        }
        if self.feed.need() != Need::Batch(behind) {
            return Ok(());
        }
        // A node that lags has it soon; after that it is gone.
        if self.progress.missing.replace(behind) == Some(behind) {
            self.progress.missing = None;
            self.give_up(behind);
            return Ok(());
        }
        Err(Failure::Missing)
    }

    /// What is behind the position is not read any more: a snapshot is.
    fn give_up(&self, behind: Position) {
        self.feed.change(|state, _| state.unavailable(behind));
    }

    fn take(&mut self, head: Head) -> Outcome {
        self.progress.heads = self.progress.heads.wrapping_add(1);
        if self.progress.heads.is_multiple_of(PRUNE_EVERY) {
            self.feed.prune();
        }
        let outcome = self.feed.change(|state, now| state.head(head, now));
        match outcome {
            Outcome::Ignored => {}
            Outcome::TooNew => self.metrics.feed_refused("head", "future"),
            _ => self.progress.news = self.feed.now().monotonic,
        }
        outcome
    }

    /// That there are too many entries is told once, until a batch can be applied again.
    fn take_batch(&mut self, batch: &Batch) {
        match self.feed.change(|state, _| state.batch(batch)) {
            Outcome::TooMany => {
                self.metrics.feed_refused("batch", "too_many");
                if !std::mem::replace(&mut self.progress.told_of_too_many, true) {
                    tracing::error!(
                        "the revocation feed has more entries than a verifier keeps: it can't be followed"
                    );
                }
            }
            Outcome::Applied | Outcome::CaughtUp | Outcome::Adopted(_) => {
                self.progress.told_of_too_many = false;
            }
            _ => {}
        }
    }

    fn may_stream(&self) -> bool {
        self.pace.stream
            && self.progress.polls_before_stream == 0
            && self.feed.position().is_some()
            && self.feed.need() != Need::Snapshot
    }

    /// Follows the stream until it ends. Says whether it was worth it.
    async fn stream(&mut self) -> bool {
        let mut heads = 0;
        let failure = self.read_stream(&mut heads).await;
        tracing::debug!(heads, reason = %failure, "the stream of the revocation feed ended");
        self.metrics.feed_stream_ended(failure.reason());
        self.renew_after(&failure);
        self.look_at_staleness();
        if matches!(failure, Failure::Fetch(FetchError::Unsupported)) {
            self.pace.stream = false;
        }
        if heads >= GOOD_STREAM {
            self.progress.failed_streams = 0;
            return !matches!(failure, Failure::Resync | Failure::Silent);
        }
        self.progress.failed_streams = self.progress.failed_streams.saturating_add(1);
        let polls = 1 << self.progress.failed_streams.min(16);
        self.progress.polls_before_stream = MAX_POLLS_PER_STREAM.min(polls);
        false
    }

    /// Returns why it ended.
    async fn read_stream(&mut self, heads: &mut u32) -> Failure {
        let Some(position) = self.feed.position() else {
            return Failure::Behind;
        };
        let pieces = match self.source.stream(position).await {
            Ok(pieces) => pieces,
            Err(failure) => return failure,
        };
        let mut reading = Reading {
            pieces,
            events: Events::default(),
            complete: VecDeque::new(),
        };
        loop {
            match timeout(SILENCE, self.until_head(&mut reading)).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => return failure,
                Err(_) => return Failure::Silent,
            }
            *heads = heads.saturating_add(1);
            match self.settle().await {
                Ok(()) => self.succeeded(Following::Stream),
                Err(Failure::Missing) => {}
                Err(failure) => self.failed(&failure).await,
            }
            self.look_at_staleness();
        }
    }

    /// Reads the stream up to a new head. A document that is refused is as if it had not come: where something is missing
    /// then, the head tells.
    async fn until_head(&mut self, reading: &mut Reading) -> Result<(), Failure> {
        loop {
            while let Some(Event { name, data }) = reading.complete.pop_front() {
                match name.as_str() {
                    "batch" => {
                        if let Ok(batch) = self.source.open(data.into_bytes(), |batch: Batch| batch).await {
                            self.take_batch(&batch);
                        }
                    }
                    "head" => {
                        let head = self.source.open(data.into_bytes(), |head: Head| head).await;
                        let outcome = head.map(|head| self.take(head));
                        if outcome.is_ok_and(|outcome| !matches!(outcome, Outcome::Ignored | Outcome::TooNew))
                        {
                            return Ok(());
                        }
                    }
                    "resync" => {
                        self.feed.change(|state, _| state.told_to_resync());
                        return Err(Failure::Resync);
                    }
                    _ => {}
                }
            }
            let piece = reading.pieces.next().await?.ok_or(Failure::StreamEnded)?;
            let Reading { events, complete, .. } = reading;
            let pushed = events.push(&piece, |event| complete.push_back(event));
            pushed.map_err(|error| FetchError::Document(error.to_string()))?;
        }
    }

    /// A node that stands still may stay at the other end for as long as the connection does.
    fn renew_after(&self, failure: &Failure) {
        if matches!(failure, Failure::Silent) {
            self.source.discovery.fetcher.fetch.renew();
        }
    }

    fn succeeded(&mut self, by: Following) {
        self.feed.follows_by(by);
        if std::mem::take(&mut self.progress.failures) > 0 {
            tracing::info!("the revocation feed is followed again");
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        self.metrics.feed_failed(failure.reason());
        if self.progress.failures == 0 {
            let issuer = self.source.discovery.issuer.as_str();
            match failure {
                Failure::NoFeed => tracing::error!(issuer, "{failure}"),
                _ => {
                    tracing::warn!(issuer, %failure, "the revocation feed could not be read: it is tried again")
                }
            }
        }
        self.progress.failures = self.progress.failures.saturating_add(1);
        if matches!(failure, Failure::NoFeed) || self.progress.failures.is_multiple_of(LOOK_UP_EVERY) {
            self.source.discovery.forget().await;
        }
    }

    /// Tells when too little is known, and when that is over.
    fn look_at_staleness(&mut self) {
        let stale = self.feed.is_stale_now();
        if stale == std::mem::replace(&mut self.progress.told_of_staleness, stale) {
            return;
        }
        match stale {
            true => tracing::error!(
                "what is known of revocations is older than it may be, or nothing is: see `Builder::when_stale`"
            ),
            false => tracing::info!("what is known of revocations is fresh"),
        }
    }
}
