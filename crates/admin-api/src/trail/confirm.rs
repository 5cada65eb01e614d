//! Says on the trail when a revocation has arrived: at every verifier that is live.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use symbolon_core::audit::{Act, AuditEvent, AuditFilter, AuditStore, EventKind, Order, Target};
use symbolon_core::evidence::ListedVerifier;
use symbolon_core::lookup::RevocationRecords;
use symbolon_core::ports::{RevocationLog, StoreResult, VerifierReports};
use symbolon_core::time::rfc3339;
use symbolon_core::{Clock, Rng, UnixMillis};
use uuid::Uuid;

/// How often it looks, and by how much less at random, so that nodes do not look at once.
const EVERY: Duration = Duration::from_secs(3);
const JITTER_MS: u64 = 1500;
/// An entry that no verifier was live for within this time is never confirmed: an hour, in milliseconds.
const WAIT_MS: u64 = 3_600_000;
/// Most entries that wait. Of more the earliest are never confirmed.
const MAX_WAITING: usize = 10_000;
/// Entries that are read at a time, and events that are written at a time.
const BATCH: usize = 200;

/// What confirmations are made from.
#[derive(Clone)]
pub struct ConfirmParts {
    /// The trail.
    pub audit: Arc<dyn AuditStore>,
    /// The revocation log.
    pub log: Arc<dyn RevocationLog>,
    /// The same as people read it.
    pub records: Arc<dyn RevocationRecords>,
    /// What verifiers report.
    pub reports: Arc<dyn VerifierReports>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// Writes one [`EventKind::RevocationConfirmed`] for each entry of the revocation log, in order. Every node may: each sees on
/// the trail which was the last. Two that look at the same moment may confirm an entry twice, which says nothing wrong.
pub struct Confirmations {
    parts: ConfirmParts,
    /// The log, and how far it was read.
    read: Option<(Uuid, u64)>,
    /// Entries that are not known to be confirmed, and when they were made.
    waiting: BTreeMap<u64, UnixMillis>,
}

impl Confirmations {
    /// Nothing was looked at yet.
    pub fn new(parts: ConfirmParts) -> Self {
        Self {
            parts,
            read: None,
            waiting: BTreeMap::new(),
        }
    }

    /// Looks every few seconds, for ever. Failures are logged when they begin and when they end.
    pub async fn keep_looking(mut self) {
        let mut failing = false;
        loop {
            tokio::time::sleep(self.pause()).await;
            match self.look().await {
                Ok(_) if std::mem::take(&mut failing) => {
                    tracing::info!("the arrival of revocations can be put on the audit trail again");
                }
                Ok(_) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "the arrival of revocations can't be put on the audit trail");
                    }
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        let mut random = [0; 8];
        self.parts.rng.fill(&mut random);
        EVERY - Duration::from_millis(u64::from_le_bytes(random) % JITTER_MS)
    }

    /// Confirms what every live verifier has by now; returns how many entries.
    ///
    /// # Errors
    /// The stores': what is not confirmed waits on.
    pub async fn look(&mut self) -> StoreResult<usize> {
        let log = self.read_on().await?;
        if self.waiting.is_empty() {
            return Ok(0);
        }
        let now = self.parts.clock.now();
        let mut live = self.parts.reports.verifiers().await?;
        live.retain(|listed| listed.verifier.is_live(now));
        let arrived = |(seq, made): (&u64, &UnixMillis)| Arrival::of(&live, log, *seq, *made);
        let arrivals: Vec<_> = self.waiting.iter().map_while(arrived).collect();
        let Some(last) = arrivals.last().map(|arrival| arrival.seq) else {
            return Ok(0);
        };
        // Another node may have been first.
        let confirmed = self.confirmed(log).await?;
        let events: Vec<_> = arrivals
            .iter()
            .filter(|arrival| arrival.seq > confirmed)
            .map(|arrival| arrival.event(log, now))
            .collect();
        for batch in events.chunks(BATCH) {
            self.parts.audit.record(batch).await?;
        }
        self.waiting.retain(|seq, _| *seq > last);
        Ok(events.len())
    }

