//! Keys over time, with an issuer that answers as it is told. The time is Tokio's, which passes only when all wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use symbolon_jose::{PrivateKey, SigningAlg};
use symbolon_verifier::{
    Builder, Fetch, FetchError, Fetched, Fetching, Jitter, Metrics, Refused, Revocable, RevocationCheck,
    RevocationKind, UnixMillis, Verdict, Verifier,
};
use tokio::task::JoinSet;
use tokio::time::sleep;
use url::Url;

use crate::support::{
    AUDIENCE, ISSUER, TestClock, builder, claims_with, es256, header, jwks, key, key_set, sign, sign_header,
    token,
};

const METADATA: &str = "https://as.example/.well-known/oauth-authorization-server/tenant";
const JWKS: &str = "https://as.example/jwks";

/// What the issuer says next about its keys; the last one again and again.
type Answers = VecDeque<Box<dyn Fn() -> Result<Fetched, FetchError> + Send>>;

#[derive(Clone, Default)]
struct Issuer {
    answers: Arc<Mutex<Answers>>,
    metadata: Arc<Mutex<String>>,
    latency: Arc<Mutex<Duration>>,
    discoveries: Arc<AtomicUsize>,
    fetches: Arc<AtomicUsize>,
    under_way: Arc<AtomicUsize>,
}

impl Issuer {
    fn new(keys: &[&PrivateKey]) -> Self {
        let issuer = Self::default();
        *issuer.metadata.lock().unwrap() = json!({ "issuer": ISSUER, "jwks_uri": JWKS }).to_string();
        issuer.publish(keys, "max-age=900");
        issuer
    }

    fn publish(&self, keys: &[&PrivateKey], cache_control: &'static str) {
        let body = jwks(keys);
        self.answer(move || Ok(Fetched::new(body.clone()).with_cache_control(cache_control)));
    }

    /// From now on.
    fn answer(&self, answer: impl Fn() -> Result<Fetched, FetchError> + Send + 'static) {
        let mut answers = self.answers.lock().unwrap();
        answers.clear();
        answers.push_back(Box::new(answer));
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    async fn answered(&self, url: &Url) -> Result<Fetched, FetchError> {
        if url.as_str() == METADATA {
            self.discoveries.fetch_add(1, Ordering::SeqCst);
            return Ok(Fetched::new(self.metadata.lock().unwrap().clone()));
        }
        assert_eq!(url.as_str(), JWKS);
        self.fetches.fetch_add(1, Ordering::SeqCst);
        assert_eq!(
            self.under_way.fetch_add(1, Ordering::SeqCst),
            0,
            "two fetches at once"
        );
        let under_way = UnderWay(Arc::clone(&self.under_way));
        let latency = *self.latency.lock().unwrap();
        sleep(latency).await;
        drop(under_way);
        (self.answers.lock().unwrap()[0])()
    }
}

/// Counts down also where the fetch is cut off.
struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fetch for Issuer {
    fn get<'a>(&'a self, url: &'a Url, _: usize) -> Fetching<'a> {
        Box::pin(self.answered(url))
    }
}

pub(crate) struct NoJitter;

impl Jitter for NoJitter {
    fn draw(&self) -> u32 {
        0
    }
}

fn following(issuer: &Issuer) -> (Builder, TestClock) {
    let clock = TestClock::new();
    let builder = Verifier::builder(ISSUER, AUDIENCE);
    (
        builder
            .clock(clock.clone())
            .jitter(NoJitter)
            .fetch(issuer.clone())
            .without_revocation(),
        clock,
    )
}

fn with_kid(kid: &str) -> String {
    let mut header = header(es256());
    header["kid"] = json!(kid);
    sign_header(&header)
}

#[tokio::test(start_paused = true)]
async fn j7_a_storm_of_unknown_kids_costs_one_fetch_per_cooldown() {
    let issuer = Issuer::new(&[es256()]);
    let (builder, clock) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    assert_eq!(issuer.fetches(), 1);
    // Only the key id differs, so the signature need not be made anew: it is never looked at.
    let signed = with_kid("x");
    let (_, rest) = signed.split_once('.').unwrap();
    let storm = |n: usize, round: usize| {
        let (verifier, rest) = (verifier.clone(), rest.to_owned());
        async move {
            for i in 0..n {
                let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("random-{round}-{i}") });
                let token = format!("{}.{rest}", crate::support::encode(header.to_string()));
                assert_eq!(verifier.verify(&token).await.unwrap_err(), Refused::KeyUnknown);
            }
        }
    };
    for round in 0..2 {
        storm(50_000, round).await;
        assert_eq!(issuer.fetches(), 2 + round, "one fetch in each cooldown");
        clock.advance(Duration::from_millis(29_999));
        storm(100, 10 + round).await;
        assert_eq!(issuer.fetches(), 2 + round, "none before it is over");
        clock.advance(Duration::from_millis(1));
    }
    assert!(
        verifier.verify(&token(es256())).await.is_ok(),
        "good keys are kept"
    );
}

