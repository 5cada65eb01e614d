//! `symbolon serve`: sockets around a [`Node`], from start to graceful stop.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use symbolon_core::{Clock, Rng};
use symbolon_jose::EncryptionKeys;
use symbolon_jwks_publisher::{Keyring, RotationSchedule};
use symbolon_store_sql::SqlStore;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cluster_metrics::ClusterMetrics;
use crate::config::{Finding, Settings};
use crate::dev;
use crate::feed_metrics::FeedMetrics;
use crate::http::{self, BindError, Listener, ListenerConfig, Stamp, TLS_CHECK_INTERVAL, TlsFiles};
use crate::key_metrics::KeyMetrics;
use crate::management::{self, Gauges};
use crate::node::{self, Node, Stores, Surroundings, Wraps};
use crate::observe::Logs;
use crate::secrets::rewrap_secrets;

/// How to serve.
pub struct ServeOptions {
    /// Development mode, on this data folder.
    pub dev: Option<PathBuf>,
    /// Print what is ready as one JSON object instead of text.
    pub json: bool,
    /// Record another issuer than the one that the database belongs to.
    pub change_issuer: bool,
    /// Worth telling, from reading the configuration.
    pub warnings: Vec<Finding>,
    /// Reads the key-encryption keys again, from where they were read at the start.
    pub read_encryption_keys: ReadEncryptionKeys,
}

/// Reads the key-encryption keys again. It may take as long as a command of the operator does.
pub type ReadEncryptionKeys = Arc<dyn Fn() -> anyhow::Result<Arc<EncryptionKeys>> + Send + Sync>;

/// Serves until SIGTERM or SIGINT, then finishes what is in flight.
///
/// # Errors
/// Whatever kept the server from starting, with what to do about it.
pub async fn serve(
    mut settings: Settings,
    options: ServeOptions,
    logs: &Logs,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> anyhow::Result<()> {
    for warning in &options.warnings {
        tracing::warn!(setting = %warning.setting, origin = %warning.origin, remedy = %warning.remedy, "{}", warning.wrong);
    }
    raise_file_limit(settings.server.max_connections);
    let clock = node::cluster_clock(&settings, clock);
    let stamp = Stamp::new(clock.clone(), &*rng);
    let Listeners {
        public,
        management,
        admin,
    } = Listeners::bind(&settings, options.dev.is_some(), &stamp)?;
    if options.dev.is_some() {
        settings.issuer = dev::issuer(public.local_addr());
    }
    let _claim = node::claim_database(&settings.database.url, options.dev.is_some())?;
    let stores = Stores::open(&settings, clock.clone(), &*rng).await?;
    node::claim_issuer(
        &stores.sql,
        settings.issuer.as_str(),
        options.change_issuer || options.dev.is_some(),
    )
    .await?;
    let around = Surroundings {
        rng: rng.clone(),
        wraps: Wraps::default(),
    };
    let mut node = Node::open(&settings, stores, around).await?;
    let seeded = match &options.dev {
        Some(folder) => {
            let place = (folder.as_path(), admin.local_addr());
            Some(dev::seed(&settings, place, &node.store, &*clock, &*rng).await?)
        }
        None => None,
    };
    if seeded.is_some() {
        // What was seeded is a fact like any other; the documents must show it from the first request on.
        node.refresh().await?;
    }
    // So that the first answer knows when the key set changes next. It is tried again where it fails.
    if let Err(error) = node.schedule.look().await {
        tracing::error!(%error, "the schedule of the signing keys can't be followed yet");
    }
    let ready = Ready {
        public: public.local_addr(),
        management: management.local_addr(),
        admin: admin.local_addr(),
        settings: &settings,
    };
    let gauges = Gauges {
        service: node.service.clone(),
        log: node.log.clone(),
        listener: public.stats(),
        dropped: Some(logs.buffer()),
    };
    let mut registry = std::mem::take(&mut node.registry);
    registry.register_collector(Box::new(gauges));
    let schedule = node.schedule.clone();
    registry.register_collector(Box::new(KeyMetrics { schedule }));
    let stores = node.stores.clone();
    registry.register_collector(Box::new(ClusterMetrics { stores }));
    let feed = node.feed.clone();
    registry.register_collector(Box::new(FeedMetrics { feed }));
    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();
    node.spawn(&tasks, &shutdown);
    // Before anybody is told that the server is ready: from then on it is stopped gracefully or not at all.
    let signals = Signals::register()
        .context("signals can't be watched; see that the system allows more open files")?;
    let reload = Reload {
        certificate: public.tls_certificate(),
        keyring: node.keyring(),
        schedule: node.schedule.clone(),
        read_encryption_keys: options.read_encryption_keys,
        store: node.store.clone(),
        turn: Arc::default(),
    };
    tasks.spawn(signals.watch(shutdown.clone(), node.health.clone(), reload));
    let grace = settings.server.shutdown_grace;
    let metrics = management::router(registry, node.health.clone());
    tasks.spawn({
        let shutdown = shutdown.clone();
        async move { http::serve(management, metrics, shutdown, grace).await }
    });
    let api = node.admin_router();
    tasks.spawn({
        let shutdown = shutdown.clone();
        async move { http::serve(admin, api, shutdown, grace).await }
    });
    ready.announce(seeded.as_ref(), options.json)?;
    http::serve(public, node.router(), shutdown, grace).await;
    tasks.close();
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        tracing::warn!("background work did not end within server.shutdown_grace");
    }
    node.write_rest().await;
    node.store.close().await;
    Ok(())
}

