//! What verifiers that follow a feed do not believe.

use serde_json::json;
use symbolon_jose::SigningAlg;
use symbolon_verifier::FetchError;
use symbolon_verifier::feed::Head;

use super::publisher::{Publisher, millis, outcome, seconds};
use super::{REVOKED, UNKNOWN, session, signed, signed_head, signed_snapshot, stranger};
use crate::support::{es256, key};

/// Forged documents, those of others and replayed ones change nothing, wherever they come.
#[tokio::test(start_paused = true)]
async fn forgeries_and_replays() {
    let publisher = Publisher::with_streams();
    let (verifier, told) = publisher.observed().await;
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
    let (verifier, told) = publisher.observed().await;
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
    let (verifier, told) = publisher.observed().await;
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
