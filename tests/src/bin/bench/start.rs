//! Time from process start to ready and to the first token, and idle memory.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::connection::Connection;
use crate::machine;
use crate::process::{Cores, Server};
use crate::report::Report;
use crate::statistics::median;
use crate::symbolon::{self, Ready, TokenRequests, Tokens};

#[derive(Args)]
pub(crate) struct Options {
    /// Starts with an empty data folder, each followed by a second start; medians are reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Idle time before memory is read, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=120))]
    idle_seconds: u32,
}

/// What one start took.
pub(crate) struct Start {
    pub(crate) ready_ms: f64,
    pub(crate) token_ms: f64,
    pub(crate) idle_mib: f64,
}

impl Start {
    /// Measures a server that has just said that it is ready, and stops it.
    ///
    /// # Errors
    /// If the first token can't be had, or the server does not end as it should.
    pub(crate) async fn of(server: Server, requests: &TokenRequests, idle: Duration) -> anyhow::Result<Self> {
        let ready_ms = milliseconds_since_start(&server);
        let mut connection = Connection::open(requests.endpoint().address).await?;
        Tokens::parse(connection.exchange(&requests.client_credentials()).await?.ok()?)?;
        let token_ms = milliseconds_since_start(&server);
        drop(connection);
        tokio::time::sleep(idle).await;
        let idle_mib = server.memory_kib()?.now as f64 / 1024.0;
        server.stop()?;
        Ok(Self {
            ready_ms,
            token_ms,
            idle_mib,
        })
    }
}

/// Starts the server again and again.
///
/// # Errors
/// If a start or a request fails.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Report> {
    let cores = Cores::choose(false)?;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for number in 0..options.rounds {
        eprintln!("start {} of {}", number + 1, options.rounds);
        let folder = tempfile::tempdir()?;
        let (start, requests) = measure(options, &cores, folder.path(), None)
            .await
            .context("first start")?;
        first.push(start);
        let (start, _) = measure(options, &cores, folder.path(), Some(requests))
            .await
            .context("second start")?;
        second.push(start);
    }
    let markdown = format!(
        "{}- Method: `serve --dev`, {} times; time from the start of the process until the server says that it is ready, \
         and until a client has its first token (`client_credentials`); resident memory after {} s without \
         requests; medians\n\
         \n\
         | Start | ready ms | first token ms | idle memory MiB |\n\
         |---|---:|---:|---:|\n\
         {}{}",
        machine::facts(&cores),
        options.rounds,
        options.idle_seconds,
        row("first (makes database, keys, user, clients)", &first),
        row("second", &second),
    );
    Ok(Report {
        markdown,
        failures: Vec::new(),
    })
}

/// One start with its data in `folder`. A second start prints no secrets: `known` requests are those of the first.
async fn measure(
    options: &Options,
    cores: &Cores,
    folder: &Path,
    known: Option<TokenRequests>,
) -> anyhow::Result<(Start, TokenRequests)> {
    let (server, ready) = symbolon::start(cores, folder)?;
    let requests = requests(&ready, known)?;
    let idle = Duration::from_secs(options.idle_seconds.into());
    Ok((Start::of(server, &requests, idle).await?, requests))
}

fn requests(ready: &Ready, known: Option<TokenRequests>) -> anyhow::Result<TokenRequests> {
    match known {
        None => TokenRequests::new(ready),
        Some(requests) => Ok(requests.moved_to(ready)),
    }
}

/// How long ago the process was started.
pub(crate) fn milliseconds_since_start(server: &Server) -> f64 {
    server.started.elapsed().as_secs_f64() * 1000.0
}

/// The row of a table of starts.
pub(crate) fn row(name: &str, starts: &[Start]) -> String {
    let median_of = |value: fn(&Start) -> f64| median(starts.iter().map(value).collect());
    format!(
        "| {name} | {:.0} | {:.0} | {:.1} |\n",
        median_of(|start| start.ready_ms),
        median_of(|start| start.token_ms),
        median_of(|start| start.idle_mib),
    )
}
