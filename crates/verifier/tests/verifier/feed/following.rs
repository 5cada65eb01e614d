//! Verifiers that follow a feed, by its stream and by polling, whatever becomes of it.

use std::time::Duration;

use serde_json::json;
use symbolon_jose::SigningAlg;
use symbolon_verifier::feed::{Effect, Head};
use symbolon_verifier::{FetchError, Following, Refused, RevocationKind, UnixMillis};

use super::publisher::{Publisher, Told, millis, outcome, seconds};
use super::{
    History, LOG, OTHER_LOG, STARTED, block, entry, signed, signed_batch, signed_head, signed_snapshot,
    stranger,
};
use crate::support::{NOW, SESSION, SUBJECT, TOKEN, es256, key};

fn session() -> symbolon_verifier::feed::FeedEntry {
    block(RevocationKind::Session, SESSION)
}

const REVOKED: Option<Refused> = Some(Refused::Revoked(RevocationKind::Session));
const UNKNOWN: Option<Refused> = Some(Refused::RevocationUnknown);

#[tokio::test(start_paused = true)]
async fn a_token_is_refused_as_soon_as_the_stream_says_so() {
    let publisher = Publisher::with_streams();
    let verifier = publisher.verifier().await;
    let token = publisher.token();
    assert_eq!(outcome(&verifier, &token).await, None);
    seconds(3).await;
    assert_eq!(outcome(&verifier, &token).await, None);
    publisher.revoke(session());
    millis(1).await;
    assert_eq!(outcome(&verifier, &token).await, REVOKED);
    let status = verifier.feed().unwrap();
    assert_eq!(
        (status.log, status.seq, status.entries, status.following),
        (Some(LOG), 1, 1, Following::Stream)
    );
    assert!(status.is_caught_up && !status.is_stale);
    // Nothing is polled meanwhile.
    let heads = publisher.asked_for("/head");
    seconds(600).await;
    assert_eq!(publisher.asked_for("/head"), heads);
    assert!(verifier.feed().unwrap().age.unwrap() <= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn without_a_stream_within_a_second() {
    let publisher = Publisher::with_streams();
    publisher.shop().streams = false;
    let verifier = publisher.verifier().await;
    let token = publisher.token();
    seconds(3).await;
    assert_eq!(outcome(&verifier, &token).await, None);
    publisher.revoke(session());
    millis(1001).await;
    assert_eq!(outcome(&verifier, &token).await, REVOKED);
    assert_eq!(verifier.feed().unwrap().following, Following::Polling);
    // The stream is tried again, less and less often.
    seconds(600).await;
    let tries = publisher.asked_for("/stream");
    assert!((20..30).contains(&tries), "{tries}");
    publisher.shop().streams = true;
    seconds(31).await;
    assert_eq!(publisher.streams_open(), 1);
}

#[tokio::test(start_paused = true)]
async fn polling_alone_asks_for_no_stream() {
    let publisher = Publisher::with_streams();
    let builder = publisher
        .builder()
        .poll_only()
        .poll_every(Duration::from_secs(10));
    let verifier = builder.build().await.unwrap();
    let before = publisher.asked_for("/head");
    seconds(101).await;
    assert_eq!(publisher.asked_for("/stream"), 0);
    assert_eq!(publisher.asked_for("/head") - before, 11);
    drop(verifier);
    seconds(100).await;
    assert_eq!(
        publisher.asked_for("/head") - before,
        11,
        "nobody follows for a verifier that is gone"
    );
}

/// Every kind that concerns the token refuses it, also where its signature was verified before, and none that does not.
#[tokio::test(start_paused = true)]
async fn every_kind_of_entry() {
    let kid = es256().kid().as_str();
    for (kind, value) in [
        (RevocationKind::All, ""),
        (RevocationKind::Client, "shop"),
        (RevocationKind::Key, kid),
        (RevocationKind::Session, SESSION),
        (RevocationKind::Subject, SUBJECT),
        (RevocationKind::Token, TOKEN),
    ] {
        let publisher = Publisher::with_streams();
        let verifier = publisher.verifier().await;
        let token = publisher.token();
        seconds(2).await;
        publisher.revoke(block(kind, "somebody else"));
        publisher.revoke(entry(kind, value, Effect::Cutoff(UnixMillis(STARTED - 1))));
        millis(1).await;
        assert_eq!(outcome(&verifier, &token).await, None, "{kind:?}");
        publisher.revoke(entry(kind, value, Effect::Cutoff(UnixMillis(STARTED))));
        millis(1).await;
        assert_eq!(
            outcome(&verifier, &token).await,
            Some(Refused::Revoked(kind)),
            "{kind:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn too_little_is_known_until_the_feed_was_read() {
    let publisher = Publisher::with_streams();
    publisher.fail();
    let verifier = publisher.verifier().await;
    let token = publisher.token();
    let refused = outcome(&verifier, &token).await;
    assert_eq!(refused, UNKNOWN);
    assert_eq!(refused.unwrap().status().as_u16(), 503);
    let status = verifier.feed().unwrap();
    assert_eq!(
        (status.log, status.as_of, status.following),
        (None, None, Following::Not)
    );
    seconds(600).await;
    assert_eq!(outcome(&verifier, &token).await, UNKNOWN);
    publisher.recover();
    seconds(31).await;
    assert_eq!(outcome(&verifier, &token).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_without_a_feed_has_its_tokens_refused_unless_that_is_wanted() {
    let publisher = Publisher::new();
    publisher.shop().without_feed = true;
    let token = publisher.token();
    let told = Told::default();
    let verifier = publisher.builder().metrics(told.clone()).build().await.unwrap();
    assert_eq!(outcome(&verifier, &token).await, UNKNOWN);
    assert_eq!(told.take(), ["failed no_feed"]);
    let without = publisher.builder().without_revocation().build().await.unwrap();
    assert_eq!(outcome(&without, &token).await, None);
    assert!(without.feed().is_none());
    // It is seen when there is one.
    publisher.shop().without_feed = false;
    seconds(61).await;
    assert_eq!(outcome(&verifier, &token).await, None);
}

#[tokio::test(start_paused = true)]
async fn stale_then_refused_then_well_again() {
    let publisher = Publisher::with_streams();
    let verifier = publisher.verifier().await;
    let token = publisher.token();
    seconds(10).await;
    publisher.fail();
    publisher.shop().streams = false;
    publisher.end_streams();
    seconds(298).await;
    assert_eq!(outcome(&verifier, &token).await, None);
    seconds(4).await;
    assert_eq!(outcome(&verifier, &token).await, UNKNOWN);
    assert!(verifier.feed().unwrap().is_stale);
    // What is known to be revoked is refused as such for ever.
    publisher.recover();
    publisher.revoke(session());
    seconds(11).await;
    assert_eq!(outcome(&verifier, &token).await, REVOKED);
    publisher.fail();
    seconds(3000).await;
    assert_eq!(outcome(&verifier, &publisher.token()).await, REVOKED);
    assert_eq!(
        outcome(&verifier, &publisher.token_with(json!({ "sid": null }))).await,
        UNKNOWN
    );
}

/// A stream that says nothing new, one that trickles, and one that repeats itself are dead.
#[tokio::test(start_paused = true)]
async fn a_stream_that_brings_nothing_new_is_given_up() {
    let publisher = Publisher::new();
    publisher.shop().streams = true;
    let told = Told::default();
    let verifier = publisher.builder().metrics(told.clone()).build().await.unwrap();
    let token = publisher.token();
    for noise in [None, Some(": still here\n"), Some("replay")] {
        let old = signed_head(&publisher.head());
        seconds(1).await;
        for _ in 0..70 {
            millis(500).await;
            match noise {
                Some("replay") => publisher.send("head", &old),
                Some(text) => publisher.send("", text),
                None => {}
            }
        }
        let told = told.take();
        assert!(told.contains(&"stream silent".to_owned()), "{noise:?}: {told:?}");
        assert!(std::mem::take(&mut publisher.shop().renewals) > 0, "{noise:?}");
        let age = verifier.feed().unwrap().age.unwrap();
        assert!(
            age <= Duration::from_secs(7),
            "{noise:?}: it is polled meanwhile: {age:?}"
        );
        assert_eq!(outcome(&verifier, &token).await, None);
    }
}

/// A node that stands still answers, but its head stays what it is. Whether it is one that is known or one whose entries
/// are missing, another connection may lead to another node.
#[tokio::test(start_paused = true)]
async fn polls_that_bring_nothing_new_are_failures() {
    for missing in [false, true] {
        let publisher = Publisher::new();
        let told = Told::default();
        let builder = publisher.builder().poll_only().metrics(told.clone());
        let verifier = builder.build().await.unwrap();
        seconds(5).await;
        if missing {
            publisher.log.lock().unwrap().append(stranger(1));
        }
        let frozen = signed_head(&publisher.head());
        publisher.answer(move |_, path| match path {
            "/head" => Some(Ok(frozen.clone())),
            _ => missing.then_some(Err(FetchError::Status(503))),
        });
        seconds(4).await;
        assert!(!told.take().contains(&"failed silent".to_owned()));
        assert_eq!(publisher.shop().renewals, 0);
        seconds(7).await;
        assert!(told.take().contains(&"failed silent".to_owned()));
        assert!(publisher.shop().renewals >= 1);
        assert_eq!(verifier.feed().unwrap().following, Following::Not);
        publisher.recover();
        seconds(11).await;
        let status = verifier.feed().unwrap();
        assert_eq!(
            (status.following, status.is_caught_up),
            (Following::Polling, true)
        );
        let renewals = publisher.shop().renewals;
        seconds(60).await;
        assert_eq!(publisher.shop().renewals, renewals);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_a_hundred_times_loses_nothing() {
    let publisher = Publisher::with_streams();
    let verifier = publisher.verifier().await;
    for number in 0..100 {
        millis(37 * number % 4000).await;
        publisher.end_streams();
        publisher.revoke(stranger(u128::from(number)));
        publisher.revoke(block(RevocationKind::Token, &format!("token {number}")));
    }
    publisher.revoke(session());
    seconds(3).await;
    assert_eq!(outcome(&verifier, &publisher.token()).await, REVOKED);
    let status = verifier.feed().unwrap();
    assert_eq!((status.seq, status.entries, status.resyncs), (201, 201, 0));
    assert_eq!(publisher.asked_for("/snapshot"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_event_resync_has_the_snapshot_read() {
    let publisher = Publisher::with_streams();
    let told = Told::default();
    let verifier = publisher.builder().metrics(told.clone()).build().await.unwrap();
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
    let publisher = Publisher::with_streams();
    let verifier = publisher.verifier().await;
    let token = publisher.token();
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
    let told = Told::default();
    let verifier = publisher.builder().metrics(told.clone()).build().await.unwrap();
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
        let publisher = match streams {
            true => Publisher::with_streams(),
            false => Publisher::new(),
        };
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
        let publisher = match streams {
            true => Publisher::with_streams(),
            false => Publisher::new(),
        };
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

/// Forged documents, those of others and replayed ones change nothing, wherever they come.
#[tokio::test(start_paused = true)]
async fn forgeries_and_replays() {
    let publisher = Publisher::with_streams();
    let told = Told::default();
    let verifier = publisher.builder().metrics(told.clone()).build().await.unwrap();
    let before = publisher.history();
    let (old_head, old_snapshot) = (
        signed_head(&publisher.head()),
        signed_snapshot(&publisher.snapshot()),
    );
    seconds(2).await;
    publisher.revoke(session());
    seconds(2).await;
    told.take();

    let empty = before.head(publisher.clock.true_time() + 5000);
    let forger = key(SigningAlg::EdDsa, 1234);
    let payload = json!(empty).to_string();
    let forged = forger
        .sign_compact("revocation-head+jwt", payload.as_bytes())
        .unwrap();
    let by_token_key = es256()
        .sign_compact("revocation-head+jwt", payload.as_bytes())
        .unwrap();
    let elsewhere = signed_head(&Head {
        iss: "https://other".into(),
        ..empty.clone()
    });
    let future = signed_head(&before.head(publisher.clock.true_time() + 20_000));
    let as_batch = signed("revocation-head+jwt", &json!(empty));
    for (name, text, reason) in [
        ("head", &forged, "refused head key_unknown"),
        ("head", &by_token_key, "refused head algorithm"),
        ("head", &elsewhere, "refused head issuer"),
        ("head", &future, "refused head future"),
        ("batch", &as_batch, "refused batch type"),
        ("batch", &"x".to_owned(), "refused batch malformed"),
    ] {
        publisher.send(name, text);
        millis(1).await;
        assert!(told.take().contains(&reason.to_owned()), "{reason}");
        assert_eq!(outcome(&verifier, &publisher.token()).await, REVOKED);
    }
    // What was true once.
    publisher.send("head", &old_head);
    publisher.send("resync", "{}");
    publisher.answer(move |_, path| match path {
        "/snapshot" => Some(Ok(old_snapshot.clone())),
        "/head" => Some(Ok(old_head.clone())),
        path if path.starts_with("/batches") => Some(Err(FetchError::Status(404))),
        _ => None,
    });
    publisher.shop().streams = false;
    publisher.end_streams();
    let as_of = verifier.feed().unwrap().as_of;
    for _ in 0..60 {
        seconds(10).await;
        assert_eq!(outcome(&verifier, &publisher.token()).await, REVOKED);
    }
    let status = verifier.feed().unwrap();
    assert_eq!((status.as_of, status.seq), (as_of, 1));
    assert!(status.is_stale);
    publisher.recover();
    seconds(11).await;
    assert!(!verifier.feed().unwrap().is_stale);
}

/// An entry that is not understood is not skipped: what it revokes would be accepted.
#[tokio::test(start_paused = true)]
async fn an_effect_that_is_not_known() {
    let publisher = Publisher::with_streams();
    let told = Told::default();
    let verifier = publisher.builder().metrics(told.clone()).build().await.unwrap();
    seconds(5).await;
    publisher.log.lock().unwrap().append(stranger(1));
    let strange = |publisher: &Publisher| {
        let log = publisher.history();
        let mut batch = super::batch_json(&log.batch(0, 1));
        batch["entries"][0][0] = json!("pardon");
        let mut snapshot = json!(log.snapshot(publisher.clock.true_time()));
        snapshot["entries"][0][0] = json!("pardon");
        (
            signed("revocation-batch+jwt", &batch),
            signed("revocation-snapshot+jwt", &snapshot),
        )
    };
    publisher.send("batch", &strange(&publisher).0);
    publisher.answer(move |publisher, path| match path {
        "/snapshot" => Some(Ok(strange(publisher).1)),
        path if path.starts_with("/batches") => Some(Ok(strange(publisher).0)),
        _ => None,
    });
    seconds(310).await;
    assert_eq!(outcome(&verifier, &publisher.token()).await, UNKNOWN);
    assert!(told.take().contains(&"refused batch claim".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn documents_that_are_too_long() {
    let publisher = Publisher::new();
    let verifier = publisher.verifier().await;
    seconds(2).await;
    publisher.answer(|_, path| (path == "/head").then(|| Ok("x".repeat(8 * 1024 + 1))));
    seconds(310).await;
    assert_eq!(outcome(&verifier, &publisher.token()).await, UNKNOWN);
    publisher.recover();
    seconds(11).await;
    assert_eq!(outcome(&verifier, &publisher.token()).await, None);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ() {
    for (ahead, known) in [
        (-10_000, true),
        (-10_001, false),
        (100_000, true),
        (290_000, true),
        (302_000, false),
    ] {
        let publisher = Publisher::with_streams();
        publisher.clock.set_ahead(ahead);
        let verifier = publisher.verifier().await;
        seconds(20).await;
        assert_eq!(verifier.feed().unwrap().is_stale, !known, "{ahead} ms ahead");
        publisher.clock.set_ahead(0);
        seconds(12).await;
        assert!(!verifier.feed().unwrap().is_stale, "{ahead} ms ahead, set right");
    }
}

/// The keys of the feed may change; until its new key can be had, the feed is not read.
#[tokio::test(start_paused = true)]
async fn keys_of_the_feed_that_change() {
    let publisher = Publisher::with_streams();
    publisher.shop().feed_keys = vec![key(SigningAlg::EdDsa, 4321)];
    let told = Told::default();
    let verifier = publisher.builder().metrics(told.clone()).build().await.unwrap();
    assert_eq!(outcome(&verifier, &publisher.token()).await, UNKNOWN);
    assert!(told.take().contains(&"refused snapshot key_unknown".to_owned()));
    publisher.shop().feed_keys.push(super::feed_key());
    seconds(41).await;
    assert_eq!(outcome(&verifier, &publisher.token()).await, None);
    // A storm of documents by unknown keys costs one fetch in thirty seconds.
    let fetches = publisher.asked_for("/keys");
    let forger = key(SigningAlg::EdDsa, 1);
    let payload = json!(publisher.head()).to_string();
    let forged = forger
        .sign_compact("revocation-head+jwt", payload.as_bytes())
        .unwrap();
    for _ in 0..290 {
        (0..20).for_each(|_| publisher.send("head", &forged));
        millis(100).await;
    }
    assert!(publisher.asked_for("/keys") - fetches <= 1);
    assert_eq!(
        outcome(&verifier, &publisher.token()).await,
        None,
        "good keys are kept"
    );
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_how_far_the_feed_was_read() {
    let publisher = Publisher::with_streams();
    let told = Told::default();
    let _verifier = publisher.builder().metrics(told.clone()).build().await.unwrap();
    assert_eq!(told.take(), ["advanced 0 0"]);
    millis(500).await;
    publisher.revoke(session());
    millis(1).await;
    let told = told.take();
    assert!(told.contains(&"advanced 1 0".to_owned()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn reports_what_is_applied() {
    let publisher = Publisher::with_streams();
    let builder = publisher.builder().report_as("api-1", "orders", "s3cr3t");
    let _verifier = builder.build().await.unwrap();
    millis(1).await;
    let now = publisher.clock.true_time() - 1;
    let kid = es256().kid().as_str();
    let (form, authorization) = publisher.shop().reports[0].clone();
    assert_eq!(form, format!("name=api-1&log={LOG}&seq=0&as_of={now}&kids={kid}"));
    assert_eq!(authorization, "Basic b3JkZXJzOnMzY3IzdA==");
    seconds(20).await;
    assert_eq!(publisher.shop().reports.len(), 5, "every five seconds");
    // Soon after an advance, but never twice in a second.
    seconds(2).await;
    publisher.revoke(session());
    millis(1).await;
    assert!(publisher.shop().reports.last().unwrap().0.contains("&seq=1&"));
    let before = publisher.shop().reports.len();
    for number in 0..100 {
        publisher.revoke(stranger(number));
        millis(50).await;
    }
    let reports = publisher.shop().reports.len() - before;
    assert!((4..=6).contains(&reports), "{reports}");
}

#[tokio::test(start_paused = true)]
async fn reports_that_fail_do_no_harm_and_become_rare() {
    let publisher = Publisher::with_streams();
    publisher.shop().report_fails = true;
    let builder = publisher.builder().report_as("api-1", "orders", "wrong");
    let verifier = builder.build().await.unwrap();
    seconds(600).await;
    let reports = publisher.shop().reports.len();
    assert!((10..=16).contains(&reports), "{reports}");
    assert_eq!(outcome(&verifier, &publisher.token()).await, None);
    publisher.shop().report_fails = false;
    seconds(120).await;
    assert!(publisher.shop().reports.len() > reports + 10);
}
