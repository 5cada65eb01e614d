//! The HTTP listener: sockets, TLS, time-outs, the client's address, and graceful shutdown.
//!
//! A [`Listener`] serves an [`axum::Router`] over HTTP/1.1 and HTTP/2, in TLS or, for peers that the
//! operator vouches for, in plain text. Everything a peer can make it wait for or hold is bounded here,
//! so that the handlers behind it need no time-outs of their own.
//!
//! | what a peer may drag out | bound | answer |
//! |---|---|---|
//! | TLS handshake, first request, head of a request | [`ListenerConfig::header_timeout`] | closed |
//! | body of a request | [`ListenerConfig::request_timeout`] | 408, closed |
//! | reading a response | [`ListenerConfig::request_timeout`] without progress | closed |
//! | nothing at all, between requests | [`ListenerConfig::idle_timeout`] | closed |

mod activity;
mod bell;
mod body;
mod connection;
mod listener;
mod peer;
mod service;
mod stamp;
mod stats;
mod throttle;
mod tls;

#[cfg(test)]
mod tests;

use std::time::Duration;

use ipnet::IpNet;

pub use listener::{BindError, Drained, Listener, serve, try_address};
pub use stamp::Stamp;
pub use stats::ListenerStats;
pub use tls::{TLS_CHECK_INTERVAL, TlsCertificate, TlsError, TlsFiles};

/// The bounds and the trust of one listener.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// The most connections open at once. Further ones wait in the kernel's backlog, unaccepted.
    pub max_connections: usize,
    /// How long a TLS handshake, or the head of a request once its first byte is there, may take. A
    /// fresh connection has as long to send its first request.
    pub header_timeout: Duration,
    /// How long a request may take from its head to the head of its response, its body included; and
    /// how long a client may leave a response unread without any progress.
    pub request_timeout: Duration,
    /// How long a connection without a request stays open.
    pub idle_timeout: Duration,
    /// The most bytes that a request's body may have. Reading beyond fails with
    /// [`http_body_util::LengthLimitError`], which axum's extractors answer with 413.
    pub max_body_bytes: usize,
    /// The proxies in front. They may speak plain HTTP to this listener, and theirs is the only
    /// `X-Forwarded-For` that is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The certificate and its key; `None` serves plain HTTP, to loopback and `trusted_proxies` alone.
    pub tls: Option<TlsFiles>,
    /// Where the moment and the id of each request come from.
    pub stamp: Stamp,
}
