//! A storm of logins at once beside a steady load of refreshes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::process::{Cores, Memory, allow_open_files};
use crate::report::Report;
use crate::statistics::{Latencies, microseconds};
use crate::symbolon::{self, Session, TokenRequests};

mod summary;

/// How long a login may take before it counts as unanswered.
const LOGIN_PATIENCE: Duration = Duration::from_secs(60);
/// Between a storm and the next quiet measurement.
const CALM: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(crate) struct Options {
    /// Password requests sent at once, each on a socket of its own
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    logins: u32,
    /// Sessions that refresh all the time
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    sessions: u32,
    /// Time between two refreshes of one session in milliseconds
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    period_ms: u32,
    /// Quiet time before each storm, in which refreshes are measured for comparison, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=120))]
    seconds: u32,
    /// Storms, one after the other
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Let the server use all cores instead of one
    #[arg(long)]
    unpinned: bool,
}

/// Everything that one run found.
struct Findings {
    /// Refreshes that began before, and during, a storm.
    before: Latencies,
    during: Latencies,
    /// Refreshes answered with something else than 200, by what.
    refresh_failures: BTreeMap<String, u64>,
    storms: Vec<Storm>,
    memory_before: Memory,
    memory_after: Memory,
    open_file_limit: String,
}

/// One storm: when it began and ended, and how the logins were answered.
struct Storm {
    quiet_from: Instant,
    begin: Instant,
    end: Instant,
    logins: BTreeMap<Answer, Vec<u32>>,
}

/// How a login was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Granted,
    /// 503, with or without `Retry-After`.
    Shed {
        retry_after: bool,
    },
    OtherStatus(u16),
    /// No connection, a broken one, or no answer in time.
    None,
}

/// Starts the server and measures.
///
/// # Errors
/// If the server cannot be started or its connections for refreshes break.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Report> {
    let cores = Cores::choose(options.unpinned)?;
    let folder = tempfile::tempdir()?;
    let (server, ready) = symbolon::start(&cores, folder.path())?;
    // After the start, so that the server runs under the limit that it would have anyway.
    allow_open_files(
        u64::from(options.logins) + u64::from(options.sessions) + 64,
        "--logins",
    )?;
    let requests = TokenRequests::new(&ready)?;

    let stop = Arc::new(AtomicBool::new(false));
    let mut refreshing = JoinSet::new();
    let period = Duration::from_millis(options.period_ms.into());
    for number in 0..options.sessions {
        let session = requests.log_in().await?;
        let connection = Connection::open(requests.endpoint().address).await?;
        // Spread over the period, not all at once.
        let first = Instant::now() + period * number / options.sessions;
        let pace = Pace {
            first,
            period,
            stop: Arc::clone(&stop),
        };
        refreshing.spawn(refresh_steadily(connection, requests.clone(), session, pace));
    }

    let memory_before = server.memory_kib()?;
    let mut storms = Vec::new();
    for number in 0..options.rounds {
        eprintln!("storm {} of {}", number + 1, options.rounds);
        tokio::time::sleep(CALM).await;
        let quiet_from = Instant::now();
        tokio::time::sleep(Duration::from_secs(options.seconds.into())).await;
        let (begin, logins) = log_in_at_once(&requests, options.logins).await?;
        storms.push(Storm {
            quiet_from,
            begin,
            end: Instant::now(),
            logins,
        });
    }
    stop.store(true, Ordering::Relaxed);

    let mut samples = Vec::new();
    let mut refresh_failures = BTreeMap::new();
    while let Some(outcome) = refreshing.join_next().await {
        let (session_samples, failures) = outcome?.context("a refreshing session")?;
        samples.extend(session_samples);
        for failure in failures {
            *refresh_failures.entry(failure).or_default() += 1;
        }
    }
    let findings = Findings {
        before: between(&samples, &storms, |storm| (storm.quiet_from, storm.begin)),
        during: between(&samples, &storms, |storm| (storm.begin, storm.end)),
        refresh_failures,
        storms,
        memory_before,
        memory_after: server.memory_kib()?,
        open_file_limit: server.open_file_limit()?,
    };
    Ok(summary::report(options, &cores, &findings))
}

