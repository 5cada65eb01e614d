//! Redis servers of the tests' own, on free ports, in folders of their own. They end with the test process.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

/// A server, for as long as this is kept.
pub(super) struct Server {
    pub(super) port: u16,
    child: Child,
    _dir: TempDir,
}

/// Runs the server until standard input ends, which it does when the test process is gone, however it went.
const UNTIL_INPUT_ENDS: &str =
    r#"redis-server "$@" >/dev/null & server=$!; cat >/dev/null; kill -KILL $server"#;

impl Server {
    pub(super) fn start(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let (port_text, folder) = (port.to_string(), dir.path().to_str().unwrap());
        let child = Command::new("sh")
            .args(["-c", UNTIL_INPUT_ENDS, "sh"])
            .args([
                "--port",
                &port_text,
                "--bind",
                "127.0.0.1",
                "--dir",
                folder,
                "--save",
                "",
            ])
            .args(options)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let server = Self {
            port,
            child,
            _dir: dir,
        };
        server.wait();
        server
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` prints.
    pub(super) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn wait(&self) {
        until(|| self.cli(&["PING"]).starts_with("PONG"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn until(done: impl Fn() -> bool) {
    let waited = (0..1500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        done()
    });
    assert!(waited, "a Redis server did not start");
}

fn free_port() -> u16 {
    // The bus of a cluster listens 10,000 ports higher.
    std::iter::repeat_with(|| {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    })
    .find(|port| *port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok())
    .unwrap()
}

/// One server that all tests share.
pub(super) fn single_url() -> &'static str {
    static URL: OnceLock<(Server, String)> = OnceLock::new();
    let (_, url) = URL.get_or_init(|| {
        let server = Server::start(&[]);
        let url = server.url();
        (server, url)
    });
    url
}

/// A cluster of three that all tests share.
pub(super) fn cluster_url() -> &'static str {
    static URL: OnceLock<(Vec<Server>, String)> = OnceLock::new();
    let (_, url) = URL.get_or_init(|| {
        let start = || Server::start(&["--cluster-enabled", "yes"]);
        let servers: Vec<_> = std::iter::repeat_with(start).take(3).collect();
        let addresses: Vec<_> = servers
            .iter()
            .map(|server| format!("127.0.0.1:{}", server.port))
            .collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&addresses)
            .arg("--cluster-yes")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        for server in &servers {
            until(|| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        }
        let url = format!("redis://{}", addresses.join(","));
        (servers, url)
    });
    url
}
