//! Verifiers that follow a feed, by its stream and by polling, whatever becomes of it.

use std::time::Duration;

use serde_json::json;
use symbolon_verifier::feed::Effect;
use symbolon_verifier::{FetchError, Following, Refused, RevocationKind, UnixMillis};

use super::publisher::{Publisher, Told, millis, outcome, seconds};
use super::{LOG, REVOKED, STARTED, UNKNOWN, block, entry, session, signed_head, stranger};
use crate::support::{SESSION, SUBJECT, TOKEN, es256};

#[tokio::test(start_paused = true)]
async fn a_token_is_refused_as_soon_as_the_stream_says_so() {
    let (publisher, verifier, token) = Publisher::followed().await;
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
        let (publisher, verifier, token) = Publisher::followed().await;
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
    let (verifier, told) = publisher.observed().await;
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
    let (publisher, verifier, token) = Publisher::followed().await;
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
    let (verifier, told) = publisher.observed().await;
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
async fn metrics_tell_how_far_the_feed_was_read() {
    let publisher = Publisher::with_streams();
    let (_verifier, told) = publisher.observed().await;
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
