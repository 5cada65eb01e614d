use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Ended, Process, Transcript, path};

const CONFIGURATION: &str = "symbolon.toml";

/// One installation of the binary: a folder with its configuration and database, the environment of its processes,
/// and whatever they write.
#[derive(Debug)]
pub struct Site {
    dir: TempDir,
    dev: bool,
    environment: Vec<(String, String)>,
    flags: Vec<String>,
    transcript: Arc<Transcript>,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Site {
    /// For `serve --dev`.
    pub fn dev() -> Self {
        Self::new(true)
    }

    /// With a configuration file: `toml` below what every installation needs, its own database, key-encryption key
    /// and listeners on any free port.
    pub fn configured(issuer: &str, listen: SocketAddr, toml: &str) -> Self {
        let site = Self::new(false);
        site.write("encryption-key", &encryption_key(1));
        let database = site.database();
        let key = site.path("encryption-key");
        site.write(
            CONFIGURATION,
            &format!(
                "issuer = \"{issuer}\"\nserver.listen = \"{listen}\"\nmanagement.listen = \"127.0.0.1:0\"\n\
                 admin.listen = \"127.0.0.1:0\"\ndatabase.url = \"sqlite:{}\"\nkeys.encryption_key_file = \"{}\"\n{toml}\n",
                database.display(),
                key.display()
            ),
        );
        site
    }

    fn new(dev: bool) -> Self {
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            dev,
            environment: Vec::new(),
            flags: Vec::new(),
            transcript: Arc::default(),
        }
    }

    /// Sets a variable for every process that is started from now on.
    pub fn set(&mut self, variable: &str, value: impl Into<String>) {
        self.environment.push((variable.to_owned(), value.into()));
    }

    /// Gives every process that is started from now on this flag.
    pub fn flag(&mut self, flag: &str) {
        self.flags.push(flag.to_owned());
    }

    /// Puts another text in the place of one in the configuration file.
    ///
    /// # Panics
    /// It does not stand there.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let file = self.path(CONFIGURATION);
        let toml = std::fs::read_to_string(&file).expect("a configuration file");
        assert!(toml.contains(from), "{from} is not in: {toml}");
        std::fs::write(&file, toml.replace(from, to)).expect("a file");
    }

    /// A file in the installation's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into the installation's folder.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// The database of a configured installation.
    pub fn database(&self) -> PathBuf {
        self.path("symbolon.db")
    }

    /// What the database holds on disk while nobody has it open: its file, and its write-ahead log where anything is in
    /// it. A process that ends early may leave the log behind empty, and the index of it, which holds no data.
    pub fn stored(&self) -> Vec<Vec<u8>> {
        let database = self.database();
        let log = std::fs::read(database.with_extension("db-wal")).unwrap_or_default();
        let file = std::fs::read(database).expect("a database");
        [file, log]
            .into_iter()
            .filter(|bytes| !bytes.is_empty())
            .collect()
    }

    /// Everything that was written by every process so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Runs a command line, its parts separated by spaces, to its end.
    pub async fn run(&self, line: &str) -> Ended {
        self.run_typed("", line).await
    }

    /// The same with this on standard input.
    pub async fn run_typed(&self, stdin: &str, line: &str) -> Ended {
        self.spawn(stdin, line.split_whitespace()).end().await
    }

    /// Runs a command with `--json` that succeeds, and returns its one object.
    ///
    /// # Panics
    /// It fails, or writes anything else.
    #[track_caller]
    pub fn json(&self, line: &str) -> impl Future<Output = Value> {
        self.json_typed("", line)
    }

    /// The same with this on standard input.
    ///
    /// # Panics
    /// As [`Site::json`].
    pub async fn json_typed(&self, stdin: &str, line: &str) -> Value {
        let ended = self.run_typed(stdin, &format!("{line} --json")).await;
        assert_eq!(ended.code, Some(0), "{line}: {}", ended.err);
        serde_json::from_str(&ended.out).expect("one JSON object")
    }

    /// Runs commands with `--json` beside each other, all of which succeed; their objects in the same order.
    ///
    /// # Panics
    /// As [`Site::json`].
    pub async fn json_all(&self, lines: &[String]) -> Vec<Value> {
        let mut processes = Vec::new();
        for line in lines {
            let arguments = line.split_whitespace().chain(["--json"]);
            processes.push(self.spawn("", arguments));
        }
        let mut objects = Vec::new();
        for (process, line) in processes.iter_mut().zip(lines) {
            let ended = process.end().await;
            assert_eq!(ended.code, Some(0), "{line}: {}", ended.err);
            objects.push(serde_json::from_str(&ended.out).expect("one JSON object"));
        }
        objects
    }

    /// Starts a process of this installation. A command goes through the admin API where the line names a login or a server,
    /// and in the development mode, which stores a login; otherwise it works on the database.
    pub fn spawn<'a>(&self, stdin: &str, arguments: impl IntoIterator<Item = &'a str>) -> Process {
        let arguments: Vec<&str> = arguments.into_iter().collect();
        let names_a_way = arguments
            .iter()
            .any(|argument| ["serve", "--login", "--server", "--offline"].contains(argument));
        let offline = (!self.dev && !names_a_way).then_some("--offline");
        // What goes to the server of a stored login has no use for a configuration; the doctor looks at both.
        let goes_to_a_login = arguments.contains(&"--login") && !arguments.contains(&"doctor");
        let place = (self.dev || !goes_to_a_login).then(|| self.place());
        let mut command = Command::new(path());
        let inherited = std::env::var_os("PATH").map(|path| ("PATH", path));
        command
            .args(arguments)
            .args(offline)
            .args(place.into_iter().flatten())
            .args(&self.flags)
            .env_clear()
            .envs(inherited)
            .envs(self.environment.iter().cloned())
            .current_dir(self.dir.path());
        Process::start(command, stdin, &self.transcript)
    }

    fn place(&self) -> [OsString; 2] {
        if self.dev {
            ["--data-dir".into(), self.path("data").into()]
        } else {
            ["--config".into(), self.path(CONFIGURATION).into()]
        }
    }

    /// Starts the server: on any free port in the development mode, otherwise where the configuration says.
    pub async fn serve(&self) -> Server {
        self.serve_at(loopback(0)).await
    }

    /// Starts the server in the development mode on this port.
    pub async fn serve_at(&self, listen: SocketAddr) -> Server {
        let listen = listen.to_string();
        if self.dev {
            self.start(&["--dev", "--listen", &listen]).await
        } else {
            self.start(&[]).await
        }
    }

    /// Starts one more node of a configured installation, there. What it printed names that address in the place of
    /// the issuer's, so that it is this node that is called.
    pub async fn serve_beside(&self, listen: SocketAddr) -> Server {
        let mut server = self.start(&["--listen", &listen.to_string()]).await;
        let printed = server.ready.to_string();
        let own = printed.replace(server.text("/issuer"), &format!("http://{listen}"));
        server.ready = serde_json::from_str(&own).expect("one JSON object");
        server
    }

    async fn start(&self, arguments: &[&str]) -> Server {
        let arguments = ["serve", "--json"].iter().chain(arguments).copied();
        let mut process = self.spawn("", arguments);
        let Some(line) = process.line().await else {
            let ended = process.end().await;
            panic!("the server did not start: {}", ended.err);
        };
        let ready = serde_json::from_str(&line).expect("one JSON object");
        Server { process, ready }
    }
}

