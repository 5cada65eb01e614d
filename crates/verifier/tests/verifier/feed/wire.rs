//! The feed over real HTTP on a loopback address.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::any;
use axum::{Router, serve};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use http_body::Frame;
use serde_json::json;
use symbolon_verifier::{
    Clock as _, Fetch as _, FetchError, Following, HttpFetch, Refused, RevocationKind, SystemClock,
    UnixMillis, Verifier,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

use super::{History, LOG, block, feed_key, signed_batch, signed_head, signed_snapshot};
use crate::support::{AUDIENCE, SESSION, claims_with, es256, jwks, sign};

type Handler = dyn Fn(&Request) -> Response<Body> + Send + Sync;

/// A server, and what it was asked for.
struct Server {
    origin: String,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    async fn start(handler: impl Fn(&str, &Request) -> Response<Body> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (asked, base) = (Arc::clone(&requests), origin.clone());
        let handler: Arc<Handler> = Arc::new(move |request: &Request| handler(&base, request));
        let answer = |State((handler, asked)): State<(Arc<Handler>, Arc<Mutex<Vec<_>>>)>,
                      request: Request| async move {
            let response = handler(&request);
            let path = request.uri().path().to_owned();
            let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            asked.lock().unwrap().push((path, body));
            response
        };
        let router = Router::new().fallback(any(answer)).with_state((handler, asked));
        tokio::spawn(async move { serve(listener, router).await });
        Self { origin, requests }
    }

    fn url(&self, path: &str) -> Url {
        format!("{}{path}", self.origin).parse().unwrap()
    }

    /// Waits until something was asked for.
    async fn asked_for(&self, path: &str) -> String {
        loop {
            let found = self
                .requests
                .lock()
                .unwrap()
                .iter()
                .find(|(asked, _)| asked == path)
                .cloned();
            if let Some((_, body)) = found {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A body that is written piece by piece.
struct Pieces(mpsc::UnboundedReceiver<String>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|text| Ok(Frame::data(text.into()))))
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn compressed(text: &str) -> Response<Body> {
    let response = Response::builder().header("content-encoding", "gzip");
    response.body(Body::from(gzip(text))).unwrap()
}

fn status(status: StatusCode) -> Response<Body> {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

fn now() -> u64 {
    SystemClock::new().now().0
}

#[tokio::test]
async fn follows_and_reports() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stream = Mutex::new(Some(receiver));
    let log = Arc::new(Mutex::new(History::new(LOG)));
    let published = Arc::clone(&log);
    let server = Server::start(move |origin, request| {
        let mut log = published.lock().unwrap();
        log.issuer = origin.to_owned();
        let body = match request.uri().path() {
            "/.well-known/oauth-authorization-server" => {
                let (keys, feed) = (format!("{origin}/jwks"), format!("{origin}/revocations"));
                json!({ "issuer": origin, "jwks_uri": keys, "revocation_feed_uri": feed }).to_string()
            }
            "/jwks" => jwks(&[es256()]),
            "/revocations/keys" => jwks(&[&feed_key()]),
            "/revocations/head" => signed_head(&log.head(now())),
            "/revocations/snapshot" => {
                assert_eq!(request.headers()["accept-encoding"], "gzip");
                return compressed(&signed_snapshot(&log.snapshot(now())));
            }
            "/revocations/stream" => {
                assert_eq!(request.headers()["last-event-id"], format!("{LOG}:0"));
                let Some(receiver) = stream.lock().unwrap().take() else {
                    return status(StatusCode::SERVICE_UNAVAILABLE);
                };
                let response = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
                return response.body(Body::new(Pieces(receiver))).unwrap();
            }
            "/revocations/evidence" => {
                let expected = HeaderValue::from_static("Basic b3JkZXJzOnMzY3IzdA==");
                assert_eq!(request.headers()["authorization"], expected);
                return status(StatusCode::NO_CONTENT);
            }
            _ => return status(StatusCode::NOT_FOUND),
        };
        Response::new(Body::from(body))
    })
    .await;
    let builder = Verifier::builder(server.origin.clone(), AUDIENCE).report_as("api-1", "orders", "s3cr3t");
    let verifier = builder.build().await.unwrap();
    let (issued, expires) = (now() / 1000, now() / 1000 + 300);
    let claims = claims_with(json!({ "iss": server.origin, "iat": issued, "exp": expires }));
    let token = sign(es256(), &claims);
    assert!(verifier.verify(&token).await.is_ok());
    assert!(
        server
            .asked_for("/revocations/evidence")
            .await
            .contains("name=api-1&log=")
    );

    let (batch, head) = {
        let mut log = log.lock().unwrap();
        log.append(block(RevocationKind::Session, SESSION));
        (log.batch(0, 1), log.head(now()))
    };
    // Wherever it is cut.
    let text = format!("event: batch\r\nid: x\r\ndata: {}\r\n\r\n", signed_batch(&batch));
    let text = text + &format!("event: head\ndata: {}\n\n", signed_head(&head));
    for piece in text.as_bytes().chunks(100) {
        sender.send(String::from_utf8(piece.to_vec()).unwrap()).unwrap();
    }
    while verifier.feed().unwrap().following != Following::Stream {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        verifier.verify(&token).await.unwrap_err(),
        Refused::Revoked(RevocationKind::Session)
    );
    assert_eq!(verifier.feed().unwrap().as_of, Some(UnixMillis(head.as_of.0)));
}

#[tokio::test]
async fn what_is_compressed_is_bounded_by_what_it_was() {
    let server = Server::start(|_, request| match request.uri().path() {
        "/small" => compressed("small"),
        // A thousandth of what it becomes.
        "/bomb" => compressed(&"x".repeat(10_000_000)),
        "/cut" => {
            let mut bytes = gzip("cut");
            bytes.truncate(12);
            let response = Response::builder().header("content-encoding", "gzip");
            response.body(Body::from(bytes)).unwrap()
        }
        _ => status(StatusCode::NOT_FOUND),
    })
    .await;
    let fetch = HttpFetch::new().unwrap();
    let get = async |path: &str| fetch.get(&server.url(path), 100_000).await;
    assert_eq!(get("/small").await.unwrap().body, b"small");
    assert!(matches!(
        get("/bomb").await.unwrap_err(),
        FetchError::TooLong { limit: 100_000 }
    ));
    assert!(matches!(get("/cut").await.unwrap_err(), FetchError::Document(_)));
}

#[tokio::test]
async fn what_is_no_stream_is_not_read_and_what_is_no_success_none() {
    let server = Server::start(|_, request| match request.uri().path() {
        "/page" => Response::new(Body::from("event: head\n\n")),
        "/moved" => Response::builder()
            .status(307)
            .header("location", "/elsewhere")
            .body(Body::empty())
            .unwrap(),
        _ => status(StatusCode::SERVICE_UNAVAILABLE),
    })
    .await;
    let fetch = HttpFetch::new().unwrap();
    let open = async |path: &str| {
        fetch
            .stream(&server.url(path), "x:1")
            .await
            .map(drop)
            .unwrap_err()
    };
    assert!(matches!(open("/page").await, FetchError::Document(_)));
    assert!(matches!(open("/moved").await, FetchError::Status(307)));
    assert!(matches!(open("/full").await, FetchError::Status(503)));
    let authorization = HeaderValue::from_static("Basic x");
    let post = async |path: &str| {
        fetch
            .post(&server.url(path), "a=b".into(), &authorization)
            .await
            .unwrap_err()
    };
    assert!(
        matches!(post("/moved").await, FetchError::Status(307)),
        "a secret goes nowhere else"
    );
    assert!(matches!(post("/full").await, FetchError::Status(503)));
    assert!(
        !server
            .requests
            .lock()
            .unwrap()
            .iter()
            .any(|(path, _)| path == "/elsewhere")
    );
}

/// A load balancer may choose another node only where there is another connection.
#[tokio::test]
async fn connections_are_kept_until_they_are_renewed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
    let router = Router::new().fallback(any(peer));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { serve(listener, service).await });
    let fetch = HttpFetch::new().unwrap();
    let shared = fetch.clone();
    let first = fetch.get(&url, 100).await.unwrap().body;
    assert_eq!(shared.get(&url, 100).await.unwrap().body, first);
    fetch.renew();
    let second = shared.get(&url, 100).await.unwrap().body;
    assert_ne!(second, first);
    assert_eq!(fetch.get(&url, 100).await.unwrap().body, second);
}
