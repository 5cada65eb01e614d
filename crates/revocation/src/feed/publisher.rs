//! The one task of a node that signs what the feed says.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use symbolon_core::UnixMillis;
use symbolon_core::facts::Revocations as _;
use symbolon_core::keys::MAX_UNCONFIRMED;
use symbolon_jose::SignError;
use tokio::sync::MutexGuard;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until};

use super::Feed;
use super::batches::{Draft, Kept};
use super::ledger::Ledger;
use super::signer::Signer;
use super::view::{SignedHead, SignedSnapshot, View};

/// How often a head is signed, whether or not the log has moved.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Least time between two publications: what is revoked in between goes out together.
const GAP: Duration = Duration::from_millis(20);
/// Least age of a snapshot before the next is made.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);
/// A snapshot is made no sooner than so many times as long as the last one took.
const SNAPSHOT_SHARE: u32 = 100;
/// What has more entries is signed on a thread that may block.
const MANY_ENTRIES: usize = 64;
/// How often what has expired is dropped, in milliseconds.
const PRUNE_EVERY_MS: u64 = 60_000;

impl Feed {
    /// Publishes what the log hands over, for ever; somebody else who does waits. Streams last as long as this: they end
    /// when it is dropped.
    pub async fn publish(&self) {
        let ledger = self.ledger.lock().await;
        let _streams = self.streams.open();
        Publisher::new(self, ledger).run().await;
    }
}

/// A document under way, for the epoch that it is of.
type Job<T> = Option<(u64, JoinHandle<Result<T, SignError>>)>;

struct Publisher<'a> {
    feed: &'a Feed,
    ledger: MutexGuard<'a, Ledger>,
    head_due: Instant,
    not_before: Instant,
    /// What the last head went by, to be told again where nothing is known beyond it.
    observed: Option<Duration>,
    failing: bool,
    pruned: UnixMillis,
    merging: Job<Kept>,
    /// Whether batches may have come that should be merged.
    untidy: bool,
    snapshotting: Job<(SignedSnapshot, Duration)>,
    snapshot_due: Instant,
    /// The epoch, position and number of entries of the last snapshot.
    snapshot_of: Option<(u64, u64, usize)>,
}

impl<'a> Publisher<'a> {
    fn new(feed: &'a Feed, ledger: MutexGuard<'a, Ledger>) -> Self {
        let now = Instant::now();
        Self {
            feed,
            ledger,
            head_due: now,
            not_before: now,
            observed: None,
            failing: false,
            pruned: UnixMillis(0),
            merging: None,
            untidy: false,
            snapshotting: None,
            snapshot_due: now,
            snapshot_of: None,
        }
    }

    async fn run(mut self) {
        loop {
            let now = Instant::now();
            let has_news = !self.feed.inbox.is_empty();
            if now >= self.head_due || (has_news && now >= self.not_before) {
                self.publication(now).await;
            }
            self.begin_merge();
            self.begin_snapshot();
            let wake = match has_news {
                true => self.not_before.min(self.head_due),
                false => self.head_due,
            };
            tokio::select! {
                () = self.feed.inbox.arrived() => {}
                () = sleep_until(wake) => {}
                merged = done(&mut self.merging) => self.merged(merged),
                made = done(&mut self.snapshotting) => self.snapshot_made(made),
            }
        }
    }

