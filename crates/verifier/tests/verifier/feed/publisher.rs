//! An issuer with a feed, as far as a verifier sees it. The time is Tokio's, which passes only when all wait.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::HeaderValue;
use serde_json::json;
use symbolon_jose::PrivateKey;
use symbolon_verifier::feed::{FeedEntry, Head, Snapshot};
use symbolon_verifier::{
    Builder, Clock, Fetch, FetchError, Fetched, Fetching, Metrics, NextPiece, Opening, Pieces, Posting,
    Refused, UnixMillis, Verifier,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

use super::{History, LOG, feed_key, signed_batch, signed_head, signed_snapshot};
use crate::keys::NoJitter;
use crate::support::{AUDIENCE, ISSUER, NOW, claims_with, es256, jwks, sign};

const METADATA: &str = "https://as.example/.well-known/oauth-authorization-server/tenant";
const JWKS: &str = "https://as.example/jwks";
const FEED: &str = "https://cdn.example/revocations";

/// The clocks of a machine: Tokio's time, from [`NOW`] on, and what somebody has set the wall clock to.
#[derive(Clone)]
pub(crate) struct PausedClock {
    started: Instant,
    /// How far the wall clock is ahead, in milliseconds.
    ahead: Arc<Mutex<i64>>,
}

impl PausedClock {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            ahead: Arc::default(),
        }
    }

    pub(crate) fn set_ahead(&self, ms: i64) {
        *self.ahead.lock().unwrap() = ms;
    }

    /// What the clocks of the issuer say.
    pub(crate) fn true_time(&self) -> u64 {
        NOW * 1000 + self.started.elapsed().as_millis() as u64
    }
}

impl Clock for PausedClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.true_time().strict_add_signed(*self.ahead.lock().unwrap()))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// What the issuer does when it is asked for something.
pub(crate) type Answer = Box<dyn Fn(&Publisher, &str) -> Option<Result<String, FetchError>> + Send>;

#[derive(Default)]
pub(crate) struct Shop {
    pub(crate) feed_keys: Vec<PrivateKey>,
    /// What is published besides what the log says.
    answer: Option<Answer>,
    pub(crate) streams: bool,
    open: Vec<mpsc::UnboundedSender<String>>,
    /// What was asked for, in its order.
    pub(crate) asked: Vec<String>,
    pub(crate) reports: Vec<(String, String)>,
    pub(crate) report_fails: bool,
    pub(crate) without_feed: bool,
    /// How long a snapshot is under way.
    pub(crate) slow_snapshot: Duration,
    /// How often connections were given up.
    pub(crate) renewals: u32,
}

#[derive(Clone)]
pub(crate) struct Publisher {
    pub(crate) clock: PausedClock,
    pub(crate) log: Arc<Mutex<History>>,
    shop: Arc<Mutex<Shop>>,
}

impl Publisher {
    pub(crate) fn new() -> Self {
        let shop = Shop {
            feed_keys: vec![feed_key()],
            ..Shop::default()
        };
        Self {
            clock: PausedClock::new(),
            log: Arc::new(Mutex::new(History::new(LOG))),
            shop: Arc::new(Mutex::new(shop)),
        }
    }

    /// One with streams, which beat by themselves, or one without.
    pub(crate) fn that_streams(streams: bool) -> Self {
        match streams {
            true => Self::with_streams(),
            false => Self::new(),
        }
    }

