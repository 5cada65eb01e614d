//! Input that is made to break something.
#![cfg(test)]

mod busy_log;
mod caches;
mod cursors;
mod floods;
mod forged_tokens;
mod host_headers;
mod injection;
mod logs;

use std::time::Duration;

use symbolon_core::SystemRng;
use symbolon_server::http::{Listener, ListenerConfig, Stamp, serve};
use symbolon_tests::Harness;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// The router of a harness behind the real listener, for what only a socket can send.
struct Socket {
    address: std::net::SocketAddr,
    _stop: tokio_util::sync::DropGuard,
}

impl Socket {
    fn open(h: &Harness) -> Self {
        let server = &h.settings.server;
        let config = ListenerConfig {
            max_connections: server.max_connections,
            header_timeout: server.header_timeout,
            request_timeout: server.request_timeout,
            idle_timeout: server.idle_timeout,
            max_body_bytes: server.max_body_bytes,
            trusted_proxies: server.trusted_proxies.clone(),
            tls: None,
            stamp: Stamp::new(h.clock.clone(), &SystemRng),
        };
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), config).unwrap();
        let (address, stop) = (listener.local_addr(), CancellationToken::new());
        tokio::spawn(serve(listener, h.router.clone(), stop.clone(), Duration::ZERO));
        Self {
            address,
            _stop: stop.drop_guard(),
        }
    }

    /// Sends bytes on a connection of their own and reads to its end: status, head and body.
    async fn send(&self, bytes: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        (status, head.to_owned(), body.to_owned())
    }
}
