//! Commands over a real store, from the arguments to the exit code and what is written.

mod apply;
mod audit;
mod client_files;
mod clients;
mod evidence;
mod imports;
mod keys;
mod operations;
mod own_client;
mod parsing;
mod passwords;
mod registers;
mod revoke;
mod settings;
mod users;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use futures_util::FutureExt as _;
use secrecy::SecretString;
use serde_json::Value;
use symbolon_core::audit::Actor;
use symbolon_core::evidence::Report;
use symbolon_core::ports::{RevocationLog, ServerStore as _, VerifierReports as _};
use symbolon_core::revocation::LEASE;
use symbolon_core::{Clock, SystemRng, UnixMillis};
use symbolon_jose::SigningAlg;
use symbolon_store_sql::{SqlConfig, SqlStore};
use tower::util::MapRequestLayer;
use zeroize::Zeroizing;

use super::api::Login;
use super::args::{Cli, Command};
use super::connect::Unpromised;
use super::context::{Console, Wait};
use super::error::{CliError, ErrorKind};
use super::output::Output;
use super::run::failed;
use super::{ApiCommand, ApiContext, Connection, on_api};
use crate::admin::{Offline, SettleBy};
use crate::secrets::{ServerKeys, open_server_keys};
use keys::KeyBench;

const ISSUER: &str = "https://auth.example.org";

/// When the clock of these tests starts: 2023-11-14T22:13:20Z.
const START: u64 = 1_700_000_000_000;

/// A clock that moves when it is told to.
struct Moved(AtomicU64);

impl Clock for Moved {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed) - START)
    }

    /// Time passes while it is waited for.
    fn passed(&self) -> UnixMillis {
        UnixMillis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Standard input, and a terminal on which these answers are typed; without answers there is no terminal.
#[derive(Default)]
struct Script {
    stdin: Vec<u8>,
    answers: VecDeque<&'static str>,
    asked: Vec<String>,
    terminal: bool,
}

impl Console for Script {
    fn is_terminal(&self) -> bool {
        self.terminal
    }

    fn read(&mut self, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        let end = self.stdin.len().min(limit);
        Ok(Zeroizing::new(self.stdin[..end].to_vec()))
    }

    fn lines(&mut self) -> Box<dyn io::BufRead + '_> {
        Box::new(self.stdin.as_slice())
    }

    fn shows_progress(&self) -> bool {
        false
    }

    fn shows_results(&self) -> bool {
        self.terminal
    }

    fn ask_hidden(&mut self, prompt: &str) -> io::Result<SecretString> {
        self.ask(prompt).map(SecretString::from)
    }

    fn ask(&mut self, prompt: &str) -> io::Result<String> {
        self.asked.push(prompt.to_owned());
        let answer = self.answers.pop_front();
        answer
            .map(str::to_owned)
            .ok_or(io::ErrorKind::NotConnected.into())
    }
}

/// What came of a command.
#[derive(Debug)]
struct Outcome {
    error: Option<(ErrorKind, String)>,
    out: String,
    err: String,
    waited: Vec<Duration>,
    asked: Vec<String>,
}

impl Outcome {
    /// Standard output as JSON, of a command that succeeded.
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.error, None);
        serde_json::from_str(&self.out).unwrap()
    }

    /// Asserts that the command was refused with this exit code, said this, and neither changed nor wrote anything.
    #[track_caller]
    fn refused(&self, exit_code: u8, said: &str) {
        let (kind, message) = self.error.as_ref().expect("it was not refused");
        assert_eq!(kind.exit_code(), exit_code, "{message}");
        assert!(message.contains(said), "{message}");
        assert_eq!((self.out.as_str(), self.waited.len()), ("", 0));
    }
}