/// Files that are open besides connections: the database, logs, certificates.
const OTHER_FILES: u64 = 256;

/// Each connection is an open file. The soft limit of many systems is 1,024; the hard one is what was granted.
fn raise_file_limit(max_connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = u64::try_from(max_connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_FILES);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let granted = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(granted),
            maximum,
        },
    );
    if raised.is_err() || granted < wanted {
        let remedy =
            "raise the hard limit of open files (ulimit -Hn, LimitNOFILE), or lower server.max_connections";
        tracing::warn!(
            wanted,
            granted,
            remedy,
            "fewer files may be open than server.max_connections needs"
        );
    }
}

/// Every socket that the server listens on.
struct Listeners {
    public: Listener,
    management: Listener,
    admin: Listener,
}

impl Listeners {
    /// An error names the setting, and in the development mode, which has no configuration, the flag.
    fn bind(settings: &Settings, is_dev: bool, stamp: &Stamp) -> anyhow::Result<Self> {
        let bind = |setting: &'static str, address, config| {
            Listener::bind(address, config).map_err(|error| match error {
                BindError::Address { .. } => anyhow::Error::new(error).context(setting),
                // It names its own setting.
                BindError::Tls(error) => error.into(),
            })
        };
        let public = if is_dev { "--listen" } else { "server.listen" };
        let (server, management, admin) = (&settings.server, &settings.management, &settings.admin);
        Ok(Self {
            public: bind(public, server.listen, listener_config(settings, stamp.clone()))?,
            management: bind(
                "management.listen",
                management.listen,
                management_config(settings, stamp.clone()),
            )?,
            admin: bind(
                "admin.listen",
                admin.listen,
                admin_config(settings, stamp.clone()),
            )?,
        })
    }
}

fn listener_config(settings: &Settings, stamp: Stamp) -> ListenerConfig {
    let server = &settings.server;
    let tls = server.tls.as_ref().map(|files| TlsFiles {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        check_interval: TLS_CHECK_INTERVAL,
    });
    ListenerConfig {
        max_connections: server.max_connections,
        header_timeout: server.header_timeout,
        request_timeout: server.request_timeout,
        idle_timeout: server.idle_timeout,
        max_body_bytes: server.max_body_bytes,
        trusted_proxies: server.trusted_proxies.clone(),
        tls,
        stamp,
    }
}

/// Most connections to the listener for the admin API.
const ADMIN_CONNECTIONS: usize = 256;
/// Longest time for one admin request: a change may wait for clocks and leases, and a batch of an import takes a while.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(120);

/// On loopback the listener for the admin API speaks plain HTTP; elsewhere it is as the public one.
fn admin_config(settings: &Settings, stamp: Stamp) -> ListenerConfig {
    let public = listener_config(settings, stamp);
    let tls = public.tls.filter(|_| !settings.admin.listen.ip().is_loopback());
    ListenerConfig {
        max_connections: ADMIN_CONNECTIONS,
        request_timeout: settings.server.request_timeout.max(ADMIN_TIMEOUT),
        max_body_bytes: settings.admin.max_body_bytes,
        tls,
        ..public
    }
}

/// Most connections to the management listener.
const MANAGEMENT_CONNECTIONS: usize = 64;

/// The management listener takes no secrets, so that it may speak plain HTTP to whoever can reach it.
fn management_config(settings: &Settings, stamp: Stamp) -> ListenerConfig {
    let everyone = ["0.0.0.0/0", "::/0"]
        .iter()
        .filter_map(|net| net.parse().ok())
        .collect();
    ListenerConfig {
        max_connections: MANAGEMENT_CONNECTIONS,
        trusted_proxies: everyone,
        tls: None,
        ..listener_config(settings, stamp)
    }
}

/// SIGTERM and SIGINT stop the server, SIGHUP reads again what may change while it runs.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// From here on the signals no longer end the process.
    fn register() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn watch(
        mut self,
        shutdown: CancellationToken,
        health: Arc<crate::health::Health>,
        reload: Reload,
    ) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                // Reading may take a while; whoever stops the server does not wait for it.
                _ = self.hangup.recv() => drop(tokio::spawn(reload.clone().run())),
                () = shutdown.cancelled() => return,
            }
        }
        tracing::info!("stopping");
        health.drain();
        shutdown.cancel();
    }
}

