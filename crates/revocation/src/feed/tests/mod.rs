//! The feed over a log in memory, by its real router.

mod endpoints;
mod merging;
mod publishing;
mod reader;
mod streams;
mod vectors;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use symbolon_core::facts::Revocations as _;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::secret::ServerSecret;
use symbolon_core::{Clock as _, SessionId, SystemRng, UnixMillis};
use symbolon_testkit::{FakeClock, MemoryLog};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Feed, FeedConfig, FeedKeys, router};

const ISSUER: &str = "https://as.example";
const SECOND: Duration = Duration::from_secs(1);

/// A node that publishes the feed of a log, and the clock that both go by. Times of the runtime are paused: they pass when
/// nothing else is to be done.
struct Site {
    log: Arc<MemoryLog>,
    clock: Arc<FakeClock>,
    feed: Arc<Feed>,
    app: Router,
    publishing: Option<JoinHandle<()>>,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

fn secret(id: u8) -> ServerSecret {
    ServerSecret {
        id: u16::from(id),
        active_from: UnixMillis(0),
        key: Zeroizing::new([id; 32]),
    }
}

fn config() -> FeedConfig {
    FeedConfig {
        issuer: ISSUER.to_owned(),
        max_stale: Duration::from_secs(300),
        max_streams: 3,
        keys_max_age: Duration::from_secs(900),
    }
}

fn session(number: usize) -> NewRevocation {
    let ends = FakeClock::START.plus(90 * 86_400_000);
    NewRevocation::session(SessionId(Uuid::from_u128(number as u128)), ends)
}

impl Site {
    /// A node that has published what is on the log.
    async fn start() -> Self {
        Self::over(MemoryLog::default()).await
    }

    async fn over(log: MemoryLog) -> Self {
        let mut site = Self::opened(log).await;
        site.publish();
        site.published().await;
        site
    }

    /// A node that publishes nothing yet.
    async fn opened(log: MemoryLog) -> Self {
        let (log, clock) = (Arc::new(log), Arc::new(FakeClock::new()));
        let keys = FeedKeys::new(&[secret(1), secret(2)]).unwrap();
        let around = (clock.clone() as _, Arc::new(SystemRng) as _);
        let feed = Feed::open(config(), keys, log.clone(), around).await.unwrap();
        let feed = Arc::new(feed);
        Self {
            app: router(feed.clone(), "/tenant/revocations"),
            log,
            clock,
            feed,
            publishing: None,
        }
    }

    fn publish(&mut self) {
        let feed = self.feed.clone();
        self.publishing = Some(tokio::spawn(async move { feed.publish().await }));
    }

    /// Ends the task that publishes, as the stop of a node does.
    fn stop(&mut self) {
        self.publishing.take().unwrap().abort();
    }

    /// Logs and reads entries.
    async fn revoke(&self, revocations: impl IntoIterator<Item = NewRevocation>) {
        for revocation in revocations {
            let now = self.clock.now();
            self.log.with(|written| written.append(&revocation, now));
        }
        self.look().await;
    }

    /// The last entries are gone, as from a database that loses what it had committed.
    fn lose(&self, count: usize) {
        self.log
            .with(|written| written.cut(written.entries.len() - count));
    }

    /// A backup was restored: another log with the first entries of this one.
    fn restore(&self, count: usize) {
        self.log.with(|written| {
            written.replace();
            written.cut(count);
        });
    }

    /// Reads the log a moment later.
    async fn look(&self) {
        self.clock.advance(Duration::from_millis(1));
        self.feed.log().catch_up().await.unwrap();
    }

    /// Logs, reads and publishes entries.
    async fn revoked(&self, revocations: impl IntoIterator<Item = NewRevocation>) {
        self.revoke(revocations).await;
        self.published().await;
    }

    /// Waits until everything that was read is published, and nothing is left to be merged.
    async fn published(&self) {
        let applied = self.feed.log().applied().head;
        self.until(|site| {
            let Some(view) = site.feed.view.load_full() else {
                return false;
            };
            let batches = super::batches::Batches::of(view.batches.clone());
            let at = view.head.at;
            (at.log, at.seq) == (applied.log, applied.seq)
                && view.snapshot.is_some()
                && batches.to_merge().is_none()
        })
        .await;
    }

    async fn until(&self, met: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if met(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it never came to pass");
    }

    /// Time passes for everybody, while the log is looked at as often as a node does.
    async fn wait(&self, time: Duration) {
        let step = Duration::from_millis(250);
        for _ in 0..time.as_millis() / step.as_millis() {
            self.clock.advance(step);
            // It may be out of reach.
            let _ = self.feed.log().catch_up().await;
            tokio::time::sleep(step).await;
        }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Response<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/tenant/revocations{path}"));
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn get_with(&self, path: &str, headers: &[(HeaderName, &str)]) -> Reply {
        let (parts, body) = self.send(Method::GET, path, headers).await.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[]).await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(publishing) = &self.publishing {
            publishing.abort();
        }
    }
}

impl Reply {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
