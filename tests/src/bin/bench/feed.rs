//! The revocation feed: how soon verifiers refuse what was revoked, what a stream costs a node, and what very many
//! entries cost everybody.

use std::net::{Ipv4Addr, SocketAddr};

use clap::{Args, ValueEnum};
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::free_port;

use crate::endpoint::Endpoint;
use crate::machine;
use crate::place::{Place, postgres};
use crate::process::{Cores, Server};
use crate::report::Report;

mod entries;
mod follower;
mod latency;
mod readers;
mod streams;

pub(crate) use self::follower::{FollowOptions, follow};

#[derive(Args)]
pub(crate) struct Options {
    /// Measure these alone
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Revocations, each until every verifier refuses the token
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    revocations: u32,
    /// Verifiers, on two nodes by turns
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    verifiers: u32,
    /// Streams on one node
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=9000))]
    streams: u32,
    /// Rounds with streams and without; medians over the rounds are reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Length of one round in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Live entries on the feed
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    entries: u32,
}

/// What is measured, in the order of the report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Part {
    /// From the answer to a revocation until verifiers refuse
    Latency,
    /// Streams on one node
    Streams,
    /// Very many entries
    Entries,
}

/// Sessions are many, and passwords are not what this is about; tokens outlive the run.
const SETTINGS: [(&str, &str); 3] = [
    ("passwords.memory_kib", "8192"),
    ("passwords.iterations", "1"),
    ("tokens.access_token_lifetime", "1h"),
];

/// Measures one part after the other, each on an installation of its own.
///
/// # Errors
/// If a server fails, or anything is answered otherwise than it must be.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Report> {
    let cores = Cores::choose(false)?;
    let postgres = postgres();
    let mut markdown = format!(
        "{}- Method: nodes on PostgreSQL (commits reach the disk) and Redis, which share the core for load; \
         verifiers are `symbolon-verifier` in one process on that core, over HTTP\n",
        machine::facts(&cores)
    );
    let wants = |part| options.only.is_empty() || options.only.contains(&part);
    if wants(Part::Latency) {
        markdown += &latency::measure(options, &cores, &postgres).await?;
    }
    if wants(Part::Streams) {
        markdown += &streams::measure(options, &cores, &postgres).await?;
    }
    if wants(Part::Entries) {
        markdown += &entries::measure(options, &cores, &postgres).await?;
    }
    Ok(Report {
        markdown,
        failures: Vec::new(),
    })
}

/// An installation, and a node of it.
struct Site {
    // The server goes first.
    server: Server,
    place: Place,
}

impl Site {
    async fn open(cores: &Cores, postgres: &Postgres) -> anyhow::Result<Self> {
        cores.pin_load()?;
        let place = Place::make_with(postgres, &SETTINGS).await?;
        let server = place.start(cores)?;
        Ok(Self { server, place })
    }

    /// Where the node is.
    fn address(&self) -> SocketAddr {
        self.place.ready.token_endpoint.address
    }

    /// A document of its feed.
    fn feed(&self, path: &str) -> Endpoint {
        self.place
            .ready
            .token_endpoint
            .with_path(&format!("/revocations{path}"))
    }
}

/// Where one more node may listen.
fn another_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}
