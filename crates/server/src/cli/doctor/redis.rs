//! Redis: whether it answers, and whether it keeps what it is given.

use std::net::IpAddr;

use futures_util::future::join_all;
use redis::InfoDict;

use super::check::{Check, LONGEST, Name, late, skip_rest, within};
use super::redis_servers::{Refusal, Server, hosts, open};
use super::{Patient, clock};
use crate::config::{RedisSettings, RedisTopology};

const NAMES: [Name; 6] = [
    Name::ClockRedis,
    Name::RedisConnection,
    Name::RedisTls,
    Name::RedisPersistence,
    Name::RedisMemory,
    Name::RedisReplicas,
];

/// The oldest version that the server works with.
const OLDEST: (u32, u32) = (6, 2);

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
    let opened = open(settings).await;
    let missing: Vec<_> = opened
        .iter()
        .filter_map(|server| server.as_ref().err().cloned())
        .collect();
    let mut servers: Vec<Server> = opened.into_iter().flatten().collect();
    let clock = &*patient.clock;
    let each = servers.iter_mut().map(|server| async move {
        let told = server
            .info()
            .await
            .map(|info| Told::of(server.name.clone(), &info));
        (told, server.time(clock).await.ok())
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

/// What a server says of itself.
struct Told {
    name: String,
    version: String,
    is_primary: bool,
    replicas: u32,
    appends: bool,
    /// Whether the last write of what it keeps on disk failed.
    write_failed: bool,
    max_memory: u64,
    used_memory: u64,
    policy: String,
}

impl Told {
    fn of(name: String, info: &InfoDict) -> Self {
        let text = |key: &str| info.get::<String>(key).unwrap_or_default();
        let failed = |key: &str| text(key) == "err";
        Self {
            name,
            version: text("redis_version"),
            is_primary: text("role") != "slave",
            replicas: info.get("connected_slaves").unwrap_or(0),
            appends: text("aof_enabled") == "1",
            write_failed: failed("aof_last_write_status")
                || failed("aof_last_bgrewrite_status")
                || failed("rdb_last_bgsave_status"),
            max_memory: info.get("maxmemory").unwrap_or(0),
            used_memory: info.get("used_memory").unwrap_or(0),
            policy: text("maxmemory_policy"),
        }
    }

    fn is_too_old(&self) -> bool {
        let mut numbers = self
            .version
            .split('.')
            .map(|number| number.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST
    }

    fn persistence(&self) -> Check {
        let (name, at) = (Name::RedisPersistence, &self.name);
        if self.write_failed {
            return Check::failed(
                name,
                format!("{at} could not write to its disk the last time, and may refuse changes"),
                "see the log of Redis and free space on its disk",
            );
        }
        if !self.appends {
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
        let (name, at, policy) = (Name::RedisMemory, &self.name, &self.policy);
        let remedy = "set `maxmemory-policy noeviction` in the configuration of Redis";
        match (policy == "noeviction" || policy.is_empty(), self.max_memory) {
            (false, 0) => Check::warning(
                name,
                format!("{at} would evict sessions and fences ({policy}) if it were given a limit of memory"),
                remedy,
            ),
            (false, _) => Check::failed(
                name,
                format!(
                    "{at} evicts sessions and fences when its memory is full ({policy}): the server refuses it"
                ),
                remedy,
            ),
            (true, max) if max > 0 && self.used_memory / 9 >= max / 10 => Check::warning(
                name,
                format!(
                    "{at} uses {} MiB of {} MiB: full, it refuses logins",
                    self.used_memory >> 20,
                    max >> 20
                ),
                "raise `maxmemory` of Redis",
            ),
            (true, _) => Check::ok(name, "it evicts nothing"),
        }
    }

    fn replicas(&self, wanted: u32) -> Check {
        let (name, at, found) = (Name::RedisReplicas, &self.name, self.replicas);
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
    if let Some(old) = known().find(|told| told.is_too_old()) {
        return Check::failed(
            name,
            format!(
                "{} is version {}, and 6.2 or later is needed",
                old.name, old.version
            ),
            "upgrade Redis",
        );
    }
    let is_cluster = settings.topology == RedisTopology::Cluster;
    if let Some(replica) = known().find(|told| !told.is_primary && !is_cluster) {
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
        Ok(told) => format!("{} (version {})", told.name, told.version),
        Err(refusal) => format!("no INFO of {refusal}"),
    });
    Check::ok(name, found.collect::<Vec<_>>().join(", "))
}

pub(super) fn tls(settings: &RedisSettings) -> Check {
    use secrecy::ExposeSecret as _;
    let name = Name::RedisTls;
    if settings.url.expose_secret().starts_with("rediss://") {
        return Check::ok(name, "connections are encrypted, and certificates are verified");
    }
    let is_local = |host: &String| {
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    };
    if hosts(settings).iter().all(is_local) {
        return Check::ok(name, "connections stay on this machine");
    }
    Check::warning(
        name,
        "connections leave this machine in the clear, with the password and the sessions' records",
        "let `redis.url` begin with rediss://, unless the network between is as trusted as this machine",
    )
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
    let checks = told.iter().filter(|told| told.is_primary).map(judge);
    checks
        .max_by_key(rank)
        .unwrap_or_else(|| Check::skipped(name, "no primary answers"))
}
