//! The load generator behind `cargo xtask bench`: starts the servers it measures, each on a core of its own,
//! and talks to them over loopback only.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its user on standard output and standard error"
)]
#![expect(clippy::disallowed_methods, reason = "measures real time")]

mod connection;
mod endpoint;
mod feed;
mod machine;
mod place;
mod process;
mod report;
mod sessions;
mod start;
mod statistics;
mod storm;
mod symbolon;
mod throughput;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "bench", about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    measurement: Option<Measurement>,
    #[command(flatten)]
    throughput: throughput::Options,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Measurement {
    /// Refresh latency before and during a storm of logins
    Storm {
        #[command(flatten)]
        options: storm::Options,
        #[command(flatten)]
        output: Output,
    },
    /// A million sessions on Redis and PostgreSQL: memory, revocation of many at once, start of a node
    Sessions {
        #[command(flatten)]
        options: sessions::Options,
        #[command(flatten)]
        output: Output,
    },
    /// The revocation feed: latency at 20 verifiers, a thousand streams, a hundred thousand entries
    Feed {
        #[command(flatten)]
        options: feed::Options,
        #[command(flatten)]
        output: Output,
    },
    /// Follows the feed in a process of its own, for `feed`
    #[command(hide = true)]
    Follow(feed::FollowOptions),
    /// Time from process start to ready and to the first token, and idle memory
    Start {
        #[command(flatten)]
        options: start::Options,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args)]
struct Output {
    /// Also write the result into this Markdown file, between the markers of this measurement
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    // One thread: the load generator has one core.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (section, output, result) = match arguments.measurement {
        None => (
            "bench",
            arguments.output,
            runtime.block_on(throughput::run(&arguments.throughput))?,
        ),
        Some(Measurement::Storm { options, output }) => {
            ("bench-storm", output, runtime.block_on(storm::run(&options))?)
        }
        Some(Measurement::Sessions { options, output }) => (
            "bench-sessions",
            output,
            runtime.block_on(sessions::run(&options))?,
        ),
        Some(Measurement::Feed { options, output }) => {
            ("bench-feed", output, runtime.block_on(feed::run(&options))?)
        }
        Some(Measurement::Follow(options)) => return runtime.block_on(feed::follow(&options)),
        Some(Measurement::Start { options, output }) => {
            ("bench-start", output, runtime.block_on(start::run(&options))?)
        }
    };
    println!("{}", result.markdown);
    if !result.failures.is_empty() {
        // Figures of a failed run are not worth keeping.
        anyhow::bail!("the measurement failed: {}", result.failures.join("; "));
    }
    if let Some(path) = output.out {
        report::write_section(&path, section, &result.markdown)?;
        println!("written to {}", path.display());
    }
    Ok(())
}