    /// Reads what is new on the log; returns which it is.
    async fn read_on(&mut self) -> StoreResult<Uuid> {
        let head = self.parts.log.head().await?;
        let now = self.parts.clock.now();
        let read = match self.read {
            // It may have lost its last entries.
            Some((log, seq)) if log == head.log => seq.min(head.seq),
            _ => {
                self.waiting.clear();
                self.confirmed(head.log).await?
            }
        };
        let new = match read < head.seq {
            true => self.entries_behind(read, now).await?,
            false => BTreeMap::new(),
        };
        let last = new.keys().next_back().copied().unwrap_or(0);
        self.waiting
            .retain(|seq, made| *seq <= head.seq && now.since(*made) <= WAIT_MS);
        self.waiting.extend(new);
        while self.waiting.len() > MAX_WAITING {
            self.waiting.pop_first();
        }
        self.read = Some((head.log, last.max(head.seq)));
        Ok(head.log)
    }

    /// The entries behind that position that may still be confirmed.
    async fn entries_behind(&self, read: u64, now: UnixMillis) -> StoreResult<BTreeMap<u64, UnixMillis>> {
        let (mut new, mut before) = (BTreeMap::new(), None);
        loop {
            let page = self.parts.records.revocations(before, BATCH as u32).await?;
            let is_all = page.len() < BATCH;
            for record in page {
                let logged = record.logged;
                if logged.seq <= read || now.since(logged.at) > WAIT_MS || new.len() >= MAX_WAITING {
                    return Ok(new);
                }
                before = Some(logged.seq);
                new.insert(logged.seq, logged.at);
            }
            if is_all {
                return Ok(new);
            }
        }
    }

    /// The last entry of that log that was confirmed, by whichever node; 0 where none was.
    async fn confirmed(&self, log: Uuid) -> StoreResult<u64> {
        let filter = AuditFilter {
            kinds: vec![EventKind::RevocationConfirmed],
            ..AuditFilter::default()
        };
        let records = self
            .parts
            .audit
            .audit_records(&filter, Order::Latest, None, 1)
            .await?;
        let last = records.first().and_then(|record| {
            let body: Value = serde_json::from_str(&record.body).ok()?;
            let details = &body["details"];
            (details["log"] == log.to_string()).then(|| details["seq"].as_u64())?
        });
        Ok(last.unwrap_or(0))
    }
}

impl std::fmt::Debug for Confirmations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Confirmations")
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// An entry that every live verifier has.
struct Arrival {
    seq: u64,
    made: UnixMillis,
    verifiers: usize,
    /// When the first of them had it, and the last.
    first: UnixMillis,
    last: UnixMillis,
}

impl Arrival {
    /// `None` where one does not have it, or there is none.
    fn of(live: &[ListedVerifier], log: Uuid, seq: u64, made: UnixMillis) -> Option<Self> {
        let by = |listed: &ListedVerifier| listed.verifier.by_when(log, seq).moment();
        let moments: Option<Vec<_>> = live.iter().map(by).collect();
        let moments = moments?;
        Some(Self {
            seq,
            made,
            verifiers: moments.len(),
            first: *moments.iter().min()?,
            last: *moments.iter().max()?,
        })
    }

    fn event(&self, log: Uuid, now: UnixMillis) -> AuditEvent {
        let act = Act::server("every live verifier has reported it");
        AuditEvent::new(EventKind::RevocationConfirmed, now, act)
            .to(Target::new("revocation", self.seq, None))
            .with("log", log.to_string())
            .with("seq", self.seq)
            .with("made", rfc3339(self.made))
            .with("verifiers", self.verifiers)
            .with("first", rfc3339(self.first))
            .with("last", rfc3339(self.last))
    }
}

#[cfg(test)]
mod tests;