/// What SIGHUP reads again: the TLS certificate and the key-encryption keys. What can't be read stays as it was.
#[derive(Clone)]
struct Reload {
    certificate: Option<Arc<http::TlsCertificate>>,
    keyring: Arc<Keyring>,
    schedule: Arc<RotationSchedule>,
    read_encryption_keys: ReadEncryptionKeys,
    store: SqlStore,
    /// One at a time: what was read first must not be put in the place of what was read last.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Reload {
    async fn run(self) {
        if let Some(certificate) = &self.certificate {
            match certificate.reload().await {
                Ok(()) => tracing::info!("the TLS certificate was read again"),
                Err(error) => {
                    tracing::error!(%error, "the TLS certificate could not be read: the old one goes on");
                }
            }
        }
        match self.encryption_keys().await {
            Ok(current) => tracing::info!(current, "the key-encryption keys were read again"),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the key-encryption keys could not be replaced: the old ones go on"
                );
            }
        }
    }

    async fn encryption_keys(&self) -> anyhow::Result<String> {
        let _turn = self.turn.lock().await;
        let read = self.read_encryption_keys.clone();
        let keys = tokio::task::spawn_blocking(move || read()).await??;
        let current = keys.current().id().to_string();
        // The secrets are open, but the next start needs them, too.
        rewrap_secrets(&self.store, &keys, true).await?;
        self.keyring.replace_encryption_keys(keys).await?;
        // The other nodes wait to hear which ones this node has.
        self.schedule.wake();
        Ok(current)
    }
}

/// What is told once requests are answered.
struct Ready<'a> {
    public: SocketAddr,
    management: SocketAddr,
    admin: SocketAddr,
    settings: &'a Settings,
}

impl Ready<'_> {
    fn announce(&self, seeded: Option<&dev::Seeded>, json: bool) -> anyhow::Result<()> {
        let issuer = self.settings.issuer.as_str();
        tracing::info!(issuer, listen = %self.public, management = %self.management, admin = %self.admin, "ready");
        let management = format!("http://{}", self.management);
        let scheme = if self.admin.ip().is_loopback() || self.settings.server.tls.is_none() {
            "http"
        } else {
            "https"
        };
        let admin = format!("{scheme}://{}", self.admin);
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", dev::json(issuer, (&management, &admin), seeded))?;
        } else if let Some(seeded) = seeded {
            write!(out, "{}", dev::text(issuer, (&management, &admin), seeded))?;
        }
        Ok(out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use symbolon_core::{SystemClock, SystemRng};

    use super::*;
    use crate::cli::{DEV_ENCRYPTION_KEY, dev_overrides};
    use crate::config::{CommandError, Mode, Override, Sources, load, read_file};

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    /// How a start on that address, with the files of TLS that are named, fails, as it is told.
    fn refused(listen: SocketAddr, is_dev: bool, more: &[(&'static str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(DEV_ENCRYPTION_KEY), KEY).unwrap();
        let mut overrides = dev_overrides(folder.path(), "http://127.0.0.1", "test").unwrap();
        let listen = listen.to_string();
        let listeners = [
            ("server.listen", &*listen),
            ("management.listen", "127.0.0.1:0"),
            ("admin.listen", "127.0.0.1:0"),
        ];
        let set = listeners.iter().chain(more);
        overrides.extend(set.map(|(key, value)| Override::new(*key, *value, "test")));
        let sources = Sources {
            file: None,
            environment: Default::default(),
            overrides,
            read_file: Box::new(read_file),
            run_command: Box::new(|_| Err(CommandError::Failed(127))),
            dangerous_key_timings: false,
            cores: NonZeroUsize::MIN,
        };
        let settings = load(&sources, Mode::Dev).unwrap().settings;
        let stamp = Stamp::new(Arc::new(SystemClock::new()), &SystemRng);
        let refused = Listeners::bind(&settings, is_dev, &stamp).err().unwrap();
        format!("{refused:#}")
    }

    #[tokio::test]
    async fn what_keeps_a_listener_from_opening_is_told_once() {
        let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        for (is_dev, named) in [(true, "--listen"), (false, "server.listen")] {
            let told = refused(address, is_dev, &[]);
            let begins = format!("{named}: cannot listen on {address}: ");
            assert!(told.starts_with(&begins), "{told}");
            assert_eq!(told.matches("os error").count(), 1, "{told}");
        }
        let files = [
            ("server.tls_certificate_file", "/no/such/c"),
            ("server.tls_key_file", "/no/such/k"),
        ];
        let told = refused("127.0.0.1:0".parse().unwrap(), false, &files);
        assert!(told.starts_with("server.tls_certificate_file: /no/such/c cannot be read: "));
        assert_eq!(told.matches("os error").count(), 1, "{told}");
    }
}
