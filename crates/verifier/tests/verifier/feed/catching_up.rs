//! Verifiers that find out that they have missed something.

use std::time::Duration;

use symbolon_verifier::{FetchError, RevocationKind};

use super::publisher::{Publisher, millis, outcome, seconds};
use super::{History, LOG, OTHER_LOG, REVOKED, UNKNOWN, block, session, signed_batch, stranger};
use crate::support::NOW;

#[tokio::test(start_paused = true)]
async fn the_event_resync_has_the_snapshot_read() {
    let publisher = Publisher::with_streams();
    let (verifier, told) = publisher.observed().await;
    seconds(5).await;
    // What the stream has not said is in the snapshot.
    publisher.log.lock().unwrap().append(session());
    publisher.send("resync", "{}");
    millis(1).await;
    assert_eq!(outcome(&verifier, &publisher.token()).await, REVOKED);
    assert_eq!(publisher.asked_for("/snapshot"), 2);
    assert!(told.take().contains(&"resynced too_far_behind".to_owned()));
    seconds(3).await;
    assert_eq!(publisher.streams_open(), 1);
    assert_eq!(verifier.feed().unwrap().resyncs, 1);
}

/// Whoever keeps the entries back can't make a verifier fresh with heads alone.
#[tokio::test(start_paused = true)]
async fn withheld_batches() {
    let (publisher, verifier, token) = Publisher::followed().await;
    seconds(5).await;
    publisher.answer(|_, path| {
        let withheld = path.starts_with("/batches") || path == "/snapshot";
        withheld.then_some(Err(FetchError::Status(503)))
    });
    publisher.log.lock().unwrap().append(session());
    seconds(290).await;
    assert_eq!(outcome(&verifier, &token).await, None);
    assert!(!verifier.feed().unwrap().is_caught_up);
    seconds(20).await;
    assert_eq!(outcome(&verifier, &token).await, UNKNOWN);
    publisher.recover();
    seconds(11).await;
    assert_eq!(outcome(&verifier, &token).await, REVOKED);
}

/// A node that lags behind another says 404 at first. Where it stays so, the snapshot is read.
#[tokio::test(start_paused = true)]
async fn a_position_that_is_not_kept() {
    let publisher = Publisher::new();
    let (verifier, told) = publisher.observed().await;
    millis(5500).await;
    publisher.answer(|_, path| {
        let gone = path.starts_with("/batches");
        gone.then_some(Err(FetchError::Status(404)))
    });
    publisher.revoke(session());
    seconds(1).await;
    assert_eq!(publisher.asked_for("/snapshot"), 1);
    seconds(1).await;
    assert_eq!(publisher.asked_for("/snapshot"), 2);
    assert_eq!(outcome(&verifier, &publisher.token()).await, REVOKED);
    let told = told.take();
    assert!(told.contains(&"resynced too_far_behind".to_owned()), "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("failed")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_far_behind_reads_the_snapshot_instead() {
    let publisher = Publisher::new();
    let verifier = publisher.verifier().await;
    publisher.answer(|publisher, path| {
        let log = publisher.history();
        let from: u64 = path.strip_prefix(&format!("/batches/{LOG}/"))?.parse().ok()?;
        Some(Ok(signed_batch(&log.batch(from, from + 1))))
    });
    (0..1000).for_each(|number| publisher.revoke(stranger(number)));
    publisher.revoke(session());
    millis(2500).await;
    assert_eq!(outcome(&verifier, &publisher.token()).await, REVOKED);
    assert_eq!(publisher.asked_for("/batches"), 64);
    assert_eq!(publisher.asked_for("/snapshot"), 2);
}

/// A log that is restored from a backup is another one: what it lost is forgotten, without anybody's doing.
#[tokio::test(start_paused = true)]
async fn a_log_that_was_restored() {
    for streams in [false, true] {
        let publisher = Publisher::that_streams(streams);
        let verifier = publisher.verifier().await;
        let token = publisher.token();
        publisher.revoke(session());
        seconds(5).await;
        assert_eq!(outcome(&verifier, &token).await, REVOKED);
        *publisher.log.lock().unwrap() = History::new(OTHER_LOG).with([stranger(1)]);
        seconds(6).await;
        assert_eq!(outcome(&verifier, &token).await, None);
        let status = verifier.feed().unwrap();
        assert_eq!((status.log, status.resyncs), (Some(OTHER_LOG), 1));
        publisher.revoke(session());
        seconds(2).await;
        assert_eq!(outcome(&verifier, &token).await, REVOKED);
    }
}

/// A log that lost entries keeps its identity: what was known stays in force.
#[tokio::test(start_paused = true)]
async fn a_log_that_lost_entries() {
    for streams in [false, true] {
        let publisher = Publisher::that_streams(streams);
        let verifier = publisher.verifier().await;
        let token = publisher.token();
        (0..5).for_each(|number| publisher.revoke(stranger(number)));
        publisher.revoke(session());
        seconds(5).await;
        let lost = publisher.history().cut(3);
        *publisher.log.lock().unwrap() = lost;
        seconds(6).await;
        assert_eq!(outcome(&verifier, &token).await, REVOKED);
        let status = verifier.feed().unwrap();
        assert_eq!((status.seq, status.entries, status.resyncs), (3, 6, 1));
        assert!(status.is_caught_up);
        publisher.revoke(block(RevocationKind::Client, "shop"));
        seconds(2).await;
        assert_eq!(verifier.feed().unwrap().seq, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_may_take_a_minute() {
    for (takes, known) in [(59, true), (61, false)] {
        let publisher = Publisher::new();
        publisher.shop().slow_snapshot = Duration::from_secs(takes);
        let verifier = publisher.verifier().await;
        let waited = publisher.clock.true_time() - NOW * 1000;
        assert_eq!(waited, 5000, "nobody's start waits for it");
        seconds(200).await;
        assert_eq!(verifier.feed().unwrap().is_caught_up, known, "{takes} s");
    }
}

struct HalfJitter;

impl symbolon_verifier::Jitter for HalfJitter {
    fn draw(&self) -> u32 {
        1 << 31
    }
}

/// All that follow the log learn of it in the same moment.
#[tokio::test(start_paused = true)]
async fn a_snapshot_that_many_want_is_not_read_at_once() {
    let publisher = Publisher::with_streams();
    let builder = publisher.builder().jitter(HalfJitter);
    let verifier = builder.build().await.unwrap();
    let waited = publisher.clock.true_time() - NOW * 1000;
    assert_eq!(
        (verifier.feed().unwrap().is_caught_up, waited),
        (true, 0),
        "the first is"
    );
    seconds(5).await;
    publisher.send("resync", "{}");
    millis(999).await;
    assert_eq!(publisher.asked_for("/snapshot"), 1);
    seconds(1).await;
    assert_eq!(publisher.asked_for("/snapshot"), 2);
}
