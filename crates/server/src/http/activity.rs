//! What a connection is waiting for, and since when.
//!
//! hyper can bound the head of an HTTP/1 request, but counts an idle keep-alive connection as one whose
//! head is late, bounds neither the bytes before the protocol is known nor HTTP/2, and never minds a
//! response that nobody reads. So its time-outs stay off, and this is kept beside each connection for the
//! task that drives it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// How long each wait may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) header: Duration,
    pub(super) request: Duration,
    pub(super) idle: Duration,
}

/// What the client has left undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A request that has not begun.
    Idle,
    /// The rest of a request's head, or a connection's first request.
    Head,
    /// Reading the responses that are under way.
    Reader,
}

/// The state of one connection, shared by its task, its requests and its responses.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Milliseconds from `opened` to when the connection was last polled.
    polled: AtomicU64,
    /// Milliseconds from `opened` to the last step that was taken.
    last_step: AtomicU64,
    /// A head has begun, or the first one is due.
    head_due: AtomicBool,
    /// HTTP/2, where bytes that come outside of a request are housekeeping and start none.
    multiplexed: AtomicBool,
    /// How many requests have no complete response, in units of [`OPEN`], and for how many of these this server has
    /// the next step to take, in units of [`WORKING`].
    requests: AtomicU64,
}

const OPEN: u64 = 1;
const WORKING: u64 = 1 << 32;

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            polled: AtomicU64::new(0),
            last_step: AtomicU64::new(0),
            head_due: AtomicBool::new(true),
            multiplexed: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        })
    }

    /// What the connection waits for and when that ends; `None` while this server is at work.
    pub(super) fn wait(&self, limits: &Limits) -> Option<(Wait, Instant)> {
        let (wait, limit) = match self.requests.load(Ordering::Acquire) {
            0 if self.head_due.load(Ordering::Relaxed) => (Wait::Head, limits.header),
            0 => (Wait::Idle, limits.idle),
            requests if requests < WORKING => (Wait::Reader, limits.request),
            _ => return None,
        };
        let since = Duration::from_millis(self.last_step.load(Ordering::Relaxed));
        Some((wait, self.opened + since + limit))
    }

    /// The connection is about to be polled.
    pub(super) fn poll(&self) {
        self.polled.store(self.elapsed_millis(), Ordering::Relaxed);
    }

    /// Starts the current wait anew.
    pub(super) fn step(&self) {
        // All of an HTTP/1 connection happens while it is polled, so that the clock is read once for all of its steps.
        let millis = if self.multiplexed.load(Ordering::Relaxed) {
            self.elapsed_millis()
        } else {
            self.polled.load(Ordering::Relaxed)
        };
        self.last_step.store(millis, Ordering::Relaxed);
    }

    fn elapsed_millis(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Bytes have come in.
    fn received(&self) {
        let starts_head = !self.head_due.load(Ordering::Relaxed)
            && !self.multiplexed.load(Ordering::Relaxed)
            && self.requests.load(Ordering::Acquire) == 0;
        if starts_head {
            self.head_due.store(true, Ordering::Relaxed);
            self.step();
        }
    }
}

/// One request with its response, from the request's head until the response is sent or given up.
#[derive(Debug)]
pub(super) struct Exchange {
    activity: Arc<Activity>,
    working: bool,
}

impl Exchange {
    /// Begins with this server at work.
    pub(super) fn begin(activity: &Arc<Activity>, multiplexed: bool) -> Self {
        activity.requests.fetch_add(OPEN + WORKING, Ordering::AcqRel);
        activity.head_due.store(false, Ordering::Relaxed);
        activity.multiplexed.store(multiplexed, Ordering::Relaxed);
        Self {
            activity: Arc::clone(activity),
            working: true,
        }
    }

    /// This server has the next step to take.
    pub(super) fn await_server(&mut self) {
        if !self.working {
            self.working = true;
            self.activity.requests.fetch_add(WORKING, Ordering::AcqRel);
        }
    }

    /// Something was handed over: the client has the next step to take, from now on.
    pub(super) fn await_client(&mut self) {
        // The time first: who sees that nothing is being worked on must see since when.
        self.activity.step();
        if self.working {
            self.working = false;
            self.activity.requests.fetch_sub(WORKING, Ordering::AcqRel);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.activity.step();
        let ended = if self.working { OPEN + WORKING } else { OPEN };
        self.activity.requests.fetch_sub(ended, Ordering::AcqRel);
    }
}

/// A stream that tells its connection's [`Activity`] when bytes come in.
#[derive(Debug)]
pub(super) struct Watched<T> {
    stream: T,
    activity: Arc<Activity>,
}

impl<T> Watched<T> {
    pub(super) fn new(stream: T, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        header: Duration::from_secs(1),
        request: Duration::from_secs(10),
        idle: Duration::from_secs(100),
    };

    fn waits(activity: &Activity) -> Option<(Wait, Duration)> {
        activity
            .wait(&LIMITS)
            .map(|(wait, until)| (wait, until - activity.opened))
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_limit_from_the_last_step() {
        let activity = Activity::new();
        let advance = async |seconds| {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            activity.poll();
        };
        let at = |wait, seconds| Some((wait, Duration::from_secs(seconds)));
        advance(1).await;
        activity.received();
        assert_eq!(
            waits(&activity),
            at(Wait::Head, 1),
            "bytes buy the first request no time"
        );

        let mut exchange = Exchange::begin(&activity, false);
        assert_eq!(waits(&activity), None);
        advance(1).await;
        exchange.await_client();
        assert_eq!(waits(&activity), at(Wait::Reader, 12));
        exchange.await_server();
        assert_eq!(waits(&activity), None);
        advance(1).await;
        drop(exchange);
        assert_eq!(waits(&activity), at(Wait::Idle, 103));

        advance(1).await;
        activity.received();
        assert_eq!(waits(&activity), at(Wait::Head, 5));
        advance(1).await;
        activity.received();
        assert_eq!(
            waits(&activity),
            at(Wait::Head, 5),
            "a dripped head gains nothing"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn http2_housekeeping_keeps_no_connection_open() {
        let activity = Activity::new();
        let first = Exchange::begin(&activity, true);
        let second = Exchange::begin(&activity, true);
        drop(first);
        assert_eq!(waits(&activity), None, "one request is still worked on");
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(second);
        activity.received();
        let until = LIMITS.idle + Duration::from_secs(1);
        assert_eq!(
            waits(&activity),
            Some((Wait::Idle, until)),
            "it ended while the connection was not polled"
        );
    }
}
