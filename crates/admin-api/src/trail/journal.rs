//! The events of the endpoints, on their way to the trail: told and counted at once, written beside requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use symbolon_core::Clock;
use symbolon_core::audit::{Act, AuditEvent, AuditSink, AuditStore, Counted, EventKind};
use symbolon_core::ports::StoreResult;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::counts::{Counts, Taken};

/// Most events that wait. What is told beyond is lost, and said to be.
const QUEUE: usize = 10_000;
/// Most events of one transaction: the trail is locked for as long.
const BATCH: usize = 500;
/// How often what was told is written.
const EVERY: Duration = Duration::from_secs(1);
/// What was counted is written after so many times.
const COUNTS_AFTER: u32 = 10;

/// Takes events and writes them to the trail a little later. While the database can't take them, what was told waits in a
/// bounded queue and what was counted is counted on. A write whose outcome is not known is made again: an event may stand on
/// the trail twice, never not at all.
pub struct Journal {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    told: Mutex<Told>,
    counts: Mutex<Counts>,
    /// Whoever writes.
    writing: tokio::sync::Mutex<()>,
    queued: Gauge,
    written: Counter,
    lost: Counter,
}

#[derive(Debug, Default)]
struct Told {
    events: VecDeque<AuditEvent>,
    /// How many there was no room for, and the trail does not say so yet.
    lost: u64,
}

