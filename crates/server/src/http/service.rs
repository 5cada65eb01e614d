//! From hyper's request to the router's response.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};
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
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send + use<> {
        let version = request.version();
        let exchange = Exchange::begin(activity, version == Version::HTTP_2);
        let client = self.peers.client_addr(peer, request.headers());
        let (mut request, received) = self.wrap_body(request);
        let info = self.stamp.request(client);
        request.extensions_mut().insert(info);
        // `Service::call` wants `&mut`; a router is one reference-counted pointer.
        let response = self.router.clone().call(request);
        let stats = Arc::clone(&self.stats);
        let timeout = self.timeout;
        async move {
            let mut response = match tokio::time::timeout(timeout, response).await {
                Ok(Ok(response)) => response,
                Err(_elapsed) => {
                    stats.count_timeout();
                    let received = received.is_none_or(|received| received.load(Ordering::Relaxed));
                    timed_out(received, version)
                }
            };
            // What caches keep would name the request of somebody else.
            if !response.headers().contains_key(header::ETAG) {
                insert_id(response.headers_mut(), info.id);
            }
            Ok(response.map(|body| ResponseBody::new(body, exchange)))
        }
    }

    fn wrap_body(&self, request: Request<Incoming>) -> (Request<Body>, Option<Arc<AtomicBool>>) {
        if request.body().is_end_stream() {
            return (request.map(|_| Body::empty()), None);
        }
        let received = Arc::new(AtomicBool::new(false));
        let request =
            request.map(|body| Body::new(RequestBody::new(body, self.max_body_bytes, Arc::clone(&received))));
        (request, Some(received))
    }
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
