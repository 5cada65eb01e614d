//! Requests per second and latencies of every endpoint, beside two bare handlers, in one run.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde::Deserialize;
use tokio::task::JoinSet;

use self::table::Measured;
use self::target::Target;
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::machine;
use crate::process::{Cores, Server, own_cpu_time};
use crate::report::Report;
use crate::statistics::{Latencies, microseconds};
use crate::symbolon::{self, Ready, Session, TokenRequests, Tokens};

mod table;
mod target;

#[derive(Args)]
pub(crate) struct Options {
    /// Length of one round of one target in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Rounds of each target; medians over the rounds are reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Keep-alive connections, each with one request in flight
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=512))]
    connections: u32,
    /// Measure these targets alone
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Target>,
}

impl Options {
    /// The targets in the order of the table.
    fn targets(&self) -> Vec<Target> {
        let mut targets = Target::ALL.to_vec();
        targets.retain(|target| self.only.is_empty() || self.only.contains(target));
        targets
    }
}

/// Starts all servers and measures.
///
/// # Errors
/// If a server cannot be started, or any answer is not the one expected.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Report> {
    let cores = Cores::choose(false)?;
    let folder = tempfile::tempdir()?;
    let (server, ready) = symbolon::start(&cores, folder.path())?;
    let mut bench = Bench::prepare(options, &cores, folder.path(), server, ready).await?;

    let targets = options.targets();
    eprintln!("warming up");
    for target in &targets {
        bench
            .round(*target, Duration::from_secs(1))
            .await
            .with_context(|| format!("warm-up of {target:?}"))?;
    }
    let mut measured: Vec<Measured> = targets.into_iter().map(Measured::new).collect();
    for number in 0..options.rounds as usize {
        eprintln!("round {} of {}", number + 1, options.rounds);
        for place in 0..measured.len() {
            // Each round begins with another target, so that none always follows the same neighbour.
            let index = (number + place) % measured.len();
            let Measured { target, rounds } = &mut measured[index];
            let round = bench.round(*target, Duration::from_secs(options.seconds.into()));
            rounds.push(round.await.with_context(|| format!("{target:?}"))?);
        }
    }
    Ok(Report {
        markdown: bench.markdown(options, &cores, &measured),
        failures: Vec::new(),
    })
}

/// The servers and what is sent to them.
struct Bench {
    symbolon: Server,
    ready: Ready,
    requests: TokenRequests,
    bare: Server,
    bare_endpoints: BareEndpoints,
    sessions: Vec<Session>,
    /// The entity tag of the JWKS.
    jwks_etag: String,
    connections: u32,
    sizes: String,
}

#[derive(Deserialize)]
struct BareEndpoints {
    constant: Endpoint,
    sign: Endpoint,
}

/// What one round of one target found.
struct Round {
    per_second: f64,
    latencies: Latencies,
    /// Processor time of the server and of the load generator, as shares of the round.
    server_share: f64,
    load_share: f64,
}

impl Round {
    /// Microseconds of processor time that the server used for a request. Other programs on its core take less from
    /// this than from the rate.
    fn server_us(&self) -> f64 {
        self.server_share / self.per_second * 1e6
    }
}

impl Bench {
    async fn prepare(
        options: &Options,
        cores: &Cores,
        folder: &std::path::Path,
        symbolon: Server,
        ready: Ready,
    ) -> anyhow::Result<Self> {
        let requests = TokenRequests::new(&ready)?;
        let mut connection = Connection::open(ready.jwks_uri.address).await?;
        let jwks = connection.exchange(&ready.jwks_uri.get()).await?;
        let jwks_etag = jwks.header("etag").context("the JWKS has no ETag")?.to_owned();
        let jwks = jwks.ok().context("JWKS")?.len();
        let body = connection
            .exchange(&requests.client_credentials())
            .await?
            .ok()
            .context("client_credentials")?;
        let claims = claims_length(&Tokens::parse(body)?.access_token)?;
        let mut sessions = Vec::new();
        for _ in 0..options.connections {
            sessions.push(requests.log_in().await?);
        }

        let mut command = Command::new(symbolon::sibling("bare")?);
        command.args([
            "--constant-bytes",
            &jwks.to_string(),
            "--claims-bytes",
            &claims.to_string(),
        ]);
        let (bare, bare_endpoints) = Server::start(command, cores, &folder.join("bare.log"))?;
        let sizes = format!("JWKS and constant of {jwks} bytes, claims of {claims} bytes");
        let connections = options.connections;
        Ok(Self {
            symbolon,
            ready,
            requests,
            bare,
            bare_endpoints,
            sessions,
            jwks_etag,
            connections,
            sizes,
        })
    }