    /// Signs and publishes what was handed over, and a head. A failure is told once; what could not be signed is kept for
    /// the next time.
    async fn publication(&mut self, now: Instant) {
        self.head_due = now + HEARTBEAT;
        if !self.feed.inbox.is_empty() {
            self.not_before = now + GAP;
        }
        match self.sign().await {
            Ok(()) if std::mem::take(&mut self.failing) => {
                tracing::info!("the revocation feed can be signed again");
            }
            Ok(()) => {}
            Err(error) => {
                self.not_before = self.head_due;
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the revocation feed can't be signed: verifiers will refuse tokens");
                }
            }
        }
    }

    async fn sign(&mut self) -> Result<(), SignError> {
        let feed = self.feed;
        // Before the entries are taken: then all of them are there that had come by then.
        let observed = self.observed();
        for advance in feed.inbox.take() {
            let (epoch, advances) = (self.ledger.epoch, advance.history);
            self.ledger.absorb(advance);
            if self.ledger.epoch != epoch {
                tracing::warn!(history = ?advances, "the revocation feed begins anew");
                // At once, whatever the last one cost.
                self.snapshot_due = Instant::now();
            }
        }
        let Some(at) = self.ledger.at() else {
            return Ok(());
        };
        let now = feed.clock.now();
        self.prune();
        let drafts = self.ledger.drafts(feed.clock.safely_past());
        let batches = sign_batches(feed.signer.clone(), drafts, now).await?;
        let events: Vec<_> = batches.iter().map(Kept::event).collect();
        self.untidy |= !batches.is_empty();
        self.ledger.signed(batches);
        let standing = feed.view.load_full().map(|view| view.head.clone());
        let head = match standing {
            // Nothing is known beyond what was said.
            Some(head) if self.observed == Some(observed) && head.at == at => head,
            _ => Arc::new(feed.signer.head(at, self.as_of(observed), now)?),
        };
        self.observed = Some(observed);
        let frame = [&*events.concat(), &head.event].concat();
        let number = self.show(head);
        feed.publications.fetch_add(1, Ordering::Relaxed);
        feed.streams.send(number, frame.into());
        if feed.view.load().as_ref().is_some_and(|view| feed.is_blind(view)) {
            feed.streams.end();
        }
        Ok(())
    }

    /// When the log was observed last. Somebody's word that nothing was promised beyond what is applied counts for as long as
    /// the node signs by it.
    fn observed(&self) -> Duration {
        let applied = self.feed.log.applied();
        applied.observed.min(applied.read + MAX_UNCONFIRMED)
    }

    /// The wall time of a moment of the monotonic clock, no later than it was.
    fn as_of(&self, observed: Duration) -> UnixMillis {
        // In this order: what passes in between makes it earlier.
        let now = self.feed.clock.now();
        let ago = self.feed.clock.monotonic().saturating_sub(observed);
        let ago = ago.as_nanos().div_ceil(1_000_000);
        UnixMillis(now.0.saturating_sub(u64::try_from(ago).unwrap_or(u64::MAX)))
    }

    fn prune(&mut self) {
        let now = self.feed.clock.safely_past();
        if now.since(self.pruned) < PRUNE_EVERY_MS {
            return;
        }
        self.pruned = now;
        self.ledger.cutoffs.prune(now);
        // Whoever reads the snapshot that is served goes on from there.
        let view = self.feed.view.load();
        let snapshot = view.as_ref().and_then(|view| view.snapshot.as_ref());
        if let Some(snapshot) = snapshot {
            let needed = snapshot.at.seq;
            self.ledger.batches.drop_old(now, needed);
        }
    }

    /// Publishes the head with the batches that are kept, as the next frame; returns its number.
    fn show(&self, head: Arc<SignedHead>) -> u64 {
        let before = self.feed.view.load_full();
        let number = before.as_ref().map_or(0, |view| view.number) + 1;
        // The snapshot of another log, or of what this one has lost, would lead nowhere.
        let epoch = self.ledger.epoch;
        let same = before.filter(|view| view.epoch == epoch);
        self.feed.view.store(Some(Arc::new(View {
            number,
            epoch,
            head,
            batches: self.ledger.batches.all().to_vec(),
            snapshot: same.and_then(|view| view.snapshot.clone()),
            in_force: self.ledger.cutoffs.len(),
        })));
        number
    }

    /// Publishes other documents for the same head, unless they are void.
    fn change(&self, epoch: u64, change: impl FnOnce(&mut View)) {
        if let Some(view) = self.feed.view.load_full().filter(|view| view.epoch == epoch) {
            let mut view = (*view).clone();
            change(&mut view);
            self.feed.view.store(Some(Arc::new(view)));
        }
    }

    fn begin_merge(&mut self) {
        if self.merging.is_some() || !std::mem::take(&mut self.untidy) {
            return;
        }
        let Some(draft) = self.ledger.batches.to_merge() else {
            return;
        };
        let (signer, now) = (self.feed.signer.clone(), self.feed.clock.now());
        let merge = tokio::task::spawn_blocking(move || signer.batch(draft, now));
        self.merging = Some((self.ledger.epoch, merge));
    }

    fn merged(&mut self, merged: Option<Done<Kept>>) {
        let Some((epoch, merged)) = merged else {
            return;
        };
        match merged {
            Ok(Ok(batch)) if epoch == self.ledger.epoch => {
                self.ledger.batches.replace(Arc::new(batch));
                let batches = self.ledger.batches.all().to_vec();
                self.change(epoch, |view| view.batches = batches);
                self.untidy = true;
            }
            Ok(Ok(_)) => self.untidy = true,
            // The small ones are as good; it is tried again with the next batch.
            Ok(Err(error)) => tracing::debug!(%error, "batches of the revocation feed could not be merged"),
            Err(error) => tracing::debug!(%error, "batches of the revocation feed could not be merged"),
        }
    }

    fn begin_snapshot(&mut self) {
        let Some(at) = self.ledger.at() else {
            return;
        };
        let of = (self.ledger.epoch, at.seq, self.ledger.cutoffs.len());
        let is_due = self.snapshot_of != Some(of) && Instant::now() >= self.snapshot_due;
        if !is_due || self.snapshotting.is_some() {
            return;
        }
        let view = self.feed.view.load_full();
        let Some(view) = view.filter(|view| view.epoch == self.ledger.epoch) else {
            return;
        };
        let (signer, clock) = (self.feed.signer.clone(), self.feed.clock.clone());
        let (cutoffs, as_of) = (self.ledger.cutoffs.clone(), view.head.as_of);
        let make = tokio::task::spawn_blocking(move || {
            let began = clock.monotonic();
            let snapshot = signer.snapshot(at, as_of, cutoffs.entries().collect(), clock.now())?;
            Ok((snapshot, clock.monotonic().saturating_sub(began)))
        });
        self.snapshotting = Some((self.ledger.epoch, make));
        self.snapshot_of = Some(of);
    }

    fn snapshot_made(&mut self, made: Option<Done<(SignedSnapshot, Duration)>>) {
        let Some((epoch, made)) = made else {
            return;
        };
        let took = match made {
            Ok(Ok((snapshot, took))) => {
                self.change(epoch, |view| view.snapshot = Some(Arc::new(snapshot)));
                took
            }
            failed => {
                let error = failed.map(|signed| signed.err());
                tracing::error!(?error, "the snapshot of the revocation feed could not be made");
                self.snapshot_of = None;
                Duration::ZERO
            }
        };
        if epoch == self.ledger.epoch {
            self.snapshot_due = Instant::now() + SNAPSHOT_EVERY.max(took * SNAPSHOT_SHARE);
        }
    }
}

/// What came of a job, and its epoch.
type Done<T> = (u64, Result<Result<T, SignError>, JoinError>);

/// Waits for the job, where there is one.
async fn done<T>(job: &mut Job<T>) -> Option<Done<T>> {
    let Some((epoch, handle)) = job else {
        return std::future::pending().await;
    };
    let outcome = (*epoch, handle.await);
    *job = None;
    Some(outcome)
}

async fn sign_batches(
    signer: Arc<Signer>,
    drafts: Vec<Draft>,
    now: UnixMillis,
) -> Result<Vec<Kept>, SignError> {
    let entries: usize = drafts.iter().map(|draft| draft.entries.len()).sum();
    let sign = move || drafts.into_iter().map(|draft| signer.batch(draft, now)).collect();
    if entries <= MANY_ENTRIES {
        return sign();
    }
    match tokio::task::spawn_blocking(sign).await {
        Ok(signed) => signed,
        Err(error) => Err(SignError::Backend(error.to_string())),
    }
}
