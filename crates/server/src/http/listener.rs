//! The socket: accepting, refusing, draining.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use super::{
    ListenerConfig, ListenerStats, TlsCertificate, TlsError,
    activity::Limits,
    connection::{self, Connections},
    peer::PeerPolicy,
    service::Requests,
    throttle::Throttle,
};

/// Connections that the kernel keeps ready before they are accepted.
const BACKLOG: u32 = 1024;

/// How long to wait after `accept` failed: it goes on failing while no file descriptor is free, and
/// connections that end give theirs back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {cause}; choose an address of this machine and a free port")]
    Address {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said. It stands in the text, and so is no source, which would be told beside it.
        cause: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A bound socket with everything needed to serve on it. Clients that connect wait until [`serve`].
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    local_addr: SocketAddr,
    config: ListenerConfig,
    tls: Option<Arc<TlsCertificate>>,
    stats: Arc<ListenerStats>,
}

impl Listener {
    /// Loads the certificate, if there is to be one, and binds `address`; port 0 asks for any free one.
    ///
    /// To be called within a tokio runtime. Blocks while it reads the files.
    ///
    /// # Errors
    /// When the certificate or key cannot be used or the address cannot be bound.
    pub fn bind(address: SocketAddr, config: ListenerConfig) -> Result<Self, BindError> {
        let tls = config
            .tls
            .clone()
            .map(TlsCertificate::load)
            .transpose()?
            .map(Arc::new);
        let (socket, local_addr) = open(address).map_err(|cause| BindError::Address { address, cause })?;
        Ok(Self {
            socket,
            local_addr,
            config,
            tls,
            stats: Arc::default(),
        })
    }

    /// The address that was bound, with the port that it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The listener's counters, which stay valid after it has ended.
    pub fn stats(&self) -> Arc<ListenerStats> {
        Arc::clone(&self.stats)
    }

    /// The certificate, for a reload on demand; `None` for plain HTTP. Changes of its files are found
    /// without it.
    pub fn tls_certificate(&self) -> Option<Arc<TlsCertificate>> {
        self.tls.clone()
    }
}

/// Binds `address` as [`Listener::bind`] does, and gives it back without having listened.
///
/// # Errors
/// What the system says where it can't be had.
pub fn try_address(address: SocketAddr) -> io::Result<()> {
    bound(address).map(drop)
}

fn open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = bound(address)?.listen(BACKLOG)?;
    let local_addr = socket.local_addr()?;
    Ok((socket, local_addr))
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A restart need not wait for the connections of the process before it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// How the connections ended that were open when the listener was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Idle, or with requests that were answered in time.
    pub finished: usize,
    /// Cut off when the grace was over.
    pub aborted: usize,
}

/// Serves `router` on `listener` until `shutdown`.
///
/// Then no connection is accepted, idle ones are closed, requests under way are answered, and what is
/// left after `grace` is cut off. A response that streams without an end has to watch `shutdown` itself.
/// Dropping the future cuts everything off at once.
pub async fn serve(
    listener: Listener,
    router: Router,
    shutdown: CancellationToken,
    grace: Duration,
) -> Drained {
    let Listener {
        socket,
        local_addr,
        config,
        tls,
        stats,
    } = listener;
    let _watch = tls
        .clone()
        .map(|tls| AbortOnDropHandle::new(tokio::spawn(tls.watch())));
    let acceptor = Acceptor::new(router, config, tls, stats, shutdown.child_token());
    let _drain = acceptor.connections.drain.clone().drop_guard();
    let cut_off = acceptor.connections.cut_off.clone().drop_guard();
    shutdown.run_until_cancelled(acceptor.accept_all(&socket)).await;
    drop(socket);

    let tasks = acceptor.tasks;
    let open = tasks.len();
    tasks.close();
    let in_time = tokio::time::timeout(grace, tasks.wait()).await.is_ok();
    let aborted = if in_time { 0 } else { tasks.len() };
    drop(cut_off);
    tasks.wait().await;
    let drained = Drained {
        finished: open.saturating_sub(aborted),
        aborted,
    };
    tracing::info!(%local_addr, finished = drained.finished, aborted = drained.aborted, "listener stopped");
    drained
}