    /// Sends requests of `target` over all connections for `length`.
    async fn round(&mut self, target: Target, length: Duration) -> anyhow::Result<Round> {
        let (endpoint, request) = self.request(target).await?;
        let request: Arc<[u8]> = request.into();
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Connection::open(endpoint.address).await?);
        }
        let server = if target.is_bare() {
            &self.bare
        } else {
            &self.symbolon
        };

        let (server_before, load_before) = (server.cpu_time()?, own_cpu_time()?);
        let start = Instant::now();
        let until = start + length;
        let mut workers = JoinSet::new();
        for connection in connections {
            if target == Target::Refresh {
                let session = self.sessions.pop().context("fewer sessions than connections")?;
                workers.spawn(refresh(connection, self.requests.clone(), session, until));
            } else {
                workers.spawn(repeat(connection, Arc::clone(&request), target, until));
            }
        }
        let mut latencies = Vec::new();
        while let Some(worker) = workers.join_next().await {
            let (worker_latencies, session) = worker??;
            latencies.extend(worker_latencies);
            self.sessions.extend(session);
        }
        let elapsed = start.elapsed().as_secs_f64();
        let share = |before: Duration, after: Duration| (after - before).as_secs_f64() / elapsed;
        Ok(Round {
            per_second: latencies.len() as f64 / elapsed,
            latencies: latencies.into(),
            server_share: share(server_before, server.cpu_time()?),
            load_share: share(load_before, own_cpu_time()?),
        })
    }

    /// Where requests of `target` go, and the request. (That of a refresh is each session's own.)
    async fn request(&self, target: Target) -> anyhow::Result<(Endpoint, Vec<u8>)> {
        let token_endpoint = || self.requests.endpoint().clone();
        Ok(match target {
            Target::Constant => (
                self.bare_endpoints.constant.clone(),
                self.bare_endpoints.constant.get(),
            ),
            // The very request that Symbolon gets.
            Target::SignOnly => (
                self.bare_endpoints.sign.clone(),
                self.requests.client_credentials_to(&self.bare_endpoints.sign),
            ),
            Target::ClientCredentials => (token_endpoint(), self.requests.client_credentials()),
            Target::Refresh => (token_endpoint(), Vec::new()),
            // A fresh token for each round: none may expire before the last.
            Target::Introspection => {
                let session = self.requests.log_in().await?;
                (
                    self.ready.introspection_endpoint.clone(),
                    self.ready.introspection(&session.access_token)?,
                )
            }
            Target::Jwks => (self.ready.jwks_uri.clone(), self.ready.jwks_uri.get()),
            Target::Jwks304 => (
                self.ready.jwks_uri.clone(),
                self.ready.jwks_uri.get_unless(&self.jwks_etag),
            ),
        })
    }

    fn markdown(&self, options: &Options, cores: &Cores, measured: &[Measured]) -> String {
        format!(
            "{}- Method: HTTP/1.1 keep-alive over loopback, {} connections with one request in flight each, {} rounds of \
             {} s per target, interleaved, each beginning with another target; medians over the rounds; one worker \
             thread in each server; {}\n\n{}",
            machine::facts(cores),
            options.connections,
            options.rounds,
            options.seconds,
            self.sizes,
            table::markdown(measured),
        )
    }
}

type Outcome = anyhow::Result<(Vec<u32>, Option<Session>)>;

/// Sends the same request again and again.
async fn repeat(mut connection: Connection, request: Arc<[u8]>, target: Target, until: Instant) -> Outcome {
    let mut latencies = Vec::new();
    loop {
        let start = Instant::now();
        if start >= until {
            return Ok((latencies, None));
        }
        let response = connection.exchange(&request).await?;
        latencies.push(microseconds(start.elapsed()));
        target.check(response)?;
    }
}

/// Refreshes one session again and again, each time with the token it got last.
async fn refresh(
    mut connection: Connection,
    requests: TokenRequests,
    mut session: Session,
    until: Instant,
) -> Outcome {
    let mut latencies = Vec::new();
    loop {
        let request = requests.refresh(&session.refresh_token);
        let start = Instant::now();
        if start >= until {
            return Ok((latencies, Some(session)));
        }
        let body = connection.exchange(&request).await?.ok()?;
        latencies.push(microseconds(start.elapsed()));
        session.advance(body)?;
    }
}

/// The length of a compact JWT's claims in bytes.
fn claims_length(token: &str) -> anyhow::Result<usize> {
    let claims = token.split('.').nth(1).context("the access token is no JWT")?;
    Ok(URL_SAFE_NO_PAD
        .decode(claims)
        .context("the access token is no JWT")?
        .len())
}
