//! What a listener counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one listener, read by the metrics. All but `active` only grow.
#[derive(Debug, Default)]
pub struct ListenerStats {
    accepted: AtomicU64,
    refused_plain: AtomicU64,
    active: AtomicU64,
    tls_failures: AtomicU64,
    accept_errors: AtomicU64,
    timeouts: AtomicU64,
    idle_closed: AtomicU64,
}

impl ListenerStats {
    /// Connections accepted and served, TLS failures included, refused ones not.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Plain connections dropped because the peer is neither loopback nor a trusted proxy.
    pub fn refused_plain(&self) -> u64 {
        self.refused_plain.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// TLS handshakes that failed or took too long.
    pub fn tls_failures(&self) -> u64 {
        self.tls_failures.load(Ordering::Relaxed)
    }

    /// Errors of `accept`, such as too many open files.
    pub fn accept_errors(&self) -> u64 {
        self.accept_errors.load(Ordering::Relaxed)
    }

    /// Peers and requests that were too slow: handshakes, heads, bodies, handlers, unread responses.
    pub fn timeouts(&self) -> u64 {
        self.timeouts.load(Ordering::Relaxed)
    }

    /// Connections closed because no request came on them any more.
    pub fn idle_closed(&self) -> u64 {
        self.idle_closed.load(Ordering::Relaxed)
    }

    pub(super) fn count_refused_plain(&self) {
        self.refused_plain.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_tls_failure(&self) {
        self.tls_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_accept_error(&self) {
        self.accept_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_timeout(&self) {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_idle_closed(&self) {
        self.idle_closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection as accepted, and as active until [`Self::count_closed`].
    pub(super) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_closed(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }
}