struct Acceptor {
    connections: Arc<Connections>,
    plain: bool,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Acceptor {
    fn new(
        router: Router,
        config: ListenerConfig,
        tls: Option<Arc<TlsCertificate>>,
        stats: Arc<ListenerStats>,
        drain: CancellationToken,
    ) -> Self {
        let limits = Limits {
            header: config.header_timeout,
            request: config.request_timeout,
            idle: config.idle_timeout,
        };
        let requests = Requests {
            // Once here, rather than for each request.
            router: router.with_state(()),
            peers: PeerPolicy::new(config.trusted_proxies),
            max_body_bytes: config.max_body_bytes,
            timeout: limits.request,
            stats,
            stamp: config.stamp,
        };
        Self {
            plain: tls.is_none(),
            connections: Arc::new(Connections {
                requests,
                protocols: connection::protocols(&limits),
                limits,
                tls,
                drain,
                cut_off: CancellationToken::new(),
            }),
            slots: Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS))),
            tasks: TaskTracker::new(),
        }
    }

    /// Accepts as long as it is polled; no error ends it.
    async fn accept_all(&self, socket: &TcpListener) {
        let stats = &self.connections.requests.stats;
        let mut refusals = Throttle::default();
        let mut errors = Throttle::default();
        // Nobody closes the semaphore.
        while let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await {
            let (stream, peer) = match socket.accept().await {
                Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
                Err(error) => {
                    stats.count_accept_error();
                    if let Some(count) = errors.admit() {
                        tracing::warn!(%error, count, "connections could not be accepted");
                    }
                    if !concerns_one_peer(&error) {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                    continue;
                }
            };
            if self.admits(peer, &mut refusals) {
                self.start(stream, peer, slot);
            }
        }
    }

    /// Plain HTTP carries passwords and tokens that anybody on the way can read.
    fn admits(&self, peer: IpAddr, refusals: &mut Throttle) -> bool {
        let Requests { peers, stats, .. } = &self.connections.requests;
        if !self.plain || peers.may_speak_plain(peer) {
            return true;
        }
        stats.count_refused_plain();
        if let Some(count) = refusals.admit() {
            tracing::warn!(
                %peer,
                count,
                "plain HTTP refused: configure server.tls_certificate_file, or list the proxy in \
                 server.trusted_proxies"
            );
        }
        false
    }

    fn start(&self, stream: TcpStream, peer: IpAddr, slot: OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY cannot be set");
        }
        let active = Active::new(&self.connections.requests.stats, slot);
        let connections = Arc::clone(&self.connections);
        self.tasks.spawn(async move {
            let _active = active;
            connections.serve(stream, peer).await;
        });
    }
}

/// Errors that say that the one connection is gone already, and nothing of the next.
fn concerns_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// One of the connections that may be open; gives its place back however its task ends.
struct Active {
    stats: Arc<ListenerStats>,
    _slot: OwnedSemaphorePermit,
}

impl Active {
    fn new(stats: &Arc<ListenerStats>, slot: OwnedSemaphorePermit) -> Self {
        stats.count_accepted();
        Self {
            stats: Arc::clone(stats),
            _slot: slot,
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.stats.count_closed();
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::http::tests::{certificate, config};

    fn admits(tls: bool, peer: &str) -> (bool, u64) {
        let mut config = config();
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let files = certificate();
        let tls = tls.then(|| Arc::new(TlsCertificate::load(files.files()).unwrap()));
        let stats = Arc::<ListenerStats>::default();
        let acceptor = Acceptor::new(
            Router::new(),
            config,
            tls,
            Arc::clone(&stats),
            CancellationToken::new(),
        );
        (
            acceptor.admits(peer.parse().unwrap(), &mut Throttle::default()),
            stats.refused_plain(),
        )
    }

    #[tokio::test]
    async fn refuses_plain_http_from_a_peer_nobody_vouched_for() {
        assert_eq!(admits(false, "198.51.100.1"), (false, 1));
        assert_eq!(admits(false, "10.1.2.3"), (true, 0));
        assert_eq!(admits(false, "127.0.0.1"), (true, 0));
    }

    #[tokio::test]
    async fn admits_everybody_to_tls() {
        assert_eq!(admits(true, "198.51.100.1"), (true, 0));
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap(), config()).unwrap();
        let error = Listener::bind(first.local_addr(), config()).unwrap_err();
        assert!(error.source().is_none(), "what the text holds is told once");
        let error = error.to_string();
        assert!(error.contains(&first.local_addr().to_string()), "{error}");
        assert!(error.contains("in use") && error.contains("free port"), "{error}");
    }
}
