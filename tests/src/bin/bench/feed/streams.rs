//! Very many streams on one node: its memory, and tokens beside them.

use std::time::{Duration, Instant};

use symbolon_testkit::servers::postgres::Postgres;
use tokio::task::JoinSet;
use url::Url;

use super::readers::{Position, Readers};
use super::{Options, Site};
use crate::connection::Connection;
use crate::process::{Cores, allow_open_files};
use crate::statistics::{Latencies, median, microseconds};

/// Connections that ask for tokens, one request in flight each.
const CONNECTIONS: usize = 8;
/// For what was just closed to be gone.
const CALM: Duration = Duration::from_secs(2);
/// Files of this process beside its streams.
const OTHER_FILES: u64 = 256;

/// One round of token requests.
struct Round {
    latencies: Latencies,
    per_second: f64,
}

/// Opens the streams, looks at the memory of the node, and asks for tokens with them and without by turns.
///
/// # Errors
/// If the node can't be started, refuses a stream, or answers otherwise than it must.
pub(super) async fn measure(options: &Options, cores: &Cores, postgres: &Postgres) -> anyhow::Result<String> {
    let site = Site::open(cores, postgres).await?;
    allow_open_files(u64::from(options.streams) + OTHER_FILES, "--streams")?;
    let seconds = Duration::from_secs(options.seconds.into());
    let stream: Url = format!("{}/revocations/stream", site.place.ready.issuer).parse()?;
    // As it is when it has worked a while.
    ask(&site, seconds).await?;
    let before = site.server.memory_kib()?.now;
    eprintln!("opening {} streams", options.streams);
    let mut readers = Readers::open(&stream, &position(&site).await?, options.streams).await?;
    readers.wait(3).await?;
    let with = site.server.memory_kib()?.now;
    let (began, used) = (Instant::now(), site.server.cpu_time()?);
    readers.wait(5).await?;
    let share = (site.server.cpu_time()? - used).as_secs_f64() / began.elapsed().as_secs_f64();
    readers.close().await;

    let (mut without_streams, mut with_streams) = (Vec::new(), Vec::new());
    for number in 0..options.rounds {
        eprintln!("round {} of {}", number + 1, options.rounds);
        tokio::time::sleep(CALM).await;
        without_streams.push(ask(&site, seconds).await?);
        let readers = Readers::open(&stream, &position(&site).await?, options.streams).await?;
        with_streams.push(ask(&site, seconds).await?);
        readers.close().await;
    }
    let after = site.server.memory_kib()?;
    site.server.stop()?;
    Ok(format!(
        "\n| Streams on one node | its memory before, MiB | with them | KiB for each | at most in all rounds, MiB | its CPU, \
         for a head a second each |\n|---:|---:|---:|---:|---:|---:|\n\
         | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} % |\n\
         \n`client_credentials` on {CONNECTIONS} connections beside them, {} rounds of {} s by turns, medians over the \
         rounds:\n\n| Tokens | requests/s | p50 ms | p99 ms |\n|---|---:|---:|---:|\n{}{}{}",
        options.streams,
        mib(before),
        mib(with),
        (with as f64 - before as f64) / f64::from(options.streams),
        mib(after.peak),
        share * 100.0,
        options.rounds,
        options.seconds,
        row("without streams", &without_streams),
        row("with them", &with_streams),
        ratios(&without_streams, &with_streams),
    ))
}

/// How far the feed of the node has come.
async fn position(site: &Site) -> anyhow::Result<Position> {
    let mut connection = Connection::open(site.address()).await?;
    let head = connection.exchange(&site.feed("/head").get()).await?;
    Position::of(head.ok()?)
}

/// Asks for tokens for so long.
async fn ask(site: &Site, length: Duration) -> anyhow::Result<Round> {
    let request = site.place.requests()?.client_credentials();
    let (began, mut askers) = (Instant::now(), JoinSet::new());
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(site.address()).await?;
        let request = request.clone();
        askers.spawn(async move {
            let mut latencies = Vec::new();
            while began.elapsed() < length {
                let asked = Instant::now();
                connection.exchange(&request).await?.ok()?;
                latencies.push(microseconds(asked.elapsed()));
            }
            anyhow::Ok(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(latencies) = askers.join_next().await {
        all.extend(latencies??);
    }
    Ok(Round {
        per_second: all.len() as f64 / began.elapsed().as_secs_f64(),
        latencies: all.into(),
    })
}

/// What is compared of a round.
const FIGURES: [fn(&Round) -> f64; 3] = [
    |round| round.per_second,
    |round| round.latencies.percentile_ms(50),
    |round| round.latencies.percentile_ms(99),
];

fn row(name: &str, rounds: &[Round]) -> String {
    let [rate, p50, p99] = FIGURES.map(|figure| median(rounds.iter().map(figure).collect()));
    format!("| {name} | {rate:.0} | {p50:.2} | {p99:.2} |\n")
}

fn ratios(without: &[Round], with: &[Round]) -> String {
    let [rate, p50, p99] = FIGURES.map(|figure| {
        let ratios = std::iter::zip(with, without).map(|(with, without)| figure(with) / figure(without));
        median(ratios.collect())
    });
    format!("| ratio within each round | {rate:.2} | {p50:.2} | {p99:.2} |\n")
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_compared_within_themselves() {
        let round = |per_second, microseconds: u32| Round {
            per_second,
            latencies: vec![microseconds].into(),
        };
        let without = [round(100.0, 1_000), round(200.0, 500)];
        let with = [round(50.0, 2_000), round(100.0, 1_000)];
        assert_eq!(
            ratios(&without, &with),
            "| ratio within each round | 0.50 | 2.00 | 2.00 |\n"
        );
        assert_eq!(row("x", &with), "| x | 75 | 1.50 | 1.50 |\n");
    }
}
