//! Real HTTP on a loopback address.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use axum::routing::any;
use axum::{Router, serve};
use serde_json::{Value, json};
use symbolon_jose::{PrivateKey, SigningAlg};
use symbolon_verifier::{Builder, FetchError, Metrics, Refused, Verifier};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{AUDIENCE, TestClock, claims_with, es256, header, jwks, key, sign};

/// What the server says to a request for a path.
type Handler = dyn Fn(&str) -> Response<Body> + Send + Sync;

/// A server whose answers can be changed.
struct Server {
    origin: String,
    handler: Arc<Mutex<Arc<Handler>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let nothing: Arc<Handler> = Arc::new(|_| status(StatusCode::NOT_FOUND));
        let server = Self {
            origin,
            handler: Arc::new(Mutex::new(nothing)),
            requests: Arc::default(),
        };
        let (handler, requests) = (Arc::clone(&server.handler), Arc::clone(&server.requests));
        let answer = move |request: Request| {
            let path = request.uri().path().to_owned();
            let handler = Arc::clone(&handler.lock().unwrap());
            requests.lock().unwrap().push(path.clone());
            async move { handler(&path) }
        };
        let router = Router::new().fallback(any(answer));
        tokio::spawn(async move { serve(listener, router).await });
        server
    }

    fn issuer(&self) -> String {
        format!("{}/tenant", self.origin)
    }

    /// From now on the keys are what `answer` says.
    fn keys(&self, answer: impl Fn() -> Response<Body> + Send + Sync + 'static) {
        let metadata =
            json!({ "issuer": self.issuer(), "jwks_uri": format!("{}/jwks", self.origin) }).to_string();
        self.answer(move |path| match path {
            "/.well-known/oauth-authorization-server/tenant" => Response::new(Body::from(metadata.clone())),
            "/jwks" => answer(),
            _ => status(StatusCode::NOT_FOUND),
        });
    }

    fn answer(&self, handler: impl Fn(&str) -> Response<Body> + Send + Sync + 'static) {
        *self.handler.lock().unwrap() = Arc::new(handler);
    }

    fn asked_for(&self, path: &str) -> usize {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|asked| *asked == path)
            .count()
    }

    fn verifier(&self) -> (Builder, TestClock) {
        let clock = TestClock::new();
        (
            Verifier::builder(self.issuer(), AUDIENCE)
                .clock(clock.clone())
                .without_revocation(),
            clock,
        )
    }

    fn token(&self, key: &PrivateKey) -> String {
        sign(key, &self.claims())
    }

    fn claims(&self) -> Value {
        claims_with(json!({ "iss": self.issuer() }))
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn publish(keys: &[&PrivateKey], cache_control: &'static str) -> impl Fn() -> Response<Body> + use<> {
    let body = jwks(keys);
    move || {
        let response = Response::builder().header("cache-control", cache_control);
        response.body(Body::from(body.clone())).unwrap()
    }
}

/// Tells of each fetch.
struct Told(mpsc::UnboundedSender<Result<usize, &'static str>>);

impl Metrics for Told {
    fn keys_fetched(&self, outcome: Result<usize, &'static str>) {
        let _ = self.0.send(outcome);
    }
}

#[tokio::test]
async fn discovers_fetches_and_verifies() {
    let server = Server::start().await;
    server.keys(publish(&[es256()], "max-age=900"));
    let verifier = server.verifier().0.build().await.unwrap();
    assert!(verifier.verify(&server.token(es256())).await.is_ok());
    let asked = server.requests.lock().unwrap().clone();
    assert_eq!(asked, ["/.well-known/oauth-authorization-server/tenant", "/jwks"]);
}

#[tokio::test]
async fn follows_a_rotation_in_the_background() {
    let server = Server::start().await;
    server.keys(publish(&[es256()], "max-age=1"));
    let (told, mut fetches) = mpsc::unbounded_channel();
    let builder = server.verifier().0.metrics(Told(told));
    let second = Duration::from_secs(1);
    let verifier = builder.refresh(second..=second).build().await.unwrap();
    let next = key(SigningAlg::EdDsa, 3);
    server.keys(publish(&[es256(), &next], "max-age=1"));
    while fetches.recv().await != Some(Ok(2)) {}
    assert!(verifier.verify(&server.token(&next)).await.is_ok());
    assert!(verifier.verify(&server.token(es256())).await.is_ok());
}

#[tokio::test]
async fn a_storm_of_unknown_kids_reaches_the_issuer_once() {
    let server = Server::start().await;
    server.keys(publish(&[es256()], "max-age=900"));
    let verifier = server.verifier().0.build().await.unwrap();
    let mut storm = tokio::task::JoinSet::new();
    let good = server.token(es256());
    let (_, rest) = good.split_once('.').unwrap();
    for i in 0..2000 {
        let mut header = header(es256());
        header["kid"] = json!(format!("random-{i}"));
        let token = format!("{}.{rest}", crate::support::encode(header.to_string()));
        let verifier = verifier.clone();
        storm.spawn(async move { verifier.verify(&token).await.unwrap_err() });
    }
    assert!(
        storm
            .join_all()
            .await
            .into_iter()
            .all(|refused| refused == Refused::KeyUnknown)
    );
    assert_eq!(server.asked_for("/jwks"), 2);
    assert!(verifier.verify(&good).await.is_ok());
}

#[tokio::test]
async fn good_keys_survive_what_a_broken_issuer_sends() {
    let server = Server::start().await;
    server.keys(publish(&[es256()], "max-age=900"));
    let (told, mut fetches) = mpsc::unbounded_channel();
    let (builder, clock) = server.verifier();
    let verifier = builder
        .metrics(Told(told))
        .timeout(Duration::from_secs(1))
        .build()
        .await
        .unwrap();
    assert_eq!(fetches.recv().await, Some(Ok(1)));
    let mut stranger = header(es256());
    stranger["kid"] = json!("unknown");
    let unknown = crate::support::sign_header(&stranger);
    let elsewhere = Server::start().await;
    elsewhere.answer(|_| publish(&[es256()], "max-age=900")());
    let location = format!("{}/jwks", elsewhere.origin);
    type Answer = Box<dyn Fn() -> Response<Body> + Send + Sync>;
    let broken: [(&str, Answer); 6] = [
        ("status", Box::new(|| status(StatusCode::INTERNAL_SERVER_ERROR))),
        (
            "status",
            Box::new(move || {
                let redirect = Response::builder().status(302).header("location", &location);
                redirect.body(Body::empty()).unwrap()
            }),
        ),
        ("document", Box::new(|| Response::new(Body::from("<html>")))),
        (
            "too_long",
            Box::new(|| Response::new(Body::from(vec![b' '; 256 * 1024 + 1]))),
        ),
        ("too_long", Box::new(|| Response::new(endless(Duration::ZERO)))),
        (
            "timeout",
            Box::new(|| Response::new(endless(Duration::from_millis(100)))),
        ),
    ];
    for (reason, answer) in broken {
        server.keys(answer);
        clock.advance(Duration::from_secs(30));
        let refused = verifier.verify(&unknown).await.unwrap_err();
        assert_eq!(refused, Refused::KeyUnknown, "{reason}");
        assert_eq!(fetches.recv().await, Some(Err(reason)));
        assert!(verifier.verify(&server.token(es256())).await.is_ok());
    }
    assert_eq!(elsewhere.asked_for("/jwks"), 0, "no redirect is followed");
}

/// A body that never ends, in pieces of 1 KiB.
fn endless(pause: Duration) -> Body {
    let pieces = axum::body::Bytes::from(vec![b' '; 1024]);
    Body::new(Endless {
        pieces,
        pause,
        timer: None,
    })
}

struct Endless {
    pieces: axum::body::Bytes,
    pause: Duration,
    timer: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl http_body::Body for Endless {
    type Data = axum::body::Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Infallible>>> {
        if !self.pause.is_zero() {
            let pause = self.pause;
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            std::task::ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(self.pieces.clone()))))
    }
}

#[tokio::test]
async fn an_issuer_that_comes_later() {
    let server = Server::start().await;
    let verifier = server.verifier().0.build().await.unwrap();
    let refused = verifier.verify(&server.token(es256())).await.unwrap_err();
    assert_eq!(
        (refused.clone(), refused.status().as_u16()),
        (Refused::KeysUnavailable, 503)
    );
    let (told, mut fetches) = mpsc::unbounded_channel();
    let verifier = server.verifier().0.metrics(Told(told)).build().await.unwrap();
    server.keys(publish(&[es256()], "max-age=900"));
    while fetches.recv().await != Some(Ok(1)) {}
    assert!(verifier.verify(&server.token(es256())).await.is_ok());
}

#[tokio::test]
async fn nobody_listens() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let attempts = Arc::new(AtomicUsize::new(0));
    struct Failures(Arc<AtomicUsize>);
    impl Metrics for Failures {
        fn keys_fetched(&self, outcome: Result<usize, &'static str>) {
            assert_eq!(outcome, Err(FetchError::Transport(String::new()).reason()));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let builder = Verifier::builder(issuer, AUDIENCE)
        .metrics(Failures(Arc::clone(&attempts)))
        .without_revocation();
    assert_eq!(builder.build().await.unwrap().keys_known(), 0);
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}
