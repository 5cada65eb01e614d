//! Deleting what administration leaves behind, once it has come to its age.

use std::time::Duration;

use symbolon_admin_api::trail::TrailKeys;
use symbolon_core::audit::{AuditFilter, AuditStore as _, Checkpoint, EventKind, Genuine, Order};
use symbolon_core::ports::{AdminTokens as _, IdempotencyStore as _, StoreResult};
use symbolon_core::{Clock as _, UnixMillis};
use symbolon_store_sql::SqlStore;
use tokio::time::MissedTickBehavior;

use crate::node::Stores;

/// How often what has come to its age is deleted, and how much at a time.
const SWEEP: Duration = Duration::from_secs(60);
const SWEEP_BATCH: u32 = 500;
/// Rest between two batches.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// How long an idempotency key is kept: a day, in milliseconds.
const KEY_AGE_MS: u64 = 24 * 3600 * 1000;
/// The trail is swept no sooner than this after the last time, by whichever node, since each sweep is a record on it: an
/// hour, in milliseconds.
const TRAIL_REST_MS: u64 = 3600 * 1000;

/// Sweeps, for ever.
pub(super) async fn keep_sweeping(stores: Stores, retention: Duration, keys: TrailKeys) {
    let genuine = |kept: &Checkpoint| keys.read_kept(kept).is_ok();
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (store, now) = (&stores.sql, stores.clock.safely_past());
        match sweep_tokens_and_keys(store, now).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "old records of the admin API were deleted"),
            Err(error) => tracing::error!(%error, "old records of the admin API could not be deleted"),
        }
        match sweep_trail(store, now, retention, &genuine).await {
            Ok(0) => {}
            Ok(records) => tracing::info!(
                records,
                "records of the audit trail that had come to their age were deleted"
            ),
            Err(error) => tracing::error!(%error, "the audit trail could not be swept"),
        }
    }
}

/// A small batch at a time, so that nobody waits long for the one writer.
async fn sweep_tokens_and_keys(store: &SqlStore, now: UnixMillis) -> StoreResult<u64> {
    let outdated = UnixMillis(now.0.saturating_sub(KEY_AGE_MS));
    let mut rows = 0;
    loop {
        let tokens = store.sweep_tokens(now, SWEEP_BATCH).await?;
        let keys = store.sweep_keys(outdated, SWEEP_BATCH).await?;
        rows += tokens + keys;
        if tokens.max(keys) < u64::from(SWEEP_BATCH) {
            return Ok(rows);
        }
        tokio::time::sleep(SWEEP_PAUSE).await;
    }
}

/// The same for the trail, unless it was swept a short while ago. Two nodes that look at the same moment both sweep, which
/// leaves a record more.
async fn sweep_trail(
    store: &SqlStore,
    now: UnixMillis,
    retention: Duration,
    genuine: Genuine<'_>,
) -> StoreResult<u64> {
    let lately = AuditFilter {
        kinds: vec![EventKind::AuditSwept],
        from: Some(UnixMillis(now.0.saturating_sub(TRAIL_REST_MS))),
        ..AuditFilter::default()
    };
    let swept = store.audit_records(&lately, Order::Latest, None, 1).await?;
    if !swept.is_empty() {
        return Ok(0);
    }
    let mut records = 0;
    loop {
        let swept = store.sweep_audit(now, retention, SWEEP_BATCH, genuine).await?;
        records += swept;
        if swept < u64::from(SWEEP_BATCH) {
            return Ok(records);
        }
        tokio::time::sleep(SWEEP_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use symbolon_core::audit::{Act, Actor, AuditEvent, Sweep};
    use symbolon_store_sql::SqlConfig;
    use symbolon_testkit::{FakeClock, SeqRng};

    use super::*;

    const RETENTION: Duration = Duration::from_secs(86_400);

    async fn record(store: &SqlStore, clock: &FakeClock, count: u64) {
        let act = Act::new(Actor::unknown(), "");
        let event = AuditEvent::new(EventKind::SessionBegun, clock.now(), act);
        let events = vec![event; usize::try_from(count).unwrap()];
        let head = store.record(&events).await.unwrap();
        let covering = Checkpoint {
            seq: head.seq,
            at: clock.now(),
            signed: "jws".into(),
        };
        store.add_checkpoint(&covering).await.unwrap();
    }

    async fn sweeps(store: &SqlStore) -> Vec<(u64, u64)> {
        let filter = AuditFilter {
            kinds: vec![EventKind::AuditSwept],
            ..AuditFilter::default()
        };
        let records = store
            .audit_records(&filter, Order::Earliest, None, 100)
            .await
            .unwrap();
        let read = |body: &str| Sweep::read(body).map(|sweep| (sweep.from, sweep.to)).unwrap();
        records.iter().map(|record| read(&record.body)).collect()
    }

    #[tokio::test]
    async fn the_trail_is_swept_to_the_end_and_then_not_for_an_hour() {
        let clock = Arc::new(FakeClock::new());
        let store = SqlStore::connect(&SqlConfig::new("sqlite::memory:"), clock.clone())
            .await
            .unwrap();
        store.migrate(&SeqRng::new()).await.unwrap();
        let batch = u64::from(SWEEP_BATCH);
        record(&store, &clock, 2 * batch + 7).await;
        let sweep = async || {
            sweep_trail(&store, clock.now(), RETENTION, &|_| true)
                .await
                .unwrap()
        };
        assert_eq!(sweep().await, 0, "none is of age");
        clock.advance(RETENTION);
        clock.advance(Duration::from_secs(1));
        assert_eq!(sweep().await, 2 * batch + 7);
        let first = [(1, batch), (batch + 1, 2 * batch), (2 * batch + 1, 2 * batch + 7)];
        assert_eq!(sweeps(&store).await, first);

        // What comes to its age every minute waits: seven hours of it leave seven records, and those before are gone.
        clock.advance(RETENTION);
        for _ in 0..6 * 60 {
            record(&store, &clock, 1).await;
            clock.advance(SWEEP);
        }
        clock.advance(RETENTION - 6 * 60 * SWEEP);
        let mut swept = 0;
        for _ in 0..7 * 60 {
            swept += sweep().await;
            clock.advance(SWEEP);
        }
        assert_eq!((swept, sweeps(&store).await.len()), (3 + 6 * 60, 7));
    }
}