    /// One with streams, which beat by themselves.
    pub(crate) fn with_streams() -> Self {
        let publisher = Self::new();
        publisher.shop().streams = true;
        let beating = publisher.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                beating.send("head", &signed_head(&beating.head()));
            }
        });
        publisher
    }

    pub(crate) fn shop(&self) -> MutexGuard<'_, Shop> {
        self.shop.lock().unwrap()
    }

    pub(crate) fn history(&self) -> History {
        self.log.lock().unwrap().clone()
    }

    /// Appends to the log and tells those that stream.
    pub(crate) fn revoke(&self, entry: FeedEntry) {
        self.log.lock().unwrap().append(entry);
        let log = self.history();
        self.send("batch", &signed_batch(&log.batch(log.seq() - 1, log.seq())));
        self.send("head", &signed_head(&self.head()));
    }

    pub(crate) fn head(&self) -> Head {
        self.history().head(self.clock.true_time())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.history().snapshot(self.clock.true_time())
    }

    /// From now on this is asked first.
    pub(crate) fn answer(
        &self,
        answer: impl Fn(&Self, &str) -> Option<Result<String, FetchError>> + Send + 'static,
    ) {
        self.shop().answer = Some(Box::new(answer));
    }

    /// From now on everything is as it should be.
    pub(crate) fn recover(&self) {
        self.shop().answer = None;
    }

    /// From now on nothing of the feed can be had.
    pub(crate) fn fail(&self) {
        self.answer(|_, _| Some(Err(FetchError::Status(503))));
    }

    pub(crate) fn send(&self, name: &str, data: &str) {
        let text = format!("event: {name}\ndata: {data}\n\n");
        self.shop()
            .open
            .retain(|stream| stream.send(text.clone()).is_ok());
    }

    pub(crate) fn end_streams(&self) {
        self.shop().open.clear();
    }

    pub(crate) fn streams_open(&self) -> usize {
        self.shop()
            .open
            .iter()
            .filter(|stream| !stream.is_closed())
            .count()
    }

    /// How often something was asked for whose path begins so.
    pub(crate) fn asked_for(&self, path: &str) -> usize {
        let shop = self.shop();
        shop.asked.iter().filter(|asked| asked.starts_with(path)).count()
    }

    pub(crate) fn builder(&self) -> Builder {
        Verifier::builder(ISSUER, AUDIENCE)
            .clock(self.clock.clone())
            .jitter(NoJitter)
            .fetch(self.clone())
    }

    pub(crate) async fn verifier(&self) -> Verifier {
        self.builder().build().await.unwrap()
    }

    /// A verifier, and what its metrics are told.
    pub(crate) async fn observed(&self) -> (Verifier, Told) {
        let told = Told::default();
        let builder = self.builder().metrics(told.clone());
        (builder.build().await.unwrap(), told)
    }

    /// One with streams, a verifier that follows it, and a token that is good at this time.
    pub(crate) async fn followed() -> (Self, Verifier, String) {
        let publisher = Self::with_streams();
        let verifier = publisher.verifier().await;
        let token = publisher.token();
        (publisher, verifier, token)
    }

    /// A token that is good at this time.
    pub(crate) fn token(&self) -> String {
        self.token_with(json!({}))
    }

    pub(crate) fn token_with(&self, mut changes: serde_json::Value) -> String {
        let now = self.clock.true_time() / 1000;
        changes["iat"] = json!(now);
        changes["exp"] = json!(now + 3600);
        sign(es256(), &claims_with(changes))
    }

    fn document(&self, path: &str) -> Result<String, FetchError> {
        self.shop().asked.push(path.to_owned());
        let answer = self.shop().answer.take();
        if let Some(answer) = answer {
            let said = answer(self, path);
            self.shop().answer.get_or_insert(answer);
            if let Some(said) = said {
                return said;
            }
        }
        match path {
            "/keys" => {
                let shop = self.shop();
                Ok(jwks(&shop.feed_keys.iter().collect::<Vec<_>>()))
            }
            "/head" => Ok(signed_head(&self.head())),
            "/snapshot" => Ok(signed_snapshot(&self.snapshot())),
            path => {
                let log = self.history();
                let position = path.strip_prefix(&format!("/batches/{}/", log.log));
                let from = position.and_then(|seq| seq.parse().ok());
                match from.filter(|from| *from < log.seq()) {
                    Some(from) => Ok(signed_batch(&log.batch(from, log.seq()))),
                    None => Err(FetchError::Status(404)),
                }
            }
        }
    }

    fn fetched(&self, url: &Url) -> Result<Fetched, FetchError> {
        let body = match url.as_str() {
            METADATA if self.shop().without_feed => json!({ "issuer": ISSUER, "jwks_uri": JWKS }).to_string(),
            METADATA => {
                json!({ "issuer": ISSUER, "jwks_uri": JWKS, "revocation_feed_uri": FEED }).to_string()
            }
            JWKS => jwks(&[es256()]),
            url => self.document(url.strip_prefix(FEED).expect("an address of the issuer"))?,
        };
        Ok(Fetched::new(body))
    }

    fn open(&self, url: &Url, id: &str) -> Result<Box<dyn Pieces>, FetchError> {
        assert_eq!(url.as_str().strip_prefix(FEED), Some("/stream"));
        let mut shop = self.shop();
        shop.asked.push(format!("/stream {id}"));
        if !shop.streams {
            return Err(FetchError::Status(503));
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        shop.open.push(sender.clone());
        drop(shop);
        let log = self.history();
        let position = id.strip_prefix(&format!("{}:", log.log));
        match position.and_then(|seq| seq.parse::<u64>().ok()) {
            Some(from) if from <= log.seq() => {
                if from < log.seq() {
                    let batch = signed_batch(&log.batch(from, log.seq()));
                    sender.send(format!("event: batch\ndata: {batch}\n\n")).unwrap();
                }
                let head = signed_head(&self.head());
                sender.send(format!("event: head\ndata: {head}\n\n")).unwrap();
            }
            _ => sender.send("event: resync\ndata: {}\n\n".to_owned()).unwrap(),
        }
        Ok(Box::new(Stream(receiver)))
    }
}

