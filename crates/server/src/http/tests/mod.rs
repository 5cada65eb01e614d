//! The listener over real sockets.

mod protocols;
mod shutdown;
mod slow;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::*;

/// A limit that no test reaches.
pub(super) const NEVER: Duration = Duration::from_secs(3600);
/// A limit that a test waits for.
pub(super) const SOON: Duration = Duration::from_millis(50);

pub(super) fn config() -> ListenerConfig {
    ListenerConfig {
        max_connections: 100,
        header_timeout: NEVER,
        request_timeout: NEVER,
        idle_timeout: NEVER,
        max_body_bytes: 1024,
        trusted_proxies: Vec::new(),
        tls: None,
        stamp: Stamp::new(
            Arc::new(symbolon_core::SystemClock::new()),
            &symbolon_core::SystemRng,
        ),
    }
}

/// A certificate for `localhost` in files of its own.
pub(super) struct TestCertificate {
    folder: tempfile::TempDir,
    pub(super) key: KeyPair,
}

pub(super) fn certificate() -> TestCertificate {
    TestCertificate::new(KeyPair::generate().unwrap())
}

impl TestCertificate {
    pub(super) fn new(key: KeyPair) -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
            key,
        };
        let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        this.write_certificate(&certificate.self_signed(&this.key).unwrap().pem());
        this.write_key(&this.key.serialize_pem());
        this
    }

    pub(super) fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.folder.path().join("certificate.pem"),
            key: self.folder.path().join("key.pem"),
            check_interval: NEVER,
        }
    }

    /// Puts another certificate with another key into the files.
    pub(super) fn renew(&self) {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.write_certificate(&cert.pem());
        self.write_key(&signing_key.serialize_pem());
    }

    pub(super) fn write_certificate(&self, pem: &str) {
        std::fs::write(self.files().certificate, pem).unwrap();
    }

    pub(super) fn write_key(&self, pem: &str) {
        std::fs::write(self.files().key, pem).unwrap();
    }
}

/// A listener that serves, with what a test may do to it and its handlers.
struct Served {
    address: SocketAddr,
    stats: Arc<ListenerStats>,
    certificate: Option<Arc<TlsCertificate>>,
    shutdown: CancellationToken,
    task: JoinHandle<Drained>,
    /// Permits let requests to `/hold` and `/stream` go on.
    release: Arc<Semaphore>,
    /// Says when a request to `/hold` has come in, and when its handler has ended.
    held: mpsc::UnboundedReceiver<&'static str>,
}

fn start(config: ListenerConfig) -> Served {
    start_with(config, NEVER)
}

fn start_with(config: ListenerConfig, grace: Duration) -> Served {
    let release = Arc::new(Semaphore::new(0));
    let (events, held) = mpsc::unbounded_channel();
    let hold = {
        let release = Arc::clone(&release);
        move || async move {
            let _ended = Ended(events.clone());
            events.send("came").unwrap();
            release.acquire().await.unwrap().forget();
            "released"
        }
    };
    let endless = || async {
        let chunks = std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 16 * 1024])));
        Body::from_stream(stream::iter(chunks))
    };
    let stream = {
        let release = Arc::clone(&release);
        || async move {
            let end = async move {
                release.acquire().await.unwrap().forget();
                Ok("end")
            };
            let chunks = stream::once(async { Ok::<_, std::io::Error>("begin") }).chain(stream::once(end));
            Body::from_stream(chunks)
        }
    };
    let router = Router::new()
        .route("/", get(|| async { "here" }))
        .route(
            "/document",
            get(|| async { ([("etag", "\"1\""), ("cache-control", "max-age=9")], "") }),
        )
        .route(
            "/record",
            get(|| async { ([("etag", "\"1\""), ("cache-control", "no-store")], "") }),
        )
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/hold", get(hold.clone()).post(hold))
        .route("/endless", get(endless))
        .route("/stream", get(stream))
        .route(
            "/client",
            get(
                |Extension(info): Extension<symbolon_core::RequestInfo>| async move {
                    info.address
                        .map(|address| address.to_string())
                        .unwrap_or_default()
                },
            ),
        );
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), config).unwrap();
    let shutdown = CancellationToken::new();
    Served {
        address: listener.local_addr(),
        stats: listener.stats(),
        certificate: listener.tls_certificate(),
        task: tokio::spawn(serve(listener, router, shutdown.clone(), grace)),
        shutdown,
        release,
        held,
    }
}

struct Ended(mpsc::UnboundedSender<&'static str>);

impl Drop for Ended {
    fn drop(&mut self) {
        _ = self.0.send("ended");
    }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn held(&mut self) -> &'static str {
        within(self.held.recv()).await.unwrap()
    }
}

/// Keeps a test that waits in vain from hanging.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("waited in vain")
}

/// Waits for what nothing announces.
async fn eventually(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

struct Reply {
    head: String,
    body: String,
}

impl Reply {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

/// Reads one HTTP/1 response that has a `Content-Length`.
async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Reply {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    within(stream.read_exact(&mut body)).await.unwrap();
    Reply {
        head,
        body: String::from_utf8(body).unwrap(),
    }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) -> Reply {
    send(stream, text).await;
    receive(stream).await
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const HOLD: &str = "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n";

/// An HTTP/2 connection up to its first request, in bytes, for clients that are up to no good: the
/// preface, empty settings, and a request for GET, `/`, http, and the authority `x` (RFC 7541).
const HTTP2_OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const HTTP2_GET: &[u8] = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01x";

/// Waits until the peer has closed the connection, and returns what came before.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    match within(stream.read_to_end(&mut bytes)).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    bytes
}

/// An HTTP/2 connection: to send on, and what ends when it ends.
struct Http2 {
    requests: SendRequest<Body>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (requests, connection) = within(handshake).await.unwrap();
        Self {
            requests,
            connection: tokio::spawn(connection),
        }
    }

    /// Sends the request now; the response comes when it comes.
    fn send(
        &mut self,
        request: Request<Body>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        within(self.requests.send_request(request))
    }

    async fn get(&mut self, path: &str) -> (Response<()>, String) {
        text(self.send(get_request(path)).await.unwrap()).await
    }
}

fn get_request(path: &str) -> Request<Body> {
    Request::get(format!("http://localhost{path}"))
        .body(Body::empty())
        .unwrap()
}

async fn text(response: Response<Incoming>) -> (Response<()>, String) {
    let (parts, body) = response.into_parts();
    let body = within(body.collect()).await.unwrap().to_bytes();
    (
        Response::from_parts(parts, ()),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}
