//! The command line of this process: reads it, builds what the command needs, runs it, and ends with its exit code.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser as _;
use clap::error::ErrorKind as ClapErrorKind;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use symbolon_core::{Clock, Rng, SystemClock, SystemRng};
use symbolon_jwks_publisher::{KeyOperations, share_encryption_keys};
use symbolon_store_sql::{SqlConfig, SqlStore};
use tokio::runtime::{Builder, Runtime};

use super::args::{Cli, Command, GlobalArgs, MigrateArgs, ServeArgs};
use super::configuration::{self, ConfigCommand};
use super::context::{Context, KeyContext, actor};
use super::error::{CliError, ErrorKind};
use super::keys::{self, KeysCommand};
use super::output::{Output, Remark};
use super::sources::{refuse_config, serve_sources, sources};
use super::terminal::Terminal;
use super::{StoreCommand, administer, calibrate, migrate};
use crate::app::{self, ServeOptions};
use crate::config::{Settings, load, reload_encryption_keys};
use crate::node::Stores;
use crate::secrets::open_server_keys;
use crate::{dev, node, observe};

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    let mut out = Output {
        out: &mut stdout,
        err: &mut stderr,
        // Until the arguments are understood this is all there is to go by.
        json: args.iter().any(|arg| arg == "--json"),
    };
    let outcome = match Cli::try_parse_from(&args) {
        Ok(cli) => dispatch(cli, &mut out),
        Err(error) => usage(&error, &mut out),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            error.kind.into()
        }
    }
}

/// Help and version go to standard output as they stand; everything else is an error of ours.
fn usage(error: &clap::Error, out: &mut Output<'_>) -> Result<(), CliError> {
    let text = error.to_string();
    match error.kind() {
        ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion => out.write(&text),
        ClapErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(CliError::refused(
            format_args!("a command is missing\n\n{}", text.trim_end()),
            "",
        )),
        _ => Err(CliError::refused(
            text.trim_start_matches("error: ").trim_end(),
            "",
        )),
    }
}

fn dispatch(cli: Cli, out: &mut Output<'_>) -> Result<(), CliError> {
    out.json = cli.global.json;
    let global = &cli.global;
    match cli.command {
        Command::Client(command) => on_store(global, out, StoreCommand::Client(command)),
        Command::Config(command) => on_configuration(global, out, command),
        Command::Keys(command) => on_keys(global, out, command),
        Command::Migrate(args) => on_schema(global, out, args),
        Command::Passwords(command) => calibrate::run(&SystemClock::new(), &SystemRng, out, command),
        Command::Role(command) => on_store(global, out, StoreCommand::Role(command)),
        Command::Serve(args) => serve(global, args),
        Command::User(command) => on_store(global, out, StoreCommand::User(command)),
    }
}

/// The settings; what is doubtful in them goes to standard error.
fn settings(global: &GlobalArgs, out: &mut Output<'_>) -> Result<Settings, CliError> {
    let (sources, mode) = sources(global)?;
    let loaded = load(&sources, mode)?;
    for warning in &loaded.warnings {
        out.remark(Remark::Warning, &warning.to_string())?;
    }
    Ok(loaded.settings)
}

fn on_configuration(
    global: &GlobalArgs,
    out: &mut Output<'_>,
    command: ConfigCommand,
) -> Result<(), CliError> {
    let (sources, mode) = sources(global)?;
    configuration::run(&sources, mode, out, command)
}

fn on_schema(global: &GlobalArgs, out: &mut Output<'_>, args: MigrateArgs) -> Result<(), CliError> {
    let settings = settings(global, out)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    runtime(Builder::new_current_thread())?.block_on(async {
        let config = SqlConfig {
            max_connections: 1,
            ..node::database_config(&settings)
        };
        let store = SqlStore::connect(&config, clock).await?;
        let settling = Settling::new(&settings, &store);
        let waiting = settling.clone();
        let wait = move |time| waiting.wait(time);
        let outcome = migrate::run(&store, &SystemRng, &wait, out, args).await;
        store.close().await;
        settling.remark(out)?;
        outcome
    })
}