/// A server that is ready.
#[derive(Debug)]
pub struct Server {
    /// Its process.
    pub process: Process,
    /// What it printed when it was ready.
    pub ready: Value,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Server {
    /// A text member of what it printed when it was ready.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> &str {
        self.ready
            .pointer(pointer)
            .and_then(Value::as_str)
            .expect("a text member")
    }

    /// Where its public listener is, as its issuer says.
    pub fn address(&self) -> SocketAddr {
        address(self.text("/issuer"))
    }

    /// Where its management listener is.
    pub fn management(&self) -> SocketAddr {
        address(self.text("/management_url"))
    }

    /// Sends SIGTERM and waits for it to end as it should.
    pub async fn stop(mut self) {
        self.process.signal(Signal::TERM);
        let ended = self.process.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }

    /// SIGKILL, at once.
    pub fn kill(self) {
        self.process.kill();
    }
}

#[expect(
    clippy::expect_used,
    reason = "test support: an address that is none is a failed test"
)]
fn address(url: &str) -> SocketAddr {
    let url = url::Url::parse(url).expect("a URL");
    let port = url.port().expect("a port");
    loopback(port)
}

/// A port of 127.0.0.1.
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A port of 127.0.0.1 that the system says is free.
///
/// # Panics
/// There is none.
#[expect(clippy::expect_used, reason = "test support: no port is a failed test")]
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind(loopback(0)).expect("a free port");
    listener.local_addr().expect("an address")
}

/// A key-encryption key as it stands in a file; different for each `seed`.
pub fn encryption_key(seed: u8) -> String {
    STANDARD.encode(std::array::from_fn::<u8, 32, _>(|at| {
        seed.wrapping_mul(67).wrapping_add(at as u8)
    }))
}

/// A self-signed certificate for 127.0.0.1 and localhost in PEM files.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl CertificateFiles {
    /// Makes one in this folder.
    pub fn create(dir: &Path) -> Self {
        let files = Self {
            certificate: dir.join("certificate.pem"),
            key: dir.join("key.pem"),
        };
        files.renew();
        files
    }

    /// Puts another certificate with another key into the files.
    pub fn renew(&self) {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        std::fs::write(&self.certificate, made.cert.pem()).expect("a file");
        std::fs::write(&self.key, made.signing_key.serialize_pem()).expect("a file");
    }

    /// The settings that name the files.
    pub fn toml(&self) -> String {
        format!(
            "server.tls_certificate_file = \"{}\"\nserver.tls_key_file = \"{}\"\n",
            self.certificate.display(),
            self.key.display()
        )
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> Vec<u8> {
        std::fs::read(&self.certificate).expect("a file")
    }
}