/// A database in a folder of its own, and everything else that commands need.
struct Bench {
    store: SqlStore,
    clock: Arc<Moved>,
    keys: KeyBench,
    /// What verifiers report while a command waits, one after the other.
    reports: Arc<Mutex<VecDeque<Vec<Report>>>>,
    /// Whether Redis can't be told of revocations.
    is_unfenced: bool,
    /// `admin.max_body_bytes`.
    max_body_bytes: usize,
    /// The login that commands take to be theirs.
    login: Option<Login>,
    /// Method and path of each request that commands have made.
    requests: Arc<Mutex<Vec<String>>>,
    dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let bench = Self::without_schema().await;
        bench.store.migrate(&SystemRng).await.unwrap();
        bench
    }

    async fn without_schema() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = SqlConfig {
            max_connections: 1,
            ..SqlConfig::new(format!("sqlite:{}", dir.path().join("test.db").display()))
        };
        let clock = Arc::new(Moved(AtomicU64::new(START)));
        let store = SqlStore::connect(&config, clock.clone()).await.unwrap();
        Self {
            keys: KeyBench::new(),
            store,
            clock,
            reports: Arc::default(),
            is_unfenced: false,
            max_body_bytes: 1 << 20,
            login: None,
            requests: Arc::default(),
            dir,
        }
    }

    /// Runs a command line without `symbolon`, its parts separated by spaces.
    async fn run(&self, line: &str) -> Outcome {
        self.run_with(&mut Script::default(), line).await
    }

    /// The same with a password on standard input.
    async fn run_typed(&self, stdin: &str, line: &str) -> Outcome {
        let mut script = Script {
            stdin: stdin.into(),
            ..Script::default()
        };
        self.run_with(&mut script, line).await
    }

    async fn run_with(&self, script: &mut Script, line: &str) -> Outcome {
        let args: Vec<_> = line.split(' ').collect();
        self.run_args(script, &args).await
    }

    async fn run_args(&self, script: &mut Script, args: &[&str]) -> Outcome {
        let cli = Cli::try_parse_from([&["symbolon"], args].concat()).expect("the arguments parse");
        let waited = Arc::new(Mutex::new(Vec::new()));
        let (log, clock) = (waited.clone(), self.clock.clone());
        let (store, reports) = (self.store.clone(), self.reports.clone());
        let wait = move |time: Duration| {
            log.lock().unwrap().push(time);
            clock.0.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
            let (store, reports) = (store.clone(), reports.lock().unwrap().pop_front());
            async move { store.record_reports(&reports.unwrap_or_default()).await.unwrap() }.boxed()
        };
        let (mut written, mut said) = (Vec::new(), Vec::new());
        let mut output = Output {
            out: &mut written,
            err: &mut said,
            json: cli.global.json,
        };
        let wait: Arc<Wait> = Arc::new(wait);
        let command = match cli.command {
            Command::Apply(args) => ApiCommand::Apply(args),
            Command::Audit(command) => ApiCommand::Audit(command),
            Command::Client(command) => ApiCommand::Client(command),
            Command::Keys(command) => ApiCommand::Keys(command),
            Command::ResourceServer(command) => ApiCommand::ResourceServer(command),
            Command::Revocations(command) => ApiCommand::Revocations(command),
            Command::Revoke(command) => ApiCommand::Revoke(command),
            Command::Role(command) => ApiCommand::Role(command),
            Command::Scope(command) => ApiCommand::Scope(command),
            Command::Server(command) => ApiCommand::Server(command),
            Command::Session(command) => ApiCommand::Session(command),
            Command::User(command) => ApiCommand::User(command),
            Command::Verifiers(command) => ApiCommand::Verifiers(command),
            other => panic!("{other:?} does not run here"),
        };
        let result = self.run_api(&wait, script, &mut output, command).await;
        let waited = waited.lock().unwrap().clone();
        Outcome {
            error: result.err().map(|error| (error.kind, error.to_string())),
            out: String::from_utf8(written).unwrap(),
            err: String::from_utf8(said).unwrap(),
            waited,
            asked: std::mem::take(&mut script.asked),
        }
    }

    /// Runs a command through the admin API, as it is for commands that work on the database itself.
    async fn run_api(
        &self,
        wait: &Arc<Wait>,
        script: &mut Script,
        out: &mut Output<'_>,
        command: ApiCommand,
    ) -> Result<(), CliError> {
        let mut settings = evidence::settings(self);
        self.keys.configure(&mut settings);
        settings.admin.max_body_bytes = self.max_body_bytes;
        // Where there is no schema it is for the command to say so.
        let _ = self.store.set_issuer(1, ISSUER).await;
        let settling = wait.clone();
        let log: Arc<dyn RevocationLog> = Arc::new(self.store.clone());
        let offline = Offline {
            settings: &settings,
            store: &self.store,
            log: if self.is_unfenced {
                Arc::new(Unpromised(log))
            } else {
                log
            },
            operator: Actor::operator("tester"),
            settle: Arc::new(SettleBy::new(move |time| settling(time))),
            clock: self.clock.clone(),
            rng: Arc::new(SystemRng),
        };
        let opened = offline.open().await.map_err(failed)?;
        let requests = self.requests.clone();
        let note = move |request: axum::extract::Request| {
            let line = format!("{} {}", request.method(), request.uri().path());
            requests.lock().unwrap().push(line);
            request
        };
        let router = symbolon_admin_api::router(opened.api).layer(MapRequestLayer::new(note));
        let connection = Connection::local(router);
        let connection = match &self.login {
            Some(login) => connection.logged_in(login.clone()),
            None => connection,
        };
        let context = ApiContext {
            api: &connection,
            clock: &*self.clock,
            pause: &**wait,
        };
        on_api(&context, script, out, command).await
    }

    /// What the server derives from its secrets.
    async fn server_keys(&self) -> ServerKeys {
        let mut settings = evidence::settings(self);
        self.keys.configure(&mut settings);
        let keys = &settings.keys.encryption_keys;
        open_server_keys(&self.store, keys, &SystemRng).await.unwrap()
    }

    /// Runs a command that succeeds and returns its JSON; a change of what is there waits for every lease to end, once.
    async fn json(&self, stdin: &str, line: &str) -> Value {
        let outcome = self.run_typed(stdin, &format!("{line} --json")).await;
        let object = outcome.json();
        let waits = match object["done"].as_str() {
            // No server has older facts of what is new.
            None | Some("added") => vec![],
            Some(_) => vec![LEASE],
        };
        assert_eq!(outcome.waited, waits, "{line}");
        object
    }
}