impl Journal {
    /// A journal for that trail. It is written by [`Journal::keep_writing`].
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>) -> Self {
        let counts = Counts::new(clock.now());
        Self {
            store,
            clock,
            told: Mutex::default(),
            counts: Mutex::new(counts),
            writing: tokio::sync::Mutex::default(),
            queued: Gauge::default(),
            written: Counter::default(),
            lost: Counter::default(),
        }
    }

    /// Registers `audit_queued`, `audit_written` and `audit_lost`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "audit_queued",
            "Events that wait to be written to the audit trail",
            self.queued.clone(),
        );
        registry.register(
            "audit_written",
            "Events that this node wrote to the audit trail",
            self.written.clone(),
        );
        registry.register(
            "audit_lost",
            "Events that could not be kept: more were told than the audit trail could take",
            self.lost.clone(),
        );
    }

    /// Writes every second what was told and every ten seconds what was counted, until it is told to stop; a write that is
    /// under way is ended first. Failures are logged when they begin and when they end. Call [`Journal::write_rest`] once
    /// no request is left.
    pub async fn keep_writing(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut since_counts, mut failing) = (0, false);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            since_counts += 1;
            let is_due = since_counts >= COUNTS_AFTER;
            let outcome = match is_due {
                true => self.write_rest().await,
                false => self.write_told().await,
            };
            match outcome {
                Ok(()) => {
                    if is_due {
                        since_counts = 0;
                    }
                    if std::mem::take(&mut failing) {
                        tracing::info!("the audit trail can be written again");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "the audit trail can't be written: events wait");
                    }
                }
            }
        }
    }

    /// Writes everything that was told and counted.
    ///
    /// # Errors
    /// The store's: what is not written waits on.
    pub async fn write_rest(&self) -> StoreResult<()> {
        self.write_told().await?;
        let _turn = self.writing.lock().await;
        let taken = self.counts().take(self.clock.now());
        let events = taken.events();
        let mut rest = Unwritten {
            journal: self,
            taken: Some(taken),
            written: 0,
        };
        for batch in events.chunks(BATCH) {
            self.record(batch).await?;
            rest.written += batch.len();
        }
        rest.taken = None;
        Ok(())
    }

    async fn write_told(&self) -> StoreResult<()> {
        let _turn = self.writing.lock().await;
        loop {
            let (batch, told, lost) = self.next_batch();
            if batch.is_empty() {
                return Ok(());
            }
            self.record(&batch).await?;
            let mut queue = self.told();
            // Nobody else takes any out: they are still the first.
            queue.events.drain(..told);
            queue.lost -= lost;
            self.show(&queue);
        }
    }

    /// The events to be written next, how many of them are in the queue, and how many lost ones they tell of.
    fn next_batch(&self) -> (Vec<AuditEvent>, usize, u64) {
        let queue = self.told();
        let mut batch: Vec<_> = queue.events.iter().take(BATCH).cloned().collect();
        let told = batch.len();
        // Those that were lost came after all that waited then.
        if queue.lost == 0 || told < queue.events.len() {
            return (batch, told, 0);
        }
        let act = Act::server("more was told than could be written");
        let mut lost = AuditEvent::new(EventKind::AuditLost, self.clock.now(), act);
        lost.count = queue.lost;
        batch.push(lost);
        (batch, told, queue.lost)
    }

    async fn record(&self, events: &[AuditEvent]) -> StoreResult<()> {
        self.store.record(events).await?;
        self.written
            .inc_by(u64::try_from(events.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn show(&self, queue: &Told) {
        self.queued
            .set(i64::try_from(queue.events.len()).unwrap_or(i64::MAX));
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for Journal {
    fn tell(&self, event: AuditEvent) {
        let mut queue = self.told();
        if queue.events.len() < QUEUE {
            queue.events.push_back(event);
            self.show(&queue);
            return;
        }
        queue.lost += 1;
        self.lost.inc();
    }

    fn count(&self, counted: Counted<'_>) {
        self.counts().count(&counted);
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// Puts back what was not written, also where whoever writes is dropped.
struct Unwritten<'a> {
    journal: &'a Journal,
    taken: Option<Taken>,
    written: usize,
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.journal.counts().put_back(taken.without(self.written));
        }
    }
}

#[cfg(test)]
mod tests {
    use symbolon_core::audit::{Actor, Outcome, Target};
    use symbolon_core::ports::StoreError;
    use symbolon_testkit::{FakeClock, confidential_client};

    use super::*;
    use crate::trail::tests::MemoryTrail;

    fn journal() -> (Arc<MemoryTrail>, Journal) {
        let store = Arc::new(MemoryTrail::default());
        let journal = Journal::new(store.clone(), Arc::new(FakeClock::new()));
        (store, journal)
    }

    fn event(id: usize) -> AuditEvent {
        let act = Act::new(Actor::unknown(), "");
        AuditEvent::new(EventKind::SessionReused, FakeClock::START, act).to(Target::new("session", id, None))
    }

    fn ids(store: &MemoryTrail) -> Vec<String> {
        store
            .events()
            .iter()
            .map(|event| event["target"]["id"].as_str().unwrap_or("-").to_owned())
            .collect()
    }

    #[tokio::test]
    async fn what_was_told_is_written_in_order_and_once() {
        let (store, journal) = journal();
        let many = 2 * BATCH + 1;
        for id in 0..many {
            journal.tell(event(id));
        }
        assert_eq!(journal.queued.get(), many as i64);
        journal.write_told().await.unwrap();
        journal.write_rest().await.unwrap();
        let expected: Vec<_> = (0..many).map(|id| id.to_string()).collect();
        assert_eq!(ids(&store), expected);
        assert_eq!((journal.queued.get(), journal.written.get()), (0, many as u64));
    }

    #[tokio::test]
    async fn while_the_database_is_down_events_wait_up_to_a_bound() {
        let (store, journal) = journal();
        store.fail(Some(StoreError::Unavailable("down".into())));
        for id in 0..QUEUE + 7 {
            journal.tell(event(id));
        }
        journal.write_told().await.unwrap_err();
        assert_eq!((journal.queued.get(), journal.lost.get()), (QUEUE as i64, 7));
        store.fail(None);
        journal.write_told().await.unwrap();
        let events = store.events();
        assert_eq!(events.len(), QUEUE + 1);
        let last = events.last().unwrap();
        assert_eq!(
            (&last["event"], &last["count"]),
            (&"audit.lost".into(), &7.into())
        );
        // Said once.
        journal.tell(event(1));
        journal.write_told().await.unwrap();
        assert_eq!(ids(&store).last().unwrap(), "1");
        assert_eq!(store.events().len(), QUEUE + 2);
    }

    #[tokio::test]
    async fn counts_survive_a_database_that_is_down() {
        let (store, journal) = journal();
        let client = confidential_client("web").build();
        let issued = Counted {
            kind: EventKind::TokenIssued,
            outcome: Outcome::Done,
            client: Some(&client),
            endpoint: "token",
            grant: "refresh_token",
        };
        journal.count(issued);
        store.fail(Some(StoreError::Unavailable("down".into())));
        journal.write_rest().await.unwrap_err();
        journal.count(issued);
        store.fail(None);
        journal.write_rest().await.unwrap();
        let events = store.events();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["count"], 2);
        journal.write_rest().await.unwrap();
        assert_eq!(store.events().len(), 1, "nothing happened since");
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_writes_what_is_told_every_second_and_ends_when_it_is_told_to() {
        let (store, journal) = journal();
        let (journal, stop) = (Arc::new(journal), CancellationToken::new());
        let (writer, stopped) = (journal.clone(), stop.clone());
        let task = tokio::spawn(async move { writer.keep_writing(stopped).await });
        journal.tell(event(1));
        journal.count(Counted {
            kind: EventKind::TokenRefused,
            outcome: Outcome::Refused("in_query"),
            client: None,
            endpoint: "token",
            grant: "none",
        });
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(ids(&store), ["1"]);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(ids(&store), ["1", "-"]);
        stop.cancel();
        task.await.unwrap();
    }
}
