//! Development commands of the workspace: `cargo xtask test | ci | bench`.
//!
//! This crate is the first thing that a fresh machine builds, so it depends on next to nothing: whatever
//! measures or speaks HTTP lives in `tests/src/bin` and is only started from here.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its user on standard output and standard error"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "measures how long real commands take; no product code runs here"
)]

mod bench;
mod ci;
mod command;
mod prerequisites;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Install what the tests need, build, run every test; the last line is `N passed, N failed`
    ///
    /// As root, missing Debian packages are installed by apt-get; otherwise the command to run is printed.
    Test {
        /// Handed to `cargo test` as they are: `cargo xtask test -- rotation -- --nocapture`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Formatting, lints, documentation, then the tests: what `.ci/run` calls
    Ci,
    /// Build a release and measure it; see `cargo xtask bench -- --help` for the flags
    ///
    /// Without a subcommand: requests per second and latencies of every endpoint beside three bare handlers
    /// (`--seconds`, `--rounds`, `--connections`, `--out FILE`). `storm`: refresh latency beside a thousand
    /// logins at once. `feed`: the revocation feed. `start`: time from start to first token, idle memory.
    Bench {
        /// Cargo profile to build with; anything but `release` only tries the harness out
        #[arg(long, default_value = "release")]
        profile: String,
        /// Handed to the load generator as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Test { arguments } => test::run(&arguments),
        Task::Ci => ci::run(),
        Task::Bench { profile, arguments } => bench::run(&profile, &arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
