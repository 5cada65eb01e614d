//! Redis servers on free ports, in folders of their own. They end with the test process, however it went.

use std::net::TcpListener;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;

/// A server, for as long as this is kept.
pub struct Redis {
    port: u16,
    arguments: Vec<String>,
    dir: TempDir,
    process: Mutex<Option<Process>>,
}

/// Runs the server until standard input ends, which it does when the test process is gone, however it went.
const UNTIL_INPUT_ENDS: &str =
    r#"redis-server "$@" >/dev/null 2>&1 & server=$!; echo $server; cat >/dev/null; kill -KILL $server"#;

impl Redis {
    /// Starts a server that keeps nothing on disk unless `options` say so.
    pub fn start(options: &[&str]) -> Self {
        let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
        let folder = dir.path().to_str().unwrap();
        let port_text = port.to_string();
        let own = ["--port", &port_text, "--bind", "127.0.0.1", "--dir", folder];
        let own = own.into_iter().chain(["--logfile", "log", "--save", ""]);
        Self::run(
            port,
            own.chain(options.iter().copied()).map(str::to_owned).collect(),
            dir,
        )
    }

    /// Starts a replica of `primary`, and waits until it has what the primary has.
    pub fn replica_of(primary: &Self) -> Self {
        let of = primary.port.to_string();
        let replica = Self::start(&["--replicaof", "127.0.0.1", &of, "--repl-diskless-sync-delay", "0"]);
        replica.wait_for(&["INFO", "replication"], "master_link_status:up");
        replica
    }

    /// Starts a Sentinel that watches `primary` under the name `service`, and fails over by itself after half a second.
    /// `lines` are added to its configuration.
    pub fn sentinel_of(primary: &Self, service: &str, lines: &[&str]) -> Self {
        let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
        let file = dir.path().join("sentinel.conf");
        let of = primary.port;
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nlogfile log\nsentinel monitor {service} 127.0.0.1 {of} 1\n\
             sentinel down-after-milliseconds {service} 500\nsentinel failover-timeout {service} 2000\n{}\n",
            dir.path().display(),
            lines.join("\n")
        );
        std::fs::write(&file, text).unwrap();
        Self::run(
            port,
            vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()],
            dir,
        )
    }

    /// One server that all tests of the process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// `redis://` with its address.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `redis-cli` prints.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]).args(arguments);
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    }

    /// Asks the server to end, after it wrote its data where `restart` finds it.
    pub fn stop(&self) {
        self.cli(&["SHUTDOWN", "SAVE"]);
        self.kill();
    }

    /// Ends the server by SIGKILL. It may be ended already.
    pub fn kill(&self) {
        drop(self.process.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Ends the server by SIGKILL where it runs, and starts it on the same port: with the data that is on its disk
    /// (nothing, unless the options keep it there, or `stop` ended it), or without.
    pub fn restart(&self, keep_data: bool) {
        self.kill();
        if !keep_data {
            let _ = std::fs::remove_file(self.dir.path().join("dump.rdb"));
            let _ = std::fs::remove_dir_all(self.dir.path().join("appendonlydir"));
        }
        self.spawn();
    }

    /// Stops the server where it stands (SIGSTOP): its connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen server go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Makes a primary of a replica, with what it has.
    pub fn promote(&self) {
        self.cli(&["REPLICAOF", "NO", "ONE"]);
    }

    /// Waits until `redis-cli` prints a text that contains `wanted`.
    pub fn wait_for(&self, arguments: &[&str], wanted: &str) {
        self.wait_until(arguments, |printed| printed.contains(wanted));
    }

    fn wait_until(&self, arguments: &[&str], done: impl Fn(&str) -> bool) {
        let mut printed = String::new();
        for _ in 0..1500 {
            printed = self.cli(arguments);
            if done(&printed) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        panic!("{arguments:?} of a Redis server did not come to what was wanted: {printed}\n{log}");
    }

    fn run(port: u16, arguments: Vec<String>, dir: TempDir) -> Self {
        let server = Self {
            port,
            arguments,
            dir,
            process: Mutex::new(None),
        };
        server.spawn();
        server
    }

    fn spawn(&self) {
        let mut shell = Command::new("sh");
        shell.args(["-c", UNTIL_INPUT_ENDS, "sh"]).args(&self.arguments);
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(Process::start(&mut shell));
        // A server that wants a password says so: it is up.
        self.wait_until(&["PING"], |printed| {
            printed.contains("PONG") || printed.contains("NOAUTH")
        });
    }

    fn signal(&self, signal: &str) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let server = &process.as_ref().expect("the server runs").server;
        assert!(
            Command::new("kill")
                .args([signal, server])
                .status()
                .unwrap()
                .success()
        );
    }
}

/// A cluster of three primaries without replicas, for as long as this is kept.
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts three servers with `options`, and makes a cluster of them.
    pub fn start(options: &[&str]) -> Self {
        let options = [
            &["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"],
            options,
        ]
        .concat();
        let start = || Redis::start(&options);
        let nodes: Vec<_> = std::iter::repeat_with(start).take(3).collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes.iter().map(Redis::address))
            .arg("--cluster-yes")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self { nodes };
        cluster.wait();
        cluster
    }

    /// One cluster that all tests of the process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisCluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// `redis://` with the addresses of all nodes.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(Redis::address).collect();
        format!("redis://{}", addresses.join(","))
    }

    /// A node, 0 to 2.
    pub fn node(&self, node: usize) -> &Redis {
        &self.nodes[node]
    }

    /// Ends a node by SIGKILL. It can be started again by [`Redis::restart`] of [`RedisCluster::node`].
    pub fn kill(&self, node: usize) {
        self.nodes[node].kill();
    }

    /// Waits until all nodes find that all slots are served.
    pub fn wait(&self) {
        for node in &self.nodes {
            node.wait_for(&["CLUSTER", "INFO"], "cluster_state:ok");
            node.wait_for(&["CLUSTER", "INFO"], "cluster_slots_ok:16384");
        }
    }
}

/// A port that is free, and the one 10,000 higher, where the bus of a cluster listens.
pub fn free_port() -> u16 {
    std::iter::repeat_with(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    })
    .find(|port| *port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok())
    .unwrap()
}
