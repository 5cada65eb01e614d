use symbolon_core::revocation::{FEED_HORIZON_MS, Logged};
use symbolon_jose::Kid;
use symbolon_oauth_types::revocation::Cutoffs;

use super::reader::{folded, in_force};
use super::*;

/// What the whole log comes to.
fn of_log(site: &Site) -> Cutoffs {
    let entries: Vec<_> = site
        .log
        .with(|written| written.entries.clone())
        .iter()
        .map(Logged::on_feed)
        .collect();
    folded(&entries)
}

#[tokio::test(start_paused = true)]
async fn what_was_on_the_log_before_the_start_is_published() {
    let log = MemoryLog::default();
    log.with(|written| (0..10).for_each(|n| written.append(&session(n), FakeClock::START)));
    let site = Site::over(log).await;
    assert_eq!(in_force(&site.read().await), in_force(&of_log(&site)));
    // A verifier that followed another node until then need not begin anew.
    let mut cutoffs = Cutoffs::default();
    let (_, end) = site.follow(&mut cutoffs, site.log.id(), 4).await;
    assert_eq!((end, cutoffs.len()), (10, 10), "one batch from the first on");
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_out_at_once_and_then_together() {
    let site = Site::start().await;
    let before = site.feed.status().publications;
    site.wait(SECOND).await;
    let began = tokio::time::Instant::now();
    site.revoke([session(0)]).await;
    while site.head().await.seq == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "without waiting");
    for n in 1..100 {
        site.revoke([session(n)]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    site.published().await;
    let publications = site.feed.status().publications - before;
    assert!((5..=8).contains(&publications), "{publications} in 100 ms");
    assert_eq!(in_force(&site.read().await), in_force(&of_log(&site)));
}

#[tokio::test(start_paused = true)]
async fn a_head_is_signed_each_second_and_says_when_the_log_was_looked_at() {
    let site = Site::start().await;
    let first = site.head().await;
    assert_eq!((first.seq, first.as_of), (0, FakeClock::START));
    site.wait(10 * SECOND).await;
    let later = site.head().await;
    assert!(later.as_of.since(first.as_of) >= 9_000, "{later:?}");
    assert!(later.as_of <= site.clock_now());
    assert_eq!(
        (later.log, later.seq, later.tip),
        (first.log, first.seq, first.tip)
    );
}

impl Site {
    fn clock_now(&self) -> UnixMillis {
        symbolon_core::Clock::now(self.clock.as_ref())
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_heads_stands_still_while_the_log_cant_be_read() {
    let site = Site::start().await;
    site.wait(2 * SECOND).await;
    site.log.go_down(true);
    let (known, body) = (site.head().await, site.get("/head").await.body);
    site.wait(4 * SECOND).await;
    let standing = site.head().await;
    assert!(standing.as_of.since(known.as_of) <= 250, "{known:?} {standing:?}");
    site.wait(6 * SECOND).await;
    let age = site.feed.status().age.unwrap();
    assert!((10..=12).contains(&age.as_secs()), "{age:?}");
    site.log.go_down(false);
    site.wait(2 * SECOND).await;
    assert!(site.head().await.as_of.since(known.as_of) >= 11_000);
    assert_ne!(site.get("/head").await.body, body);
}

/// The wall clock is set, which changes nothing about what is known of the log.
#[tokio::test(start_paused = true)]
async fn the_time_of_heads_is_not_ahead_of_what_was_seen() {
    let site = Site::start().await;
    site.log.go_down(true);
    site.wait(SECOND).await;
    site.clock.set(FakeClock::START.plus(3_000));
    site.wait(SECOND).await;
    assert_eq!(site.head().await.as_of, FakeClock::START);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_made_when_the_log_has_moved_and_ten_seconds_have_passed() {
    let site = Site::start().await;
    assert_eq!(site.snapshot().await.seq, 0);
    site.wait(20 * SECOND).await;
    let body = site.get("/snapshot").await.body;
    site.revoked([session(1)]).await;
    site.wait(2 * SECOND).await;
    let moved = site.snapshot().await;
    assert_eq!((moved.seq, moved.entries.len()), (1, 1), "the last is long past");
    assert_ne!(site.get("/snapshot").await.body, body);
    site.revoked([session(2)]).await;
    site.wait(5 * SECOND).await;
    assert_eq!(site.snapshot().await.seq, 1);
    assert_eq!(site.read().await.len(), 2, "what is behind it is there");
    site.wait(6 * SECOND).await;
    assert_eq!(site.snapshot().await.seq, 2);
}

#[tokio::test(start_paused = true)]
async fn entries_leave_when_no_access_token_can_be_alive_that_they_concern() {
    let site = Site::start().await;
    let kid = Kid::parse("bad").unwrap();
    site.revoked([session(1), NewRevocation::key(&kid)]).await;
    let horizon = Duration::from_millis(FEED_HORIZON_MS);
    site.wait(horizon - 120 * SECOND).await;
    assert_eq!(site.read().await.len(), 2);
    site.wait(240 * SECOND).await;
    let snapshot = site.snapshot().await;
    assert_eq!(
        (snapshot.seq, snapshot.entries.len()),
        (2, 1),
        "the bad key alone"
    );
    assert_eq!(snapshot.entries[0].expires, UnixMillis::NEVER);
    assert_eq!(
        site.batch(site.log.id(), 0).await,
        None,
        "nobody needs it any more"
    );
    let status = site.feed.status();
    assert_eq!((status.in_force, status.batches), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn of_a_log_that_lost_entries_the_feed_goes_on_from_there_and_takes_nothing_back() {
    let site = Site::start().await;
    site.revoked((0..5).map(session)).await;
    let (log, before) = (site.log.id(), site.head().await);
    site.lose(2);
    site.look().await;
    site.published().await;
    let head = site.head().await;
    assert_eq!((head.log, head.seq), (log, 3));
    assert_eq!(site.batch(log, 0).await, None, "what was is void");
    let snapshot = site.snapshot().await;
    assert_eq!((snapshot.seq, snapshot.entries.len()), (3, 5));
    site.revoked((10..12).map(session)).await;
    let head = site.head().await;
    assert_eq!(head.seq, before.seq);
    assert_ne!(head.tip, before.tip, "the same position of another past");
    let batch = site.batch(log, 3).await.unwrap();
    assert_eq!((batch.from, batch.prev, batch.tip), (3, snapshot.tip, head.tip));
    assert_eq!(site.read().await.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn another_log_takes_the_place_of_everything() {
    let site = Site::start().await;
    site.revoked((0..5).map(session)).await;
    let old = site.log.id();
    site.restore(2);
    site.look().await;
    site.published().await;
    let (head, snapshot) = (site.head().await, site.snapshot().await);
    assert_ne!(head.log, old);
    assert_eq!(
        (snapshot.log, snapshot.seq, snapshot.entries.len()),
        (head.log, 2, 2)
    );
    assert_eq!(site.batch(old, 0).await, None);
    assert_eq!(site.batch(head.log, 0).await, None);
    site.revoked([session(9)]).await;
    assert_eq!(site.read().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_what_is_published() {
    let site = Site::start().await;
    site.revoked((0..200).map(session)).await;
    site.wait(11 * SECOND).await;
    site.published().await;
    let status = site.feed.status();
    assert_eq!((status.in_force, status.batches), (200, 1));
    assert_eq!(status.snapshot_bytes, site.get("/snapshot").await.body.len());
    assert!(status.snapshot_gzip_bytes > 0 && status.snapshot_gzip_bytes < status.snapshot_bytes);
}
