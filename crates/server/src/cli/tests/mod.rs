//! Commands over a real store, from the arguments to the exit code and what is written.

mod apply;
mod clients;
mod evidence;
mod imports;
mod keys;
mod parsing;
mod passwords;
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
use symbolon_core::audit::{Act, Actor};
use symbolon_core::cursor::Cursors;
use symbolon_core::evidence::Report;
use symbolon_core::password::PasswordCost;
use symbolon_core::ports::{
    AdminStore, AdminStores as _, RevocationLog, ServerStore as _, VerifierReports as _,
};
use symbolon_core::revocation::LEASE;
use symbolon_core::secret::{ClientSecrets, ServerSecret};
use symbolon_core::{Clock, SystemRng, UnixMillis};
use symbolon_jose::SigningAlg;
use symbolon_store_sql::{SqlConfig, SqlStore};
use zeroize::Zeroizing;

use super::args::{Cli, Command};
use super::connect::Unpromised;
use super::context::{Console, Context, Wait};
use super::error::{CliError, ErrorKind};
use super::output::Output;
use super::run::failed;
use super::{ApiCommand, ApiContext, Connection, StoreCommand, administer, on_api};
use crate::admin::{Offline, SettleBy};
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
    secrets: ClientSecrets,
    cursors: Cursors,
    keys: KeyBench,
    /// What verifiers report while a command waits, one after the other.
    reports: Arc<Mutex<VecDeque<Vec<Report>>>>,
    /// Whether Redis can't be told of revocations.
    is_unfenced: bool,
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
        let secret = |byte| ServerSecret {
            id: 1,
            active_from: UnixMillis(0),
            key: Zeroizing::new([byte; 32]),
        };
        Self {
            keys: KeyBench::new(),
            store,
            clock,
            secrets: ClientSecrets::new(vec![secret(1)]),
            cursors: Cursors::new(&secret(2)),
            reports: Arc::default(),
            is_unfenced: false,
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
        let admin = self
            .store
            .acting(Act::new(Actor::operator("tester"), "at the command line"));
        let (context, out) = (self.context(&*admin, &*wait), &mut output);
        let on_store = async |script: &mut Script, out: &mut Output<'_>, command| {
            administer(&context, script, out, command).await
        };
        let result = match cli.command {
            Command::Apply(args) => self.run_api(&wait, script, out, ApiCommand::Apply(args)).await,
            Command::Client(command) => on_store(script, out, StoreCommand::Client(command)).await,
            Command::Keys(command) => self.run_api(&wait, script, out, ApiCommand::Keys(command)).await,
            Command::Revocations(command) => self.run_api(&wait, script, out, ApiCommand::Revocations(command)).await,
            Command::Revoke(command) => self.run_api(&wait, script, out, ApiCommand::Revoke(command)).await,
            Command::Role(command) => {
                let command = ApiCommand::Role(command);
                self.run_api(&wait, script, out, command).await
            }
            Command::User(command) => self.run_api(&wait, script, out, ApiCommand::User(command)).await,
            Command::Verifiers(command) => self.run_api(&wait, script, out, ApiCommand::Verifiers(command)).await,
            other => panic!("{other:?} does not run on a store"),
        };
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
        // Where there is no schema it is for the command to say so.
        let _ = self.store.set_issuer(1, ISSUER).await;
        let settling = wait.clone();
        let log: Arc<dyn RevocationLog> = Arc::new(self.store.clone());
        let offline = Offline {
            settings: &settings,
            store: &self.store,
            log: if self.is_unfenced { Arc::new(Unpromised(log)) } else { log },
            operator: Actor::operator("tester"),
            settle: Arc::new(SettleBy::new(move |time| settling(time))),
            clock: self.clock.clone(),
            rng: Arc::new(SystemRng),
        };
        let opened = offline.open().await.map_err(failed)?;
        let connection = Connection::local(symbolon_admin_api::router(opened.api));
        let context = ApiContext {
            api: &connection,
            clock: &*self.clock,
            pause: &**wait,
        };
        on_api(&context, script, out, command).await
    }

    fn context<'a>(&'a self, admin: &'a dyn AdminStore, wait: &'a Wait) -> Context<'a> {
        Context {
            admin,
            facts: &self.store,
            secrets: &self.secrets,
            cursors: &self.cursors,
            clock: &*self.clock,
            rng: &SystemRng,
            wait,
            actor: "tester",
            password_cost: PasswordCost {
                memory_kib: 64,
                iterations: 1,
                parallelism: 1,
            },
            algorithms: &[SigningAlg::Es256],
        }
    }

    /// Runs a command that succeeds and returns its JSON; a change waits for every lease to end, once.
    async fn json(&self, stdin: &str, line: &str) -> Value {
        let outcome = self.run_typed(stdin, &format!("{line} --json")).await;
        let object = outcome.json();
        // No server knows anything older of a new user.
        let is_new = object["done"] == "added" && line.starts_with("user ");
        let waits = if object.get("done").is_some() && !is_new {
            vec![LEASE]
        } else {
            vec![]
        };
        assert_eq!(outcome.waited, waits, "{line}");
        object
    }
}
