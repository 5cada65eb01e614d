//! The bodies of requests and responses, as the listener wraps them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{BoxError, body::Body};
use bytes::Bytes;
use http_body_util::{LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::activity::Exchange;

/// How many frames of a body that is too long are read and thrown away before the handler is told. A
/// socket closed on unread bytes is reset, and most clients would never see the 413.
const DISCARDED_FRAMES: usize = 256;

/// A request's body, bounded in length, that says when it has been received to its end.
pub(super) struct RequestBody {
    inner: Limited<Incoming>,
    received: Arc<AtomicBool>,
    too_long: Option<BoxError>,
    discarded: usize,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, max_bytes: usize, received: Arc<AtomicBool>) -> Self {
        Self {
            inner: Limited::new(inner, max_bytes),
            received,
            too_long: None,
            discarded: 0,
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
            match frame {
                Some(Ok(frame)) if self.too_long.is_none() => {
                    if self.inner.is_end_stream() {
                        self.received.store(true, Ordering::Relaxed);
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                // `Limited` fails again for each frame of data beyond its limit.
                Some(Err(error)) if error.is::<LengthLimitError>() && self.discarded < DISCARDED_FRAMES => {
                    self.discarded += 1;
                    self.too_long = Some(error);
                }
                // Trailers of a body that is too long.
                Some(Ok(_)) => {}
                end => {
                    self.received.store(true, Ordering::Relaxed);
                    return Poll::Ready(self.too_long.take().map(Err).or(end));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.too_long.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body, which holds its [`Exchange`] open and tells it whose turn it is.
#[derive(Debug)]
pub(super) struct ResponseBody {
    inner: Body,
    exchange: Exchange,
}

impl ResponseBody {
    pub(super) fn new(inner: Body, mut exchange: Exchange) -> Self {
        exchange.await_client();
        Self { inner, exchange }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    // hyper asks for a frame when there is room for one, so to be asked again is progress.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match polled {
            Poll::Ready(_) => self.exchange.await_client(),
            Poll::Pending => self.exchange.await_server(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
