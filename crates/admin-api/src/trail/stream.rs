//! The trail as it is written, for whoever listens: one look at the store for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use symbolon_core::audit::{Actor, AuditFilter, AuditRecord, AuditStore, Order};
use symbolon_core::ports::{StoreError, StoreResult};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use crate::share::{Exhausted, Share, Shared};

/// How often the store is looked at while somebody listens.
const EVERY: Duration = Duration::from_millis(500);
/// Records that are read at a time.
const BATCH: u32 = 500;
/// Records that are kept for listeners, shared by all of them. Whoever is further behind is cut.
const KEPT: usize = 2048;
/// How long a listener may leave what is there for it before it is cut.
const UNREAD: Duration = Duration::from_secs(30);

/// Follows the trail for listeners.
pub struct TrailStream {
    store: Arc<dyn AuditStore>,
    records: broadcast::Sender<Arc<AuditRecord>>,
    places: Arc<Shared>,
    /// Somebody began to listen.
    came: Notify,
    cut: Arc<AtomicU64>,
    stop: CancellationToken,
}

/// What one listener hears: records in order, each once. It ends when its time is over, when the listener was too slow, or
/// when the trail can't be read; whoever goes on asks for what is behind the last record that they have.
#[derive(Debug)]
pub struct Records(mpsc::Receiver<Arc<AuditRecord>>);

impl Records {
    /// The next record; `None` at the end.
    pub async fn next(&mut self) -> Option<Arc<AuditRecord>> {
        self.0.recv().await
    }
}

impl TrailStream {
    /// For at most so many listeners at a time, of whom one actor is half, and one at least. [`TrailStream::follow`] must run.
    pub fn new(store: Arc<dyn AuditStore>, max_listeners: usize) -> Self {
        Self {
            store,
            records: broadcast::Sender::new(KEPT),
            places: Shared::new(max_listeners),
            came: Notify::new(),
            cut: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Ends what everybody hears, for good: the node stops.
    pub fn close(&self) {
        self.stop.cancel();
    }

    /// How many listeners were cut because they were too slow.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// Reads what is written on the trail while somebody listens, for ever. Failures are logged when they begin and when
    /// they end.
    pub async fn follow(&self) {
        let mut failing = false;
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reached = None;
        loop {
            if self.records.receiver_count() == 0 {
                reached = None;
                self.came.notified().await;
            }
            ticks.tick().await;
            match self.look(&mut reached).await {
                Ok(()) if std::mem::take(&mut failing) => {
                    tracing::info!("the audit trail can be followed again");
                }
                Ok(()) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "the audit trail can't be followed");
                    }
                }
            }
        }
    }

    /// Hands out what is behind the position that was reached; the first time the last record, by which listeners see what
    /// they have missed.
    async fn look(&self, reached: &mut Option<u64>) -> StoreResult<()> {
        loop {
            let behind = match *reached {
                Some(behind) => behind,
                None => self.store.audit_head().await?.seq.saturating_sub(1),
            };
            *reached = Some(behind);
            let records = read(&*self.store, behind).await?;
            let Some(last) = records.last() else {
                return Ok(());
            };
            let (last, is_all) = (last.seq, records.len() < BATCH as usize);
            for record in records {
                // Nobody listens any more: nothing is lost.
                let _ = self.records.send(Arc::new(record));
            }
            *reached = Some(last);
            if is_all {
                return Ok(());
            }
        }
    }

    /// Listens for that long: to what is written from now on, or behind a position.
    ///
    /// # Errors
    /// [`Exhausted`]: there are too many listeners.
    pub(crate) fn listen(
        &self,
        actor: &Actor,
        behind: Option<u64>,
        lasting: Duration,
    ) -> Result<Records, Exhausted> {
        let place = self.places.take(actor, 1)?;
        let (sender, records) = mpsc::channel(16);
        let listener = Listener {
            store: self.store.clone(),
            // Before the store is read: what comes afterwards is in one of the two.
            live: self.records.subscribe(),
            cut: self.cut.clone(),
            sender,
            _place: place,
        };
        self.came.notify_one();
        let stop = self.stop.clone();
        tokio::spawn(stop.run_until_cancelled_owned(timeout(lasting, listener.run(behind))));
        Ok(Records(records))
    }
}

impl std::fmt::Debug for TrailStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrailStream").finish_non_exhaustive()
    }
}

async fn read(store: &dyn AuditStore, behind: u64) -> StoreResult<Vec<AuditRecord>> {
    let everything = AuditFilter::default();
    store
        .audit_records(&everything, Order::Earliest, Some(behind), BATCH)
        .await
}

/// One listener. A task of its own keeps what belongs to it, so that one that nobody asks for more keeps nothing for long.
struct Listener {
    store: Arc<dyn AuditStore>,
    live: broadcast::Receiver<Arc<AuditRecord>>,
    cut: Arc<AtomicU64>,
    sender: mpsc::Sender<Arc<AuditRecord>>,
    _place: Share,
}

/// It hears nothing more.
struct Over;

fn unreadable(error: &StoreError) -> Over {
    tracing::warn!(%error, "the audit trail can't be read for a listener");
    Over
}

