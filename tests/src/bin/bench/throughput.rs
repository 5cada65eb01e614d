//! Requests per second and latencies of every endpoint, beside three bare handlers, in one run.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde::Deserialize;
use tokio::task::JoinSet;

use self::on_redis::OnRedis;
use self::table::Measured;
use self::target::Target;
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::machine;
use crate::process::{Cores, Server, own_cpu_time};
use crate::report::Report;
use crate::statistics::Latencies;
use crate::symbolon::{self, Ready, Session, TokenRequests, Tokens};

mod on_redis;
mod table;
mod target;
mod worker;

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
    let targets = options.targets();
    let mut bench = Bench::prepare(options, &targets, &cores, folder.path(), (server, ready)).await?;

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
    /// Where anything on Redis is measured.
    on_redis: Option<OnRedis>,
    /// The entity tag of the JWKS.
    jwks_etag: String,
    connections: u32,
    sizes: String,
}

#[derive(Deserialize)]
struct BareEndpoints {
    constant: Endpoint,
    sign: Endpoint,
    ask_and_sign: Endpoint,
}

/// What one round of one target found.
struct Round {
    per_second: f64,
    latencies: Latencies,
    /// Processor time of the server, and of the load generator and of Redis where it is asked, as shares of the round.
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
        targets: &[Target],
        cores: &Cores,
        folder: &std::path::Path,
        (symbolon, ready): (Server, Ready),
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
        let sessions = requests.log_in_often(options.connections).await?;
        let on_redis = if targets.iter().any(|target| target.asks_redis()) {
            Some(OnRedis::start(cores, options.connections).await?)
        } else {
            None
        };

        let mut command = Command::new(symbolon::sibling("bare")?);
        command.args([
            "--constant-bytes",
            &jwks.to_string(),
            "--claims-bytes",
            &claims.to_string(),
        ]);
        if let Some(on_redis) = &on_redis {
            command.args(["--redis", &on_redis.place.redis.url()]);
        }
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
            on_redis,
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
        let (server_before, load_before) = (self.server(target)?.cpu_time()?, self.load_time(target)?);
        let start = Instant::now();
        let until = start + length;
        let mut workers = JoinSet::new();
        for connection in connections {
            if target.refreshes() {
                let (requests, sessions) = self.refreshes(target)?;
                let session = sessions.pop().context("fewer sessions than connections")?;
                workers.spawn(worker::refresh(connection, requests.clone(), session, until));
            } else {
                workers.spawn(worker::repeat(connection, Arc::clone(&request), target, until));
            }
        }
        let mut latencies = Vec::new();
        while let Some(worker) = workers.join_next().await {
            let (worker_latencies, session) = worker??;
            latencies.extend(worker_latencies);
            if let Some(session) = session {
                self.refreshes(target)?.1.push(session);
            }
        }
        let elapsed = start.elapsed().as_secs_f64();
        let share = |before: Duration, after: Duration| (after - before).as_secs_f64() / elapsed;
        Ok(Round {
            per_second: latencies.len() as f64 / elapsed,
            latencies: latencies.into(),
            server_share: share(server_before, self.server(target)?.cpu_time()?),
            load_share: share(load_before, self.load_time(target)?),
        })
    }

    /// The server that answers requests of `target`.
    fn server(&self, target: Target) -> anyhow::Result<&Server> {
        Ok(match target {
            _ if target.is_bare() => &self.bare,
            Target::RefreshOnRedis => &self.on_redis()?.server,
            _ => &self.symbolon,
        })
    }

    /// Processor time used so far by what shares the core for load.
    fn load_time(&self, target: Target) -> anyhow::Result<Duration> {
        let own = own_cpu_time()?;
        if target.asks_redis() {
            return Ok(own + self.on_redis()?.redis_time()?);
        }
        Ok(own)
    }

    /// The sessions that `target` refreshes, and how.
    fn refreshes(&mut self, target: Target) -> anyhow::Result<(&TokenRequests, &mut Vec<Session>)> {
        if target == Target::RefreshOnRedis {
            let on_redis = self.on_redis.as_mut().context("Redis was not started")?;
            return Ok((&on_redis.requests, &mut on_redis.sessions));
        }
        Ok((&self.requests, &mut self.sessions))
    }

    fn on_redis(&self) -> anyhow::Result<&OnRedis> {
        self.on_redis.as_ref().context("Redis was not started")
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
            Target::AskAndSign => (
                self.bare_endpoints.ask_and_sign.clone(),
                self.requests
                    .client_credentials_to(&self.bare_endpoints.ask_and_sign),
            ),
            Target::RefreshOnRedis => (self.on_redis()?.requests.endpoint().clone(), Vec::new()),
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
             thread in each server; {}\n{}\n{}",
            machine::facts(cores),
            options.connections,
            options.rounds,
            options.seconds,
            self.sizes,
            self.on_redis.as_ref().map_or("", |_| on_redis::FACTS),
            table::markdown(measured),
        )
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
