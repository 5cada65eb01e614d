//! From hyper's request to the router's response.

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body, routing::future::RouteFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};
use tokio::time::Sleep;
use tower::Service;
use uuid::Uuid;

use super::{
    activity::{Activity, Exchange},
    body::{RequestBody, ResponseBody},
    peer::PeerPolicy,
    stamp::Stamp,
    stats::ListenerStats,
};

/// Names the request in every log line about it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the requests of every connection share.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) router: Router,
    pub(super) peers: PeerPolicy,
    pub(super) max_body_bytes: usize,
    pub(super) timeout: Duration,
    pub(super) stats: Arc<ListenerStats>,
    pub(super) stamp: Stamp,
}

impl Requests {
    /// Answers one request of the connection that `activity` belongs to.
    pub(super) fn respond(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        activity: &Arc<Activity>,
    ) -> Answer {
        let (mut parts, body) = request.into_parts();
        let exchange = Exchange::begin(activity, parts.version == Version::HTTP_2);
        let info = self.stamp.request(self.peers.client_addr(peer, &parts.headers));
        parts.extensions.insert(info);
        let version = parts.version;
        let (body, received) = self.wrap_body(body);
        Answer {
            // `Service::call` wants `&mut`; a router is one reference-counted pointer.
            response: self.router.clone().call(Request::from_parts(parts, body)),
            exchange: Some(exchange),
            id: info.id,
            version,
            received,
            timeout: self.timeout,
            timer: None,
            stats: Arc::clone(&self.stats),
        }
    }

    fn wrap_body(&self, body: Incoming) -> (Body, Option<Arc<AtomicBool>>) {
        if body.is_end_stream() {
            return (Body::empty(), None);
        }
        let received = Arc::new(AtomicBool::new(false));
        let body = RequestBody::new(body, self.max_body_bytes, Arc::clone(&received));
        (Body::new(body), Some(received))
    }
}

/// The answer to one request: the router's, or after the time-out one that says whose fault that is.
pub(super) struct Answer {
    response: RouteFuture<Infallible>,
    /// Goes with the response.
    exchange: Option<Exchange>,
    id: Uuid,
    version: Version,
    /// Whether the request's body has been received; `None` where it has none.
    received: Option<Arc<AtomicBool>>,
    timeout: Duration,
    /// Runs from when the response was first waited for. Most are there at once and need none.
    timer: Option<Pin<Box<Sleep>>>,
    stats: Arc<ListenerStats>,
}

impl Future for Answer {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut response = match Pin::new(&mut this.response).poll(cx) {
            Poll::Ready(Ok(response)) => response,
            Poll::Pending => {
                let timer = || Box::pin(tokio::time::sleep(this.timeout));
                ready!(this.timer.get_or_insert_with(timer).as_mut().poll(cx));
                this.stats.count_timeout();
                let received = this.received.as_ref();
                let received = received.is_none_or(|received| received.load(Ordering::Relaxed));
                timed_out(received, this.version)
            }
        };
        // What caches keep would name the request of somebody else.
        if !may_be_kept(response.headers()) {
            insert_id(response.headers_mut(), this.id);
        }
        #[expect(
            clippy::expect_used,
            reason = "it is taken with the response, after which nobody polls"
        )]
        let exchange = this.exchange.take().expect("no answer yet");
        Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, exchange))))
    }
}

/// Whether it is a document that caches keep: it has an entity tag, and they may store it
/// ([RFC 9111 section 3](https://www.rfc-editor.org/rfc/rfc9111#section-3)).
fn may_be_kept(headers: &HeaderMap) -> bool {
    let is_barred = |value: &HeaderValue| value == "no-store";
    headers.contains_key(header::ETAG) && !headers.get(header::CACHE_CONTROL).is_some_and(is_barred)
}

fn insert_id(headers: &mut HeaderMap, id: Uuid) {
    let mut buffer = Uuid::encode_buffer();
    if let Ok(id) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut buffer)) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Says whose fault it was: a client that sent its body too slowly gets 408, and 503 says that this
/// server did not manage in time.
fn timed_out(received: bool, version: Version) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if received {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    // RFC 9113 section 8.2.2: HTTP/2 has no connection-specific headers.
    if !received && version != Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    *response.status_mut() = if received {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::REQUEST_TIMEOUT
    };
    response
}
