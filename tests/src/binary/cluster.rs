//! Two nodes of the built binary over one PostgreSQL and one Redis, each with lines of its own to both, which tests cut.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

use super::remote::Remote;
use super::site::{Server, Site, free_port, loopback};

/// A line to a server, over TCP: tests lead it elsewhere, or cut it so that nothing passes and nobody is told.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    to: watch::Sender<Option<SocketAddr>>,
    task: JoinHandle<()>,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Forwarder {
    /// Leads to that address. Must be called within a Tokio runtime.
    pub async fn to(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(loopback(0)).await.expect("a free port");
        let own = listener.local_addr().expect("an address");
        let (to, watched) = watch::channel(Some(address));
        Self {
            address: own,
            to,
            task: tokio::spawn(forward(listener, watched)),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes: what is connected stays so and hears nothing, and so does who connects. Returns where
    /// it led.
    pub fn cut(&self) -> SocketAddr {
        self.to.send_replace(None).expect("a line that is not cut")
    }

    /// Leads to that address from now on. What is connected is closed.
    pub fn lead_to(&self, address: SocketAddr) {
        self.to.send_replace(Some(address));
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, to: watch::Receiver<Option<SocketAddr>>) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            Ok((inbound, _)) = listener.accept() => { lines.spawn(carry(inbound, to.clone())); }
            Some(_) = lines.join_next() => {}
        }
    }
}

/// Carries bytes until one end closes, or the line leads elsewhere.
async fn carry(mut inbound: TcpStream, mut to: watch::Receiver<Option<SocketAddr>>) {
    let target = *to.borrow_and_update();
    let carried = async {
        let Some(target) = target else {
            return std::future::pending().await;
        };
        if let Ok(mut outbound) = TcpStream::connect(target).await {
            let _ = outbound.set_nodelay(true);
            let _ = inbound.set_nodelay(true);
            // Its end is all that there is to know.
            let _ = copy_bidirectional(&mut inbound, &mut outbound).await;
        }
    };
    let changed = tokio::select! {
        () = carried => return,
        changed = to.changed() => changed,
    };
    if changed.is_ok() && to.borrow_and_update().is_none() {
        // The socket is kept open, and silent.
        let _ = to.changed().await;
    }
}

/// One of the nodes.
#[derive(Debug)]
pub struct ClusterNode {
    /// Its line to PostgreSQL.
    pub to_postgres: Forwarder,
    /// Its line to Redis.
    pub to_redis: Forwarder,
    site: Site,
    listen: SocketAddr,
    server: Option<Server>,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl ClusterNode {
    /// Starts it, on the same port each time.
    pub async fn start(&mut self) {
        self.server = Some(self.site.serve_beside(self.listen).await);
    }

    /// SIGKILL, at once.
    pub fn kill(&mut self) {
        self.server.take().expect("a node that runs").kill();
    }

    /// What it is and where.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("a node that runs")
    }

    /// A caller of this node alone.
    pub fn remote(&self) -> Remote {
        Remote::of(self.server())
    }
}

/// Where the nodes keep everything, and how.
#[derive(Clone, Copy, Debug)]
pub struct ClusterPlan<'a> {
    /// URL of the database, which is migrated or empty.
    pub database: &'a str,
    /// Where Redis is.
    pub redis: SocketAddr,
    /// Settings of both nodes and of the command line, beside those that every installation needs.
    pub toml: &'a str,
}

/// Two nodes that run.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes.
    pub nodes: [ClusterNode; 2],
    /// The command line of the same installation. It reaches PostgreSQL and Redis by no line that is cut.
    pub commands: Site,
    /// URL of their database.
    pub database: String,
}

impl Cluster {
    /// Starts both nodes.
    pub async fn start(plan: ClusterPlan<'_>) -> Self {
        let listen = [free_port(), free_port()];
        let issuer = format!("http://{}", listen[0]);
        let mut nodes = [
            plan.node(&issuer, listen[0]).await,
            plan.node(&issuer, listen[1]).await,
        ];
        for node in &mut nodes {
            node.start().await;
        }
        Self {
            nodes,
            commands: plan.site(&issuer, listen[0], plan.database, plan.redis),
            database: plan.database.to_owned(),
        }
    }

    /// Leads the lines of all nodes to another Redis.
    pub fn lead_to_redis(&self, address: SocketAddr) {
        for node in &self.nodes {
            node.to_redis.lead_to(address);
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl ClusterPlan<'_> {
    async fn node(&self, issuer: &str, listen: SocketAddr) -> ClusterNode {
        let mut database = Url::parse(self.database).expect("a URL");
        let postgres = loopback(database.port().expect("a port"));
        let to_postgres = Forwarder::to(postgres).await;
        let to_redis = Forwarder::to(self.redis).await;
        database
            .set_port(Some(to_postgres.address().port()))
            .expect("a URL with a host");
        ClusterNode {
            site: self.site(issuer, listen, database.as_str(), to_redis.address()),
            to_postgres,
            to_redis,
            listen,
            server: None,
        }
    }

    fn site(&self, issuer: &str, listen: SocketAddr, database: &str, redis: SocketAddr) -> Site {
        let mut site = Site::configured(issuer, listen, self.toml);
        site.set("SYMBOLON_DATABASE_URL", database);
        site.set("SYMBOLON_REDIS_URL", format!("redis://{redis}"));
        site
    }
}
