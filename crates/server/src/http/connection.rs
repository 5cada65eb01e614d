//! One accepted connection: handshake, protocol, waits, end.

use std::{
    future::poll_fn,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, Sleep},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    activity::{Activity, Limits, Wait, Watched},
    bell::Bell,
    service::Requests,
    tls::TlsCertificate,
};

/// The most bytes of an HTTP/1 head, and of what is read or written at once.
const HTTP1_BUFFER_BYTES: usize = 32 * 1024;
const HTTP1_MAX_HEADERS: usize = 64;

/// The most bytes of an HTTP/2 head, unpacked.
const HTTP2_HEADER_LIST_BYTES: u32 = 16 * 1024;
const HTTP2_MAX_STREAMS: u32 = 100;
/// What one stream, and one connection, may send before it is read.
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 256 * 1024;
const HTTP2_SEND_BUFFER_BYTES: usize = 64 * 1024;
/// How often a peer is asked whether it is still there.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);

/// What every connection of a listener shares.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) requests: Requests,
    pub(super) limits: Limits,
    pub(super) tls: Option<Arc<TlsCertificate>>,
    pub(super) protocols: auto::Builder<TokioExecutor>,
    /// Ends connections as they become idle.
    pub(super) drain: CancellationToken,
    /// Ends connections at once. Who cancels it cancels `drain`, too.
    pub(super) cut_off: CancellationToken,
}

impl Connections {
    /// Serves one connection until it ends by itself, by a time-out, by `drain` or by `cut_off`.
    pub(super) async fn serve(&self, stream: TcpStream, peer: IpAddr) {
        let Some(tls) = &self.tls else {
            return self.serve_http(stream, peer).await;
        };
        let handshake = TlsAcceptor::from(tls.current()).accept(stream);
        let handshake = tokio::time::timeout(self.limits.header, handshake);
        let stats = &self.requests.stats;
        // A handshake carries no request, so that a drain has nothing of it to finish.
        match self.drain.run_until_cancelled(handshake).await {
            None => {}
            Some(Ok(Ok(stream))) => self.serve_http(stream, peer).await,
            Some(Ok(Err(error))) => {
                stats.count_tls_failure();
                tracing::debug!(%peer, %error, "TLS handshake failed");
            }
            Some(Err(_elapsed)) => {
                stats.count_tls_failure();
                stats.count_timeout();
                tracing::debug!(%peer, "TLS handshake took too long");
            }
        }
    }

    async fn serve_http<S>(&self, stream: S, peer: IpAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new();
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
        let service = service_fn(|request| self.requests.respond(request, peer, &activity));
        let connection = pin!(self.protocols.serve_connection(io, service));
        let driver = Driver {
            connection,
            activity: &activity,
            limits: self.limits,
            timer: pin!(tokio::time::sleep(self.limits.header)),
            ending: false,
            bell: Bell::default(),
        };
        match driver.run(&self.drain, &self.cut_off).await {
            End::CutOff => {}
            End::Closed(Ok(())) => {}
            End::Closed(Err(error)) => tracing::debug!(%peer, %error, "connection failed"),
            End::IdleClosed => self.requests.stats.count_idle_closed(),
            End::TimedOut(wait) => {
                self.requests.stats.count_timeout();
                tracing::debug!(%peer, waited_for = ?wait, "client took too long, connection dropped");
            }
        }
    }
}

/// HTTP/1.1 and HTTP/2 with their bounds. Waits are bounded by [`Activity`], not by hyper.
pub(super) fn protocols(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut protocols = auto::Builder::new(TokioExecutor::new());
    protocols
        .http1()
        .header_read_timeout(None)
        .max_buf_size(HTTP1_BUFFER_BYTES)
        .max_headers(HTTP1_MAX_HEADERS);
    protocols
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_MAX_STREAMS)
        .max_header_list_size(HTTP2_HEADER_LIST_BYTES)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BUFFER_BYTES)
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(limits.header);
    protocols
}

enum End<E> {
    /// The protocol came to its end.
    Closed(Result<(), E>),
    /// The same, after a farewell to a client that was idle.
    IdleClosed,
    TimedOut(Wait),
    CutOff,
}

/// Polls a connection and one timer for whatever it waits for.
struct Driver<'a, C> {
    connection: Pin<&'a mut C>,
    activity: &'a Activity,
    limits: Limits,
    timer: Pin<&'a mut Sleep>,
    /// The farewell is under way: no further requests.
    ending: bool,
    /// Rung by the timer and by the signals that end the connection.
    bell: Bell,
}

impl<C: GracefulConnection> Driver<'_, C> {
    async fn run(mut self, drain: &CancellationToken, cut_off: &CancellationToken) -> End<C::Error> {
        let mut drained = pin!(drain.cancelled());
        let mut cut = pin!(cut_off.cancelled());
        let mut idle = false;
        poll_fn(|cx| {
            self.activity.poll();
            let rang = self.bell.rang(cx.waker());
            if rang {
                if cut.as_mut().poll(&mut self.bell.context()).is_ready() {
                    return Poll::Ready(End::CutOff);
                }
                if !self.ending && drained.as_mut().poll(&mut self.bell.context()).is_ready() {
                    self.say_farewell();
                }
            }
            loop {
                match self.connection.as_mut().poll(cx) {
                    Poll::Ready(_) if idle => return Poll::Ready(End::IdleClosed),
                    Poll::Ready(result) => return Poll::Ready(End::Closed(result)),
                    Poll::Pending => {}
                }
                match self.poll_wait(rang) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Wait::Idle) if !self.ending => {
                        idle = true;
                        self.say_farewell();
                    }
                    Poll::Ready(wait) => return Poll::Ready(End::TimedOut(wait)),
                }
            }
        })
        .await
    }

    /// Tells the client to send no more. What is under way goes on; an idle client has as long as a
    /// head may take to hang up in its turn.
    fn say_farewell(&mut self) {
        self.ending = true;
        self.limits.idle = self.limits.header;
        self.activity.step();
        self.connection.as_mut().graceful_shutdown();
    }

    /// Ready when the present wait is over its limit. The timer is moved when it fires, or when a wait
    /// ends sooner, and polled after that and when the bell rang, which spares a request the cost of both.
    fn poll_wait(&mut self, rang: bool) -> Poll<Wait> {
        // Once due it stays so: a timer that has fired has forgotten whom to wake.
        let mut due = rang || self.timer.is_elapsed();
        loop {
            let wait = self.activity.wait(&self.limits);
            if let Some((_, until)) = wait
                && until < self.timer.deadline()
            {
                self.timer.as_mut().reset(until);
                due = true;
            }
            if !due || self.timer.as_mut().poll(&mut self.bell.context()).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match wait {
                Some((wait, until)) if until <= now => return Poll::Ready(wait),
                Some((_, until)) => self.timer.as_mut().reset(until),
                // HTTP/2 requests end in tasks of their own: no wait that starts unseen ends sooner.
                None => self
                    .timer
                    .as_mut()
                    .reset(now + self.limits.idle.min(self.limits.request)),
            }
        }
    }
}
