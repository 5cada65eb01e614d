//! The command line of this process: reads it, builds what the command needs, runs it, and ends with its exit code.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use clap::error::ErrorKind as ClapErrorKind;
use symbolon_core::{Clock, Rng, SystemClock, SystemRng};
use symbolon_store_sql::{SqlConfig, SqlStore};
use tokio::runtime::{Builder, Runtime};

use super::args::{Cli, Command, GlobalArgs, MigrateArgs, ServeArgs};
use super::audit::{self, AuditCommand};
use super::bootstrap::{self, BootstrapArgs};
use super::configuration::{self, ConfigCommand};
use super::connect::{require_database, with_api};
use super::doctor::{self, DoctorArgs};
use super::error::{CliError, ErrorKind};
use super::output::{Output, Remark};
use super::settling::Settling;
use super::sources::{refuse_config, serve_sources, sources};
use super::terminal::Terminal;
use super::{ApiCommand, calibrate, completions, healthcheck, login, migrate, on_api};
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
    let (outcome, only_reads) = match Cli::try_parse_from(&args) {
        Ok(cli) => {
            let only_reads = cli.command.only_reads();
            (dispatch(cli, &mut out), only_reads)
        }
        Err(error) => (usage(&error, &mut out), true),
    };
    end(&outcome, only_reads, &mut out).into()
}

/// The exit code where nobody reads the output any more, as a shell shows SIGPIPE.
const UNREAD: u8 = 141;

/// The exit code; what failed goes to standard error, unless nothing was to change and nobody reads any more.
fn end(outcome: &Result<(), CliError>, only_reads: bool, out: &mut Output<'_>) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(error) if error.is_unread() && only_reads => UNREAD,
        Err(error) => {
            out.error(error);
            error.kind.exit_code()
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
        Command::Apply(args) => through_api(global, out, ApiCommand::Apply(args)),
        Command::Audit(AuditCommand::Verify(args)) if args.export.is_some() => {
            let export = args.export.clone().unwrap_or_default();
            runtime(Builder::new_current_thread())?.block_on(audit::run_on_export(out, &args, &export))
        }
        Command::Audit(command) => through_api(global, out, ApiCommand::Audit(command)),
        Command::Bootstrap(args) => on_first_client(global, out, args),
        Command::Client(command) => through_api(global, out, ApiCommand::Client(command)),
        Command::Completions(args) => completions::run(out, args),
        Command::Config(command) => on_configuration(global, out, command),
        Command::Doctor(args) => examine(global, out, args),
        Command::Healthcheck(args) => {
            runtime(Builder::new_current_thread())?.block_on(healthcheck::run(global, out, args))
        }
        Command::Keys(command) => through_api(global, out, ApiCommand::Keys(command)),
        Command::Login(args) => login::login(global, &mut Terminal, out, args),
        Command::Logout => login::logout(global, out),
        Command::Migrate(args) => on_schema(global, out, args),
        Command::Passwords(command) => calibrate::run(&SystemClock::new(), &SystemRng, out, command),
        Command::ResourceServer(command) => through_api(global, out, ApiCommand::ResourceServer(command)),
        Command::Revocations(command) => through_api(global, out, ApiCommand::Revocations(command)),
        Command::Revoke(command) => through_api(global, out, ApiCommand::Revoke(command)),
        Command::Role(command) => through_api(global, out, ApiCommand::Role(command)),
        Command::Scope(command) => through_api(global, out, ApiCommand::Scope(command)),
        Command::Serve(args) => serve(global, args),
        Command::Server(command) => through_api(global, out, ApiCommand::Server(command)),
        Command::Session(command) => through_api(global, out, ApiCommand::Session(command)),
        Command::User(command) => through_api(global, out, ApiCommand::User(command)),
        Command::Verifiers(command) => through_api(global, out, ApiCommand::Verifiers(command)),
    }
}

/// The settings; what is doubtful in them goes to standard error.
pub(super) fn settings(global: &GlobalArgs, out: &mut Output<'_>) -> Result<Settings, CliError> {
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

fn examine(global: &GlobalArgs, out: &mut Output<'_>, args: DoctorArgs) -> Result<(), CliError> {
    let runtime = runtime(Builder::new_current_thread())?;
    let outcome = runtime.block_on(doctor::run(global, Arc::new(SystemClock::new()), out, args));
    // What hangs, such as a network file system, is not waited for.
    runtime.shutdown_background();
    outcome
}

fn on_schema(global: &GlobalArgs, out: &mut Output<'_>, args: MigrateArgs) -> Result<(), CliError> {
    let settings = settings(global, out)?;
    if args.status || args.restored {
        require_database(&settings)?;
    }
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

fn through_api(global: &GlobalArgs, out: &mut Output<'_>, command: ApiCommand) -> Result<(), CliError> {
    let does = command.beside();
    with_api(global, out, does, async |context, out| {
        on_api(context, &mut Terminal, out, command).await
    })
}

fn on_first_client(global: &GlobalArgs, out: &mut Output<'_>, args: BootstrapArgs) -> Result<(), CliError> {
    let settings = settings(global, out)?;
    let clock = node::cluster_clock(&settings, Arc::new(SystemClock::new()));
    runtime(Builder::new_current_thread())?.block_on(async {
        let stores = Stores::open_database_alone(&settings, clock.clone(), &SystemRng)
            .await
            .map_err(failed)?;
        let outcome = match open_server_keys(&stores.sql, &settings.keys.encryption_keys, &SystemRng).await {
            Ok(keys) => bootstrap::run(&stores.sql, &keys, &*clock, out, args).await,
            Err(error) => Err(failed(error)),
        };
        stores.sql.close().await;
        outcome
    })
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

pub(super) fn runtime(mut builder: Builder) -> Result<Runtime, CliError> {
    builder.enable_all().build().map_err(|error| {
        CliError::failed(
            format_args!("the runtime can't be started: {error}"),
            "see that the system allows more threads and open files",
        )
    })
}

/// What the composition reports, with its causes.
pub(super) fn failed(error: anyhow::Error) -> CliError {
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

    /// A pipe that is closed at its other end.
    struct Closed;

    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn that_nobody_reads_is_told_only_after_a_change() {
        for (line, code, said) in [
            ("user list", 141, ""),
            ("completions bash", 141, ""),
            ("audit verify", 141, ""),
            ("migrate --status", 141, ""),
            ("user disable alice", 1, "look before you try again"),
            ("role put r --scope s", 1, "look before you try again"),
            ("revoke all --reason x", 1, "look before you try again"),
            ("migrate", 1, "look before you try again"),
        ] {
            let args = format!("symbolon {line}");
            let cli = Cli::try_parse_from(args.split(' ')).unwrap();
            let mut err = Vec::new();
            let mut out = Output {
                out: &mut Closed,
                err: &mut err,
                json: false,
            };
            let outcome = out.write("x");
            assert_eq!(end(&outcome, cli.command.only_reads(), &mut out), code, "{line}");
            let err = String::from_utf8(err).unwrap();
            assert!(err.contains(said) && err.is_empty() == said.is_empty(), "{err}");
        }
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