struct Stream(mpsc::UnboundedReceiver<String>);

impl Pieces for Stream {
    fn next(&mut self) -> NextPiece<'_> {
        Box::pin(async { Ok(self.0.recv().await.map(String::into_bytes)) })
    }
}

impl Fetch for Publisher {
    fn get<'a>(&'a self, url: &'a Url, _: usize) -> Fetching<'a> {
        Box::pin(async {
            if url.path().ends_with("/snapshot") {
                let slow = self.shop().slow_snapshot;
                tokio::time::sleep(slow).await;
            }
            self.fetched(url)
        })
    }

    fn stream<'a>(&'a self, url: &'a Url, last_event_id: &'a str) -> Opening<'a> {
        Box::pin(async move { self.open(url, last_event_id) })
    }

    fn renew(&self) {
        self.shop().renewals += 1;
    }

    fn post<'a>(&'a self, url: &'a Url, form: String, authorization: &'a HeaderValue) -> Posting<'a> {
        assert_eq!(url.as_str().strip_prefix(FEED), Some("/evidence"));
        Box::pin(async move {
            let mut shop = self.shop();
            let authorization = authorization.to_str().unwrap().to_owned();
            shop.reports.push((form, authorization));
            match shop.report_fails {
                true => Err(FetchError::Status(401)),
                false => Ok(()),
            }
        })
    }
}

/// Whether the verifier accepts the token.
pub(crate) async fn outcome(verifier: &Verifier, token: &str) -> Option<Refused> {
    verifier.verify(token).await.err()
}

/// Lets the time pass.
pub(crate) async fn seconds(secs: u64) {
    millis(secs * 1000).await;
}

pub(crate) async fn millis(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// What metrics are told of the feed.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Metrics for Told {
    fn accepted_stale(&self) {
        self.push("accepted_stale".into());
    }

    fn feed_advanced(&self, seq: u64, age: Duration) {
        self.push(format!("advanced {seq} {}", age.as_millis()));
    }

    fn feed_failed(&self, reason: &'static str) {
        self.push(format!("failed {reason}"));
    }

    fn feed_refused(&self, document: &'static str, reason: &'static str) {
        self.push(format!("refused {document} {reason}"));
    }

    fn feed_resynced(&self, reason: &'static str) {
        self.push(format!("resynced {reason}"));
    }

    fn feed_stream_ended(&self, reason: &'static str) {
        self.push(format!("stream {reason}"));
    }
}