impl Listener {
    async fn run(mut self, behind: Option<u64>) {
        let left = self.sender.clone();
        tokio::select! {
            _ = self.hear(behind) => {}
            () = left.closed() => {}
        }
    }

    async fn hear(&mut self, behind: Option<u64>) -> Result<(), Over> {
        let mut reached = match behind {
            Some(behind) => self.catch_up(behind).await?,
            None => {
                self.store
                    .audit_head()
                    .await
                    .map_err(|error| unreadable(&error))?
                    .seq
            }
        };
        loop {
            match self.live.recv().await {
                Ok(record) if record.seq <= reached => {}
                Ok(record) if record.seq == reached + 1 => {
                    reached = record.seq;
                    self.send(record).await?;
                }
                // Some were written while nobody followed.
                Ok(_) => reached = self.catch_up(reached).await?,
                Err(RecvError::Closed) => return Err(Over),
                Err(RecvError::Lagged(_)) => return Err(self.too_slow()),
            }
        }
    }

    /// Hears what the store holds behind a position; returns the last one.
    async fn catch_up(&self, mut reached: u64) -> Result<u64, Over> {
        loop {
            let records = read(&*self.store, reached).await;
            let records = records.map_err(|error| unreadable(&error))?;
            let is_all = records.len() < BATCH as usize;
            for record in records {
                reached = record.seq;
                self.send(Arc::new(record)).await?;
            }
            if is_all {
                return Ok(reached);
            }
        }
    }

    async fn send(&self, record: Arc<AuditRecord>) -> Result<(), Over> {
        match timeout(UNREAD, self.sender.send(record)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Over),
            Err(_) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> Over {
        self.cut.fetch_add(1, Ordering::Relaxed);
        Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trail::tests::{MemoryTrail, events};

    const HOUR: Duration = Duration::from_secs(3600);

    fn actor(name: &str) -> Actor {
        Actor::client(&name.parse().unwrap())
    }

    fn stream(max: usize) -> (Arc<MemoryTrail>, Arc<TrailStream>) {
        let store = Arc::new(MemoryTrail::default());
        let stream = Arc::new(TrailStream::new(store.clone(), max));
        let follower = stream.clone();
        tokio::spawn(async move { follower.follow().await });
        (store, stream)
    }

    async fn hear(records: &mut Records, n: usize) -> Vec<u64> {
        let mut heard = Vec::new();
        for _ in 0..n {
            heard.push(records.next().await.unwrap().seq);
        }
        heard
    }

    #[tokio::test(start_paused = true)]
    async fn every_listener_hears_each_record_once_in_order_from_where_it_began() {
        let (store, stream) = stream(6);
        store.record(&events(0..1200)).await.unwrap();
        let mut from_the_start = stream.listen(&actor("a"), Some(0), HOUR).unwrap();
        let mut from_the_middle = stream.listen(&actor("a"), Some(700), HOUR).unwrap();
        let mut live = stream.listen(&actor("a"), None, HOUR).unwrap();
        assert_eq!(
            hear(&mut from_the_start, 1200).await,
            (1..=1200).collect::<Vec<_>>()
        );
        assert_eq!(
            hear(&mut from_the_middle, 500).await,
            (701..=1200).collect::<Vec<_>>()
        );
        tokio::time::sleep(2 * EVERY).await;
        for round in 0..3 {
            store.record(&events(0..10)).await.unwrap();
            let first = 1201 + round * 10;
            for records in [&mut from_the_start, &mut from_the_middle, &mut live] {
                assert_eq!(hear(records, 10).await, (first..first + 10).collect::<Vec<_>>());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn listeners_are_bounded_and_make_room_when_they_leave() {
        let (_store, stream) = stream(4);
        let [a, b, c] = ["a", "b", "c"].map(actor);
        let listen = |actor| stream.listen(actor, None, HOUR);
        let (first, _second) = (listen(&a).unwrap(), listen(&a).unwrap());
        assert_eq!(listen(&a).unwrap_err(), Exhausted::ForActor);
        let _others = (listen(&b).unwrap(), listen(&b).unwrap());
        assert_eq!(listen(&c).unwrap_err(), Exhausted::ForAll);
        drop(first);
        tokio::time::sleep(EVERY).await;
        listen(&c).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_its_time() {
        let (_store, stream) = stream(1);
        let mut records = stream.listen(&actor("a"), None, HOUR).unwrap();
        assert_eq!(records.next().await, None);
        assert_eq!(stream.cut(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_take_what_is_there_is_cut() {
        let (store, stream) = stream(4);
        let mut idle = stream.listen(&actor("a"), None, HOUR).unwrap();
        let mut eager = stream.listen(&actor("a"), None, HOUR).unwrap();
        tokio::time::sleep(2 * EVERY).await;
        store.record(&events(0..100)).await.unwrap();
        assert_eq!(hear(&mut eager, 100).await.len(), 100);
        tokio::time::sleep(2 * UNREAD).await;
        assert_eq!(stream.cut(), 1);
        let mut heard = 0;
        while idle.next().await.is_some() {
            heard += 1;
        }
        assert!((1..100).contains(&heard), "{heard}");
    }
}
