//! A cluster that holds very many sessions: how much memory each takes in Redis, how long it takes to revoke all of one
//! subject, and how soon a node is ready.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use self::crowd::Crowd;
use self::member::Member;
use self::revocations::Revoked;
use crate::machine;
use crate::place::{Place, postgres};
use crate::process::Cores;
use crate::report::Report;
use crate::start::{self, Start};
use crate::statistics::median;

mod crowd;
mod member;
mod revocations;

#[derive(Args)]
pub(crate) struct Options {
    /// Sessions in Redis, and in the list in PostgreSQL
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(20_000..=10_000_000))]
    sessions: u32,
    /// Revocations of each kind and subject; medians are reported
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Starts of a node on each installation; medians are reported
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=50))]
    starts: u32,
    /// Idle time before the memory of a node is read, in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=120))]
    idle_seconds: u32,
}

/// What Redis needed for so many sessions.
struct Filled {
    sessions: u32,
    bytes: u64,
    /// Sessions begun per second since the row before.
    per_second: f64,
}

/// Fills one of two installations, measures it, and then starts nodes on both by turns.
///
/// # Errors
/// If a server fails, or anything is answered otherwise than it must be.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Report> {
    let cores = Cores::choose(false)?;
    let postgres = postgres();
    let (empty, full) = (Place::make(&postgres).await?, Place::make(&postgres).await?);
    let crowd = Arc::new(Crowd::new());
    eprintln!("listing {} sessions in PostgreSQL", options.sessions);
    postgres.sql(&full.database, &crowd.listing(options.sessions));
    let list_bytes: f64 = postgres
        .sql(&full.database, "SELECT pg_total_relation_size('sessions')")
        .parse()?;

    let member = Arc::new(Member::join(&full).await?);
    let nothing = full.redis_info("used_memory")?;
    let more_than_nothing =
        || -> anyhow::Result<u64> { Ok(full.redis_info("used_memory")?.saturating_sub(nothing)) };
    let mut filled = Vec::new();
    for sessions in milestones(options.sessions) {
        eprintln!("beginning {sessions} sessions in Redis");
        filled.push(Filled {
            sessions,
            per_second: crowd.grow_to(&member, sessions).await?,
            bytes: more_than_nothing()?,
        });
    }
    let before = more_than_nothing()?;
    let refreshed = crowd.refresh(&member).await?;
    let grown = more_than_nothing()?.saturating_sub(before) as f64 / f64::from(refreshed);

    eprintln!("revoking");
    let revoked = revocations::measure(&member, &crowd, options.rounds).await?;
    member.leave().await;

    let starts = starts(options, &cores, [&empty, &full]).await?;
    let markdown = format!(
        "{}- Method: two installations, each with a database in one PostgreSQL (commits reach the disk) and with a Redis \
         of its own (append-only file, `everysec`). One holds no session. In the other the product's own code begins them \
         in Redis, and its list in PostgreSQL holds {} rows ({:.0} MiB with its indexes). Memory is Redis's \
         `used_memory` less that without sessions\n\
         \n{}\n\
         - Refreshing {refreshed} of them three times each: {grown:.1} bytes more for each\n\
         \n{}\n{}",
        machine::facts(&cores),
        options.sessions,
        list_bytes / f64::from(1 << 20),
        memory_table(&filled),
        revocations_table(&revoked, options.rounds),
        starts_table(options, &starts),
    );
    Ok(Report {
        markdown,
        failures: Vec::new(),
    })
}

/// The counts of sessions at which memory is read. The last is just beyond a million by default, where Redis has
/// doubled its tables.
fn milestones(sessions: u32) -> [u32; 4] {
    [sessions / 100, sessions / 10, sessions, sessions / 20 * 21]
}

/// Starts a node on each installation by turns.
async fn starts(options: &Options, cores: &Cores, places: [&Place; 2]) -> anyhow::Result<[Vec<Start>; 2]> {
    let idle = Duration::from_secs(options.idle_seconds.into());
    let mut starts = [Vec::new(), Vec::new()];
    for number in 0..=options.starts as usize {
        eprintln!("start {number} of {}", options.starts);
        for turn in 0..places.len() {
            let which = (number + turn) % places.len();
            let server = places[which].start(cores)?;
            let start = Start::of(server, &places[which].requests()?, idle).await?;
            // The first one makes the signing keys.
            if number > 0 {
                starts[which].push(start);
            }
        }
    }
    Ok(starts)
}