#[tokio::test(start_paused = true)]
async fn j7_tokens_that_come_during_a_fetch_share_it() {
    let issuer = Issuer::new(&[es256()]);
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    *issuer.latency.lock().unwrap() = Duration::from_secs(1);
    let next = key(SigningAlg::EdDsa, 3);
    issuer.publish(&[es256(), &next], "max-age=900");
    let mut requests = JoinSet::new();
    for i in 0..1000 {
        let verifier = verifier.clone();
        let good = i % 2 == 0;
        let token = if good {
            token(&next)
        } else {
            with_kid(&format!("k{i}"))
        };
        requests.spawn(async move { verifier.verify(&token).await.is_ok() == good });
    }
    assert!(requests.join_all().await.into_iter().all(|expected| expected));
    assert_eq!(issuer.fetches(), 2);
}

/// A request that goes away takes neither the fetch nor the cooldown with it.
#[tokio::test(start_paused = true)]
async fn j7_a_request_that_is_dropped_leaves_the_fetch_to_others() {
    let issuer = Issuer::new(&[es256()]);
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    *issuer.latency.lock().unwrap() = Duration::from_secs(1);
    let next = key(SigningAlg::EdDsa, 3);
    issuer.publish(&[es256(), &next], "max-age=900");
    let token = token(&next);
    let gone = tokio::time::timeout(Duration::from_millis(500), verifier.verify(&token)).await;
    assert!(gone.is_err());
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn j8_good_keys_survive_every_failure() {
    let issuer = Issuer::new(&[es256()]);
    let (builder, clock) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    let failures: Vec<Box<dyn Fn() -> Result<Fetched, FetchError> + Send>> = vec![
        Box::new(|| Err(FetchError::Status(500))),
        Box::new(|| Err(FetchError::Status(302))),
        Box::new(|| Err(FetchError::Transport("refused".into()))),
        Box::new(|| Ok(Fetched::new(""))),
        Box::new(|| Ok(Fetched::new("<html>"))),
        Box::new(|| Ok(Fetched::new(r#"{"keys":[]}"#))),
        Box::new(|| Ok(Fetched::new(r#"{"keys":[{"kty":"oct","k":"AA","kid":"a"}]}"#))),
        Box::new(|| Ok(Fetched::new(vec![b' '; 300 * 1024]))),
    ];
    for failure in failures {
        issuer.answer(failure);
        clock.advance(Duration::from_secs(30));
        let before = issuer.fetches();
        assert_eq!(
            verifier.verify(&with_kid("unknown")).await.unwrap_err(),
            Refused::KeyUnknown
        );
        assert_eq!(issuer.fetches(), before + 1);
        assert_eq!(verifier.keys_known(), 1);
        assert!(verifier.verify(&token(es256())).await.is_ok());
    }
    // A day of failures, in which it is tried every 30 seconds.
    let before = issuer.fetches();
    sleep(Duration::from_secs(24 * 3600)).await;
    assert!(
        (2870..=2890).contains(&(issuer.fetches() - before)),
        "{}",
        issuer.fetches()
    );
    assert!(verifier.verify(&token(es256())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_a_failure() {
    let issuer = Issuer::new(&[es256()]);
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    *issuer.latency.lock().unwrap() = Duration::from_secs(6);
    let start = tokio::time::Instant::now();
    assert_eq!(
        verifier.verify(&with_kid("unknown")).await.unwrap_err(),
        Refused::KeyUnknown
    );
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert!(verifier.verify(&token(es256())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_as_often_as_the_issuer_says_within_bounds() {
    for (cache_control, period) in [
        ("max-age=900", 900),
        ("max-age=1", 30),
        ("no-store", 30),
        ("max-age=99999999", 3600),
        ("public", 300),
    ] {
        let issuer = Issuer::new(&[es256()]);
        issuer.publish(&[es256()], cache_control);
        let (builder, _) = following(&issuer);
        let verifier = builder.build().await.unwrap();
        sleep(Duration::from_secs(10 * period) + Duration::from_millis(500)).await;
        assert_eq!(issuer.fetches(), 11, "{cache_control}");
        assert_eq!(
            issuer.discoveries.load(Ordering::SeqCst),
            1,
            "the address is known"
        );
        drop(verifier);
        sleep(Duration::from_secs(10 * period)).await;
        assert_eq!(issuer.fetches(), 11, "nobody fetches for a verifier that is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_followed_in_the_background() {
    let issuer = Issuer::new(&[es256()]);
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    let next = key(SigningAlg::EdDsa, 3);
    issuer.publish(&[es256(), &next], "max-age=900");
    sleep(Duration::from_secs(901)).await;
    let before = issuer.fetches();
    assert!(verifier.verify(&token(&next)).await.is_ok());
    assert!(verifier.verify(&token(es256())).await.is_ok());
    assert_eq!(issuer.fetches(), before);
}

/// What it verified is forgotten with the key.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_taken_away_verifies_nothing_more() {
    let next = key(SigningAlg::EdDsa, 3);
    let issuer = Issuer::new(&[es256(), &next]);
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    let old = token(es256());
    assert!(verifier.verify(&old).await.is_ok());
    issuer.publish(&[&next], "max-age=900");
    sleep(Duration::from_secs(901)).await;
    assert_eq!(verifier.verify(&old).await.unwrap_err(), Refused::KeyUnknown);
}

/// Another key may not inherit what its namesake verified.
#[tokio::test(start_paused = true)]
async fn another_key_of_the_same_name_verifies_anew() {
    let issuer = Issuer::new(&[es256()]);
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    let old = token(es256());
    assert!(verifier.verify(&old).await.is_ok());
    let mut jwk = serde_json::to_value(key(SigningAlg::Es256, 5).public().jwk()).unwrap();
    jwk["kid"] = json!(es256().kid().as_str());
    let body = json!({ "keys": [jwk] }).to_string();
    issuer.answer(move || Ok(Fetched::new(body.clone())));
    sleep(Duration::from_secs(901)).await;
    assert_eq!(verifier.verify(&old).await.unwrap_err(), Refused::Signature);
}

#[tokio::test(start_paused = true)]
async fn without_keys_it_is_the_servers_fault_until_they_come() {
    let issuer = Issuer::new(&[es256()]);
    issuer.answer(|| Err(FetchError::Status(503)));
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    assert_eq!(verifier.keys_known(), 0);
    let refused = verifier.verify(&token(es256())).await.unwrap_err();
    assert_eq!(
        (refused.clone(), refused.status().as_u16()),
        (Refused::KeysUnavailable, 503)
    );
    // What no key could make good is refused for what it is.
    assert_eq!(verifier.verify("x").await.unwrap_err(), Refused::Malformed);
    // After 1, 2, 4, 8 and 16 s, and then every 30.
    sleep(Duration::from_millis(31_500)).await;
    assert_eq!(issuer.fetches(), 6);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(issuer.fetches(), 8);
    issuer.publish(&[es256()], "max-age=900");
    sleep(Duration::from_secs(30)).await;
    assert!(verifier.verify(&token(es256())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn metadata_of_another_issuer_is_not_followed() {
    let issuer = Issuer::new(&[es256()]);
    let other = json!({ "issuer": "https://as.example", "jwks_uri": JWKS }).to_string();
    let good = std::mem::replace(&mut *issuer.metadata.lock().unwrap(), other);
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    assert_eq!((verifier.keys_known(), issuer.fetches()), (0, 0));
    *issuer.metadata.lock().unwrap() = good;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(verifier.keys_known(), 1);
}

/// Also where what fetches does not keep to the limit.
#[tokio::test(start_paused = true)]
async fn metadata_that_is_too_long_is_not_read() {
    let issuer = Issuer::new(&[es256()]);
    issuer.metadata.lock().unwrap().push_str(&" ".repeat(64 * 1024));
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    assert_eq!((verifier.keys_known(), issuer.fetches()), (0, 0));
}

/// Nothing that a token names is ever fetched: the issuer's double accepts no other address than its own two.
#[tokio::test(start_paused = true)]
async fn j3_nothing_that_a_token_names_is_fetched() {
    let issuer = Issuer::new(&[es256()]);
    let (builder, _) = following(&issuer);
    let verifier = builder.build().await.unwrap();
    for name in ["jku", "x5u"] {
        let mut header = header(es256());
        header["kid"] = json!("unknown");
        header[name] = json!("https://evil.example/keys");
        assert_eq!(
            verifier.verify(&sign_header(&header)).await.unwrap_err(),
            Refused::Header(name)
        );
    }
    assert_eq!(issuer.fetches(), 1);
}

#[derive(Clone, Default)]
struct Counts(Arc<Mutex<Vec<String>>>);

impl Metrics for Counts {
    fn accepted(&self, cached: bool) {
        self.0.lock().unwrap().push(format!("accepted cached={cached}"));
    }

    fn refused(&self, reason: &'static str) {
        self.0.lock().unwrap().push(format!("refused {reason}"));
    }

    fn keys_fetched(&self, outcome: Result<usize, &'static str>) {
        self.0.lock().unwrap().push(format!("keys {outcome:?}"));
    }
}

impl Counts {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Revokes one subject's sessions when told to.
#[derive(Clone, Default)]
struct Switch(Arc<Mutex<Option<Verdict>>>);

impl RevocationCheck for Switch {
    fn check(&self, _: &Revocable<'_>, _: UnixMillis) -> Verdict {
        self.0.lock().unwrap().unwrap_or(Verdict::Live)
    }
}

#[tokio::test]
async fn a_token_that_comes_again_is_judged_again_but_not_verified() {
    let (counts, switch, clock) = (Counts::default(), Switch::default(), TestClock::new());
    let verifier = builder()
        .metrics(counts.clone())
        .revocation(switch.clone())
        .clock(clock.clone())
        .build_with_keys(key_set(&[es256()]))
        .unwrap();
    let token = token(es256());
    for _ in 0..3 {
        verifier.verify(&token).await.unwrap();
    }
    assert_eq!(
        counts.take(),
        [
            "accepted cached=false",
            "accepted cached=true",
            "accepted cached=true"
        ]
    );

    *switch.0.lock().unwrap() = Some(Verdict::Revoked(RevocationKind::Subject));
    for _ in 0..2 {
        let refused = verifier.verify(&token).await.unwrap_err();
        assert_eq!(refused, Refused::Revoked(RevocationKind::Subject));
    }
    *switch.0.lock().unwrap() = Some(Verdict::Unknown);
    assert_eq!(
        verifier.verify(&token).await.unwrap_err(),
        Refused::RevocationUnknown
    );
    *switch.0.lock().unwrap() = None;
    verifier.verify(&token).await.unwrap();
    verifier.verify(&token).await.unwrap();
    assert_eq!(
        counts.take(),
        [
            "refused revoked",
            "refused revoked",
            "refused revocation_unknown",
            "accepted cached=true",
            "accepted cached=true"
        ]
    );

    clock.advance(Duration::from_millis(309_999));
    verifier.verify(&token).await.unwrap();
    clock.advance(Duration::from_millis(1));
    assert_eq!(verifier.verify(&token).await.unwrap_err(), Refused::Expired);
    assert_eq!(counts.take(), ["accepted cached=true", "refused expired"]);
}

#[tokio::test]
async fn a_changed_token_is_another_token() {
    let verifier = builder().build_with_keys(key_set(&[es256()])).unwrap();
    let token = token(es256());
    verifier.verify(&token).await.unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    for at in (0..signature.len()).step_by(5) {
        let mut changed = signature.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = format!("{message}.{}", String::from_utf8(changed).unwrap());
        assert!(verifier.verify(&changed).await.is_err());
    }
}

#[tokio::test]
async fn few_tokens_are_remembered_and_long_ones_never() {
    let counts = Counts::default();
    let builder = || builder().metrics(counts.clone());
    let long = sign(es256(), &claims_with(json!({ "custom": "x".repeat(4096) })));
    let verifier = builder().build_with_keys(key_set(&[es256()])).unwrap();
    for _ in 0..2 {
        verifier.verify(&long).await.unwrap();
    }
    let none = builder()
        .remember(0)
        .build_with_keys(key_set(&[es256()]))
        .unwrap();
    let token = token(es256());
    for _ in 0..2 {
        none.verify(&token).await.unwrap();
    }
    assert_eq!(counts.take(), ["accepted cached=false"; 4]);
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_of_fetches() {
    let issuer = Issuer::new(&[es256()]);
    let counts = Counts::default();
    let (builder, clock) = following(&issuer);
    let verifier = builder.metrics(counts.clone()).build().await.unwrap();
    issuer.answer(|| Err(FetchError::Status(500)));
    clock.advance(Duration::from_secs(31));
    let _ = verifier.verify(&with_kid("x")).await;
    assert_eq!(
        counts.take(),
        ["keys Ok(1)", "keys Err(\"status\")", "refused key_unknown"]
    );
}