fn on_store(global: &GlobalArgs, out: &mut Output<'_>, command: StoreCommand) -> Result<(), CliError> {
    with_store(global, out, async |with, out| {
        administer_store(with, out, command).await
    })
}

fn on_keys(global: &GlobalArgs, out: &mut Output<'_>, command: KeysCommand) -> Result<(), CliError> {
    with_store(global, out, async |with, out| {
        administer_keys(with, out, command).await
    })
}

/// Runs a command on the database, which is closed whatever comes of it.
fn with_store(
    global: &GlobalArgs,
    out: &mut Output<'_>,
    command: impl AsyncFnOnce(&StoreParts<'_>, &mut Output<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let settings = settings(global, out)?;
    let clock = node::cluster_clock(&settings, Arc::new(SystemClock::new()));
    runtime(Builder::new_current_thread())?.block_on(async {
        let stores = Stores::open_database_alone(&settings, clock.clone(), &SystemRng)
            .await
            .map_err(failed)?;
        let with = StoreParts {
            settings: &settings,
            store: &stores.sql,
            clock,
            settling: Settling::new(&settings, &stores.sql),
        };
        let outcome = command(&with, out).await;
        stores.sql.close().await;
        with.settling.remark(out)?;
        outcome
    })
}

/// What commands on the database are run with.
struct StoreParts<'a> {
    settings: &'a Settings,
    store: &'a SqlStore,
    clock: Arc<dyn Clock>,
    settling: Settling,
}

/// Sees that running servers go by a change that was made: raises the fences in Redis, where there is one, and then
/// waits.
#[derive(Clone)]
struct Settling {
    settings: Arc<Settings>,
    store: SqlStore,
    failure: Arc<Mutex<Option<String>>>,
}

impl Settling {
    fn new(settings: &Settings, store: &SqlStore) -> Self {
        Self {
            settings: Arc::new(settings.clone()),
            store: store.clone(),
            failure: Arc::default(),
        }
    }

    fn wait(&self, time: Duration) -> BoxFuture<'static, ()> {
        let (settings, store, failure) = (self.settings.clone(), self.store.clone(), self.failure.clone());
        async move {
            if let Err(error) = node::promise_changes(&settings, &store).await {
                let why = format!(
                    "the change is made, but Redis could not be told ({error:#}): a server that is cut off from the \
                     database may go by older facts until it is back; repeat the command once Redis answers, to be sure"
                );
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            }
            tokio::time::sleep(time).await;
        }
        .boxed()
    }

    /// Says where a change is not known to reach every server.
    fn remark(&self, out: &mut Output<'_>) -> Result<(), CliError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some(why) => out.remark(Remark::Warning, why),
            None => Ok(()),
        }
    }
}

async fn administer_store(
    with: &StoreParts<'_>,
    out: &mut Output<'_>,
    command: StoreCommand,
) -> Result<(), CliError> {
    let StoreParts { settings, store, .. } = *with;
    let settling = with.settling.clone();
    let encryption_keys = &settings.keys.encryption_keys;
    let keys = open_server_keys(store, encryption_keys, &SystemRng)
        .await
        .map_err(failed)?;
    let context = Context {
        admin: store,
        facts: store,
        secrets: &keys.client_secrets,
        cursors: &keys.cursors,
        clock: &*with.clock,
        rng: &SystemRng,
        wait: &move |time| settling.wait(time),
        actor: &operator(),
        password_cost: node::password_cost(settings),
        algorithms: &settings.keys.algorithms,
    };
    administer(&context, &mut Terminal, out, command).await
}