fn memory_table(filled: &[Filled]) -> String {
    let mut text =
        "| Sessions in Redis | memory MiB | bytes per session | begun per second |\n|---:|---:|---:|---:|\n"
            .to_owned();
    for row in filled {
        text += &format!(
            "| {} | {:.1} | {:.0} | {:.0} |\n",
            row.sessions,
            row.bytes as f64 / f64::from(1 << 20),
            row.bytes as f64 / f64::from(row.sessions),
            row.per_second,
        );
    }
    text
}

fn revocations_table(revoked: &[Revoked], rounds: u32) -> String {
    let first = revoked
        .first()
        .map(|row| row.cutoff_ms.clone())
        .unwrap_or_default();
    let mut text = format!(
        "| Sessions of the subject | revoked by cutoff: ms, median of {rounds} | lowest | highest | of it owed to clocks: \
         ms | to the first row, within each round | revoked by block: ms, median | lowest | highest |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    );
    for row in revoked {
        let ratios = std::iter::zip(&row.cutoff_ms, &first).map(|(this, first)| this / first);
        text += &format!(
            "| {} | {} | {:.1} | {:.2} | {} |\n",
            row.sessions,
            median_and_range(&row.cutoff_ms),
            // The cutoff reaches so far ahead, and then every clock has to have passed it.
            median(row.spread_ms.clone()) * 2.0,
            median(ratios.collect()),
            median_and_range(&row.block_ms),
        );
    }
    text + "\n- A cutoff reaches beyond its moment by how far clocks may be apart, and the call returns when every clock has \
            passed that: no sooner than is owed to clocks, whatever else it does meanwhile. A block has no moment and waits \
            for no clock: it takes what the work takes\n"
}

fn median_and_range(values: &[f64]) -> String {
    let (lowest, highest) = (f64::min, f64::max);
    let most = |extreme: fn(f64, f64) -> f64| values.iter().copied().fold(f64::NAN, extreme);
    format!(
        "{:.1} | {:.1} | {:.1}",
        median(values.to_vec()),
        most(lowest),
        most(highest)
    )
}

fn starts_table(options: &Options, starts: &[Vec<Start>; 2]) -> String {
    let [empty, full] = starts;
    let ratio = |value: fn(&Start) -> f64| {
        median(
            std::iter::zip(full, empty)
                .map(|(full, empty)| value(full) / value(empty))
                .collect(),
        )
    };
    format!(
        "| Start of a node, median of {} | ready ms | first token ms | idle memory MiB |\n\
         |---|---:|---:|---:|\n\
         {}{}| ratio within each round, median | {:.2} | {:.2} | {:.2} |\n",
        options.starts,
        start::row("no session", empty),
        start::row(
            &format!("{} sessions in Redis and in the list", options.sessions),
            full
        ),
        ratio(|start| start.ready_ms),
        ratio(|start| start.token_ms),
        ratio(|start| start.idle_mib),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_goes_beyond_where_tables_of_redis_double() {
        let [.., all, beyond] = milestones(1_000_000);
        assert!(all < 1 << 20 && beyond > 1 << 20, "{all} {beyond}");
    }

    #[test]
    fn memory_is_that_of_one_session() {
        let text = memory_table(&[Filled {
            sessions: 1000,
            bytes: 150_000,
            per_second: 5000.0,
        }]);
        assert!(text.ends_with("| 1000 | 0.1 | 150 | 5000 |\n"), "{text}");
    }

    #[test]
    fn revocations_are_compared_within_rounds() {
        let row = |sessions, cutoff_ms: &[f64]| Revoked {
            sessions,
            cutoff_ms: cutoff_ms.to_vec(),
            block_ms: vec![2.0],
            spread_ms: vec![11.0],
        };
        let text = revocations_table(&[row(1, &[20.0, 40.0, 30.0]), row(9, &[20.0, 80.0, 45.0])], 3);
        assert!(
            text.contains("| 9 | 45.0 | 20.0 | 80.0 | 22.0 | 1.50 | 2.0 | 2.0 | 2.0 |\n"),
            "{text}"
        );
    }
}