/// One refresh: when it began, and its latency in microseconds.
type Sample = (Instant, u32);

/// The latencies of those samples that began within the window of any storm.
fn between(samples: &[Sample], storms: &[Storm], window: fn(&Storm) -> (Instant, Instant)) -> Latencies {
    let windows: Vec<_> = storms.iter().map(window).collect();
    let inside = |at: Instant| windows.iter().any(|(from, to)| (*from..*to).contains(&at));
    samples
        .iter()
        .filter(|(at, _)| inside(*at))
        .map(|(_, latency)| *latency)
        .collect::<Vec<_>>()
        .into()
}

/// When one session refreshes.
struct Pace {
    first: Instant,
    period: Duration,
    stop: Arc<AtomicBool>,
}

/// Refreshes `session` at its `pace`, whether or not the last answer came in time (open loop): a refresh that had to wait
/// for an answer overdue is measured from the moment it was due.
async fn refresh_steadily(
    mut connection: Connection,
    requests: TokenRequests,
    mut session: Session,
    pace: Pace,
) -> anyhow::Result<(Vec<Sample>, Vec<String>)> {
    let (mut samples, mut failures) = (Vec::new(), Vec::new());
    let mut due = pace.first;
    while !pace.stop.load(Ordering::Relaxed) {
        let mut begin = due;
        if Instant::now() < due {
            tokio::time::sleep_until(due.into()).await;
            // The timer's own lateness, up to a millisecond, is not the server's.
            begin = Instant::now();
        }
        let request = requests.refresh(&session.refresh_token);
        let response = connection.exchange(&request).await?;
        if response.status == 200 {
            session.advance(response.body)?;
        } else {
            failures.push(format!("status {}", response.status));
        }
        samples.push((begin, microseconds(begin.elapsed())));
        due += pace.period;
    }
    Ok((samples, failures))
}

/// Connects `count` sockets, then sends one login on each at the same moment; returns that moment and the latencies
/// by answer, in microseconds.
///
/// # Errors
/// If not one socket can be connected.
async fn log_in_at_once(
    requests: &TokenRequests,
    count: u32,
) -> anyhow::Result<(Instant, BTreeMap<Answer, Vec<u32>>)> {
    let request: Arc<[u8]> = requests.password().into();
    let address = requests.endpoint().address;
    let mut logins: BTreeMap<Answer, Vec<u32>> = BTreeMap::new();
    let mut connections = Vec::new();
    for _ in 0..count {
        match tokio::time::timeout(LOGIN_PATIENCE, Connection::open(address)).await {
            Ok(Ok(connection)) => connections.push(connection),
            _ => logins.entry(Answer::None).or_default().push(0),
        }
    }
    let barrier = Arc::new(Barrier::new(connections.len()));
    let mut waiting = JoinSet::new();
    for mut connection in connections {
        let (request, barrier) = (Arc::clone(&request), Arc::clone(&barrier));
        waiting.spawn(async move {
            barrier.wait().await;
            let start = Instant::now();
            let answer = match tokio::time::timeout(LOGIN_PATIENCE, connection.exchange(&request)).await {
                Ok(Ok(response)) => match response.status {
                    200 => Answer::Granted,
                    503 => Answer::Shed {
                        retry_after: response.retry_after,
                    },
                    other => Answer::OtherStatus(other),
                },
                Ok(Err(_)) | Err(_) => Answer::None,
            };
            (answer, start, microseconds(start.elapsed()))
        });
    }
    let mut begin = None;
    while let Some(login) = waiting.join_next().await {
        let (answer, start, latency) = login?;
        begin = Some(begin.map_or(start, |begin: Instant| begin.min(start)));
        logins.entry(answer).or_default().push(latency);
    }
    Ok((begin.context("no socket for a login could be connected")?, logins))
}
