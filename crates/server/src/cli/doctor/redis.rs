//! Redis: whether it answers, and whether it keeps what it is given.

use std::net::IpAddr;

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use symbolon_core::Clock;
use symbolon_store_redis::{InspectedServer, RedisUrl, Refusal, ServerFacts};

use super::check::{Check, LONGEST, Name, late, skip_rest, within};
use super::clock::RedisTime;
use super::{Patient, clock};
use crate::config::{RedisSettings, RedisTopology};
use crate::node::redis_config;

const NAMES: [Name; 6] = [
    Name::ClockRedis,
    Name::RedisConnection,
    Name::RedisTls,
    Name::RedisPersistence,
    Name::RedisMemory,
    Name::RedisReplicas,
];

pub(super) async fn checks(patient: &Patient) -> Vec<Check> {
    let mut checks = Vec::new();
    let Some(settings) = &patient.settings.redis else {
        let why = "`redis.url` is not set: the database keeps the sessions";
        skip_rest(&mut checks, &NAMES, why);
        return checks;
    };
    checks.push(tls(settings));
    if within(LONGEST, ask(patient, settings, &mut checks))
        .await
        .is_none()
    {
        checks.push(late(Name::RedisConnection));
    }
    skip_rest(
        &mut checks,
        &NAMES,
        "Redis can't be asked: see `redis.connection`",
    );
    checks
}

async fn ask(patient: &Patient, settings: &RedisSettings, checks: &mut Vec<Check>) {
    let opened = redis_config(settings).inspect().await;
    let missing: Vec<_> = opened
        .iter()
        .filter_map(|server| server.as_ref().err().cloned())
        .collect();
    let mut servers: Vec<InspectedServer> = opened.into_iter().flatten().collect();
    let clock = &*patient.clock;
    let each = servers.iter_mut().map(|server| async move {
        let told = server.facts().await.map(|facts| Told {
            name: server.name().to_owned(),
            facts,
        });
        (told, time(server, clock).await)
    });
    let (told, times): (Vec<_>, Vec<_>) = join_all(each).await.into_iter().unzip();
    let times: Vec<_> = times.into_iter().flatten().collect();
    let slots = match (&settings.topology, servers.first_mut()) {
        (RedisTopology::Cluster, Some(server)) => Some(server.serves_all_slots().await),
        _ => None,
    };
    let connection = connection(settings, &missing, &told, slots);
    checks.push(connection);
    if servers.is_empty() {
        return;
    }
    checks.push(clock::redis(&times, patient.settings.database.clock_tolerance));
    let told: Vec<Told> = told.into_iter().flatten().collect();
    if told.is_empty() {
        let why =
            "Redis does not answer INFO: let the user of `redis.url` ask (ACL +info), or see to it by hand";
        skip_rest(checks, &NAMES, why);
        return;
    }
    checks.extend([
        worst(Name::RedisPersistence, &told, Told::persistence),
        worst(Name::RedisMemory, &told, Told::memory),
        worst(Name::RedisReplicas, &told, |told| {
            told.replicas(settings.replicas)
        }),
    ]);
}

/// What time it is there, where it says.
async fn time(server: &mut InspectedServer, clock: &dyn Clock) -> Option<RedisTime> {
    let asked = clock.now();
    let theirs = server.time().await.ok()?;
    Some(RedisTime::new(
        server.name().to_owned(),
        asked,
        clock.now(),
        theirs,
    ))
}

/// What a server says of itself.
struct Told {
    name: String,
    facts: ServerFacts,
}

impl Told {
    fn persistence(&self) -> Check {
        let (name, at) = (Name::RedisPersistence, &self.name);
        if self.facts.write_failed {
            return Check::failed(
                name,
                format!("{at} could not write to its disk the last time, and may refuse changes"),
                "see the log of Redis and free space on its disk",
            );
        }
        if !self.facts.appends {
            return Check::warning(
                name,
                format!(
                    "{at} does not keep what it is given (appendonly no): when it restarts, who used a refresh token last is \
                     forgotten, and with `tokens.adopt_lost_sessions` false everybody logs in again"
                ),
                "set `appendonly yes` in the configuration of Redis",
            );
        }
        Check::ok(name, "what it is given is appended to a file")
    }

