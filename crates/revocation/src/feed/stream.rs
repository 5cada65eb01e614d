//! Streams: heads and batches as they are made, as server-sent events
//! ([HTML, section 9.2](https://html.spec.whatwg.org/multipage/server-sent-events.html)).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use symbolon_core::Rng;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Sleep, timeout};
use uuid::Uuid;

use super::batches::Kept;
use super::{Feed, FeedStatus};

/// Frames that are kept for readers, shared by all of them. Whoever is further behind has to read the snapshot.
const FRAMES: usize = 256;
/// How long a stream lasts at most, and by how much less at random, so that readers do not all come back at once.
const LIFETIME: Duration = Duration::from_secs(3600);
const JITTER_MS: u64 = 20 * 60_000;
/// How long a reader may leave what is there for it. It is judged here and not by the connection, which may have other
/// streams that are read.
const UNREAD: Duration = Duration::from_secs(30);
/// Tells a reader to read the snapshot and to connect again.
const RESYNC: Bytes = Bytes::from_static(b"event: resync\ndata: {}\n\n");

/// What was published at once, and its number.
#[derive(Clone, Debug)]
struct Frame {
    number: u64,
    events: Bytes,
}

/// The streams of a node.
#[derive(Debug)]
pub(crate) struct Streams {
    /// Nothing while nobody publishes.
    frames: Mutex<Option<broadcast::Sender<Frame>>>,
    places: Arc<Semaphore>,
    most: usize,
    lagged: AtomicU64,
    refused: AtomicU64,
}

impl Streams {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self {
            frames: Mutex::new(None),
            places: Arc::new(Semaphore::new(most)),
            most,
            lagged: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Streams can be had, until what is returned is dropped: then they end.
    pub(crate) fn open(&self) -> impl Drop {
        *self.lock() = Some(broadcast::Sender::new(FRAMES));
        OnDrop(self)
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    /// Ends the streams that there are.
    pub(crate) fn end(&self) {
        if let Some(frames) = &mut *self.lock() {
            *frames = broadcast::Sender::new(FRAMES);
        }
    }

    /// Sends what was published, as the frame of that number.
    pub(crate) fn send(&self, number: u64, events: Bytes) {
        if let Some(frames) = &*self.lock() {
            // Nobody may be there to read it.
            let _ = frames.send(Frame { number, events });
        }
    }

    pub(crate) fn status(&self) -> FeedStatus {
        FeedStatus {
            streams: self.most - self.places.available_permits(),
            lagged: self.lagged.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            ..FeedStatus::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<broadcast::Sender<Frame>>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct OnDrop<'a>(&'a Streams);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

/// Where a reader stands, as `Last-Event-ID` says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Resume {
    pub(crate) log: Uuid,
    pub(crate) seq: u64,
}

impl Resume {
    /// `{log}:{seq}`, as batches say it in their `id`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (log, seq) = text.split_once(':')?;
        Some(Self {
            log: log.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }
}

/// What a reader asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Begin {
    /// From now on.
    Now,
    /// With what is behind a position; nothing where what was said is none.
    Behind(Option<Resume>),
}

/// One stream.
struct Reader {
    feed: Arc<Feed>,
    backlog: std::vec::IntoIter<Arc<Kept>>,
    head: Option<Bytes>,
    frames: broadcast::Receiver<Frame>,
    /// The last frame that is in what it began with.
    seen: u64,
    ends: Pin<Box<Sleep>>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    /// The body of a stream; nothing where there are too many, or nobody publishes or sees the log. A task of its own keeps
    /// what belongs to it, so that a body that nobody polls keeps nothing.
    pub(crate) fn stream(self: Arc<Self>, begin: Begin) -> Option<Body> {
        let Ok(place) = self.streams.places.clone().try_acquire_owned() else {
            self.streams.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        // Before what is published is looked at: what comes afterwards is in one of the two.
        let frames = self.streams.lock().as_ref()?.subscribe();
        let view = self.view.load_full().filter(|view| !self.is_blind(view))?;
        let backlog = match begin {
            Begin::Now => Some([].as_slice()),
            Begin::Behind(None) => None,
            Begin::Behind(Some(Resume { log, seq })) => view.behind(log, seq),
        };
        let ends = Box::pin(tokio::time::sleep(lifetime(&*self.rng)));
        let reader = Reader {
            is_over: backlog.is_none(),
            head: Some(backlog.map_or(RESYNC, |_| view.head.event.clone())),
            backlog: backlog.unwrap_or_default().to_vec().into_iter(),
            frames,
            seen: view.number,
            ends,
            feed: self,
            _place: place,
        };
        let (sender, taken) = mpsc::channel(1);
        tokio::spawn(reader.run(sender));
        let events = futures_util::stream::unfold(taken, async |mut taken| {
            let event = taken.recv().await?;
            Some((Ok::<_, Infallible>(event), taken))
        });
        Some(Body::from_stream(events))
    }
}

impl Reader {
    /// Hands over one event after the other, until the stream is over or nobody takes them.
    async fn run(mut self, events: mpsc::Sender<Bytes>) {
        loop {
            let event = tokio::select! {
                event = self.next() => event,
                () = events.closed() => None,
            };
            let Some(event) = event else { return };
            match timeout(UNREAD, events.send(event)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    self.feed.streams.lagged.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(batch) = self.backlog.next() {
            return Some(batch.event());
        }
        if let Some(head) = self.head.take() {
            return Some(head);
        }
        while !self.is_over {
            let frame = tokio::select! {
                () = &mut self.ends => return None,
                frame = self.frames.recv() => frame,
            };
            match frame {
                Ok(frame) if frame.number <= self.seen => {}
                Ok(frame) => return Some(frame.events),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => {
                    self.is_over = true;
                    self.feed.streams.lagged.fetch_add(1, Ordering::Relaxed);
                    return Some(RESYNC);
                }
            }
        }
        None
    }
}

fn lifetime(rng: &dyn Rng) -> Duration {
    let mut random = [0; 8];
    rng.fill(&mut random);
    LIFETIME - Duration::from_millis(u64::from_le_bytes(random) % JITTER_MS)
}