async fn administer_keys(
    with: &StoreParts<'_>,
    out: &mut Output<'_>,
    command: KeysCommand,
) -> Result<(), CliError> {
    let StoreParts { settings, store, .. } = *with;
    let settling = with.settling.clone();
    let operations = KeyOperations::new(
        Arc::new(store.clone()),
        share_encryption_keys(settings.keys.encryption_keys.clone()),
        node::rotation_config(settings),
        with.clock.clone(),
        Arc::new(SystemRng),
    );
    let context = KeyContext {
        operations: &operations,
        keys: store,
        secrets: store,
        encryption_keys: &settings.keys.encryption_keys,
        algorithms: &settings.keys.algorithms,
        max_age: settings.jwks.max_age,
        clock: &*with.clock,
        wait: &move |time| settling.wait(time),
        actor: &operator(),
    };
    keys::run(&context, &mut Terminal, out, command).await
}

/// Whoever runs this process, for the record.
fn operator() -> String {
    let names = ["USER", "LOGNAME"].map(|name| std::env::var(name).unwrap_or_default());
    actor(names.iter().map(String::as_str))
}

fn serve(global: &GlobalArgs, args: ServeArgs) -> Result<(), CliError> {
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let folder = args.dev.then(|| {
        let named = global.data_dir.clone();
        named.unwrap_or_else(|| dev::DEFAULT_DATA_DIR.into())
    });
    if let Some(folder) = &folder {
        refuse_config(global, "--dev")?;
        dev::prepare(folder, &*rng).map_err(failed)?;
    }
    let (sources, mode) = serve_sources(global, args.listen, folder.as_deref())?;
    let loaded = load(&sources, mode)?;
    // Drops what it read, secrets among it.
    drop(sources);
    let logs = observe::init(&loaded.settings.log).map_err(failed)?;
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(loaded.settings.server.worker_threads);
    let (again, listen, data) = (global.clone(), args.listen, folder.clone());
    let read_encryption_keys = move || {
        let (sources, mode) = serve_sources(&again, listen, data.as_deref())?;
        Ok(reload_encryption_keys(&sources, mode)?)
    };
    let options = ServeOptions {
        dev: folder,
        json: global.json,
        change_issuer: args.dangerous_change_issuer,
        warnings: loaded.warnings,
        read_encryption_keys: Arc::new(read_encryption_keys),
    };
    let clock = Arc::new(SystemClock::new());
    runtime(builder)?
        .block_on(app::serve(loaded.settings, options, &logs, clock, rng))
        .map_err(failed)
}

fn runtime(mut builder: Builder) -> Result<Runtime, CliError> {
    builder.enable_all().build().map_err(|error| {
        CliError::failed(
            format_args!("the runtime can't be started: {error}"),
            "see that the system allows more threads and open files",
        )
    })
}

/// What the composition reports, with its causes.
fn failed(error: anyhow::Error) -> CliError {
    CliError::new(ErrorKind::Failed, format_args!("{error:#}"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage_of(line: &[&str]) -> (Result<(), CliError>, String) {
        let error = Cli::try_parse_from(line).unwrap_err();
        let mut written = Vec::new();
        let mut out = Output {
            out: &mut written,
            err: &mut Vec::new(),
            json: false,
        };
        let result = usage(&error, &mut out);
        (result, String::from_utf8(written).unwrap())
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for flag in ["--help", "--version"] {
            let (result, out) = usage_of(&["symbolon", flag]);
            assert_eq!(result, Ok(()));
            assert!(out.contains("symbolon"), "{out}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for (line, said) in [
            (&["symbolon"][..], "a command is missing"),
            (&["symbolon", "bogus"], "unrecognized subcommand"),
            (&["symbolon", "user", "add"], "required arguments"),
        ] {
            let (result, out) = usage_of(line);
            let error = result.unwrap_err();
            assert_eq!((error.kind, out.as_str()), (ErrorKind::Refused, ""));
            let text = error.to_string();
            assert!(text.contains(said) && !text.starts_with("error"), "{text}");
        }
    }
}