    fn memory(&self) -> Check {
        let (name, at, facts) = (Name::RedisMemory, &self.name, &self.facts);
        let policy = &facts.policy;
        let remedy = "set `maxmemory-policy noeviction` in the configuration of Redis";
        match (facts.would_evict(), facts.max_memory) {
            (true, 0) => Check::warning(
                name,
                format!("{at} would evict sessions and fences ({policy}) if it were given a limit of memory"),
                remedy,
            ),
            (true, _) => Check::failed(
                name,
                format!(
                    "{at} evicts sessions and fences when its memory is full ({policy}): the server refuses it"
                ),
                remedy,
            ),
            (false, max) if max > 0 && facts.used_memory / 9 >= max / 10 => Check::warning(
                name,
                format!(
                    "{at} uses {} MiB of {} MiB: full, it refuses logins",
                    facts.used_memory >> 20,
                    max >> 20
                ),
                "raise `maxmemory` of Redis",
            ),
            (false, _) => Check::ok(name, "it evicts nothing"),
        }
    }

    fn replicas(&self, wanted: u32) -> Check {
        let (name, at, found) = (Name::RedisReplicas, &self.name, self.facts.replicas);
        if found < wanted {
            return Check::warning(
                name,
                format!(
                    "{at} has {found} replicas and `redis.replicas` is {wanted}: revocations are answered with 202, not 200"
                ),
                "see to the replicas, or lower `redis.replicas`",
            );
        }
        if wanted == 0 {
            return Check::ok(
                name,
                "`redis.replicas` is 0: a revocation is promised by the primary alone",
            );
        }
        Check::ok(
            name,
            format!("{found} replicas, of {wanted} that must have a revocation"),
        )
    }
}

fn connection(
    settings: &RedisSettings,
    missing: &[Refusal],
    told: &[Result<Told, Refusal>],
    slots: Option<Result<bool, Refusal>>,
) -> Check {
    let name = Name::RedisConnection;
    let reach = "see that Redis runs, that `redis.url` names it and a user who may use it, and that the scheme is rediss \
                 where it wants TLS, and only there; `redis.ca_file` names authorities that the system does not trust";
    if told.is_empty() {
        return Check::failed(name, missing.join("; "), reach);
    }
    let known = || told.iter().flatten();
    if let Some(old) = known().find(|told| told.facts.is_too_old()) {
        return Check::failed(
            name,
            format!(
                "{} is version {}, and 6.2 or later is needed",
                old.name, old.facts.version
            ),
            "upgrade Redis",
        );
    }
    let is_cluster = settings.topology == RedisTopology::Cluster;
    if let Some(replica) = known().find(|told| !told.facts.is_primary && !is_cluster) {
        return Check::failed(
            name,
            format!("{} is a replica, on which nothing can be written", replica.name),
            "let `redis.url` name the primary, or set `redis.mode`",
        );
    }
    if slots == Some(Ok(false)) {
        return Check::failed(
            name,
            "the cluster does not serve every slot (cluster_state)",
            "see `redis-cli cluster info`, and bring back the nodes that are missing",
        );
    }
    if !missing.is_empty() {
        return Check::warning(name, missing.join("; "), reach);
    }
    let found = told.iter().map(|told| match told {
        Ok(told) => format!("{} (version {})", told.name, told.facts.version),
        Err(refusal) => format!("no INFO of {refusal}"),
    });
    Check::ok(name, found.collect::<Vec<_>>().join(", "))
}

pub(super) fn tls(settings: &RedisSettings) -> Check {
    let name = Name::RedisTls;
    let url = match RedisUrl::parse(settings.url.expose_secret()) {
        Ok(url) => url,
        // The configuration has understood it.
        Err(error) => return Check::failed(name, error.to_string(), "correct `redis.url`"),
    };
    if url.tls() {
        return Check::ok(name, "connections are encrypted, and certificates are verified");
    }
    if url.hosts().all(is_local) {
        return Check::ok(name, "connections stay on this machine");
    }
    Check::warning(
        name,
        "connections leave this machine in the clear, with the password and the sessions' records",
        "let `redis.url` begin with rediss://, unless the network between is as trusted as this machine",
    )
}

/// Whether a host, with or without its port, is this machine.
fn is_local(host: &str) -> bool {
    let port = host
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok());
    let name = port.map_or(host, |(name, _)| name);
    let ip = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// What is worst among the servers.
fn worst(name: Name, told: &[Told], judge: impl Fn(&Told) -> Check) -> Check {
    use super::Outcome::{Failed, Ok, Skipped, Warning};
    let rank = |check: &Check| match check.outcome {
        Skipped => 0,
        Ok => 1,
        Warning => 2,
        Failed => 3,
    };
    let checks = told.iter().filter(|told| told.facts.is_primary).map(judge);
    checks
        .max_by_key(rank)
        .unwrap_or_else(|| Check::skipped(name, "no primary answers"))
}
