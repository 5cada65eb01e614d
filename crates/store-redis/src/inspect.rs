//! The servers themselves, each over a connection of its own: what they say of themselves, and what time it is there. For
//! whoever examines an installation; nothing is written.

use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, FromRedisValue, InfoDict, RedisConnectionInfo,
    RedisResult, TlsCertificates,
};
use symbolon_core::UnixMillis;

use crate::config::{RedisConfig, Servers, Topology};
use crate::error::told;
use crate::redis_url::RedisUrl;

/// Why a server can't be asked. Holds neither user nor password.
pub type Refusal = String;

/// A server that answers.
pub struct InspectedServer {
    name: String,
    connection: MultiplexedConnection,
}

/// What a server says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerFacts {
    /// Its version.
    pub version: String,
    /// Whether it is no replica.
    pub is_primary: bool,
    /// How many replicas it has.
    pub replicas: u32,
    /// Whether what it is given is appended to a file.
    pub appends: bool,
    /// Whether the last write of what it keeps on disk failed.
    pub write_failed: bool,
    /// Most memory that it takes, in bytes; 0 for no limit.
    pub max_memory: u64,
    /// Memory in use, in bytes.
    pub used_memory: u64,
    /// What it does when its memory is full; empty where it does not say.
    pub policy: String,
}

impl ServerFacts {
    pub(crate) fn of(info: &InfoDict) -> Self {
        let text = |key: &str| info.get::<String>(key).unwrap_or_default();
        let failed = |key: &str| text(key) == "err";
        Self {
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

    /// Whether it is older than 6.2, which the store needs.
    pub fn is_too_old(&self) -> bool {
        let mut numbers = self
            .version
            .split('.')
            .map(|number| number.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (6, 2)
    }

    /// Whether it drops keys when its memory is full, if it has a limit.
    pub fn would_evict(&self) -> bool {
        !self.policy.is_empty() && self.policy != "noeviction"
    }
}

impl RedisConfig {
    /// Every server that the URL names, or the one that its Sentinels name; why one is missing, in its place.
    pub async fn inspect(&self) -> Vec<Result<InspectedServer, Refusal>> {
        let servers = match self.servers() {
            Ok(servers) => servers,
            Err(error) => return vec![Err(error.to_string())],
        };
        let dial = Dial {
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            tls: servers.tls.as_ref(),
        };
        match &self.topology {
            Topology::Sentinel { service } => vec![self.watched(&servers, &dial, service).await],
            Topology::Cluster | Topology::Single => {
                join_all(servers.all.iter().map(|server| dial.open(server.clone()))).await
            }
        }
    }

    /// The server that the first Sentinel which answers calls the primary.
    async fn watched(
        &self,
        servers: &Servers,
        dial: &Dial<'_>,
        service: &str,
    ) -> Result<InspectedServer, Refusal> {
        let mut refusals = Vec::new();
        for server in &servers.all {
            let sentinel = dial.open(self.as_sentinel(server)).await;
            let asked = match sentinel {
                Ok(mut sentinel) => sentinel.primary(service).await,
                Err(refusal) => Err(refusal),
            };
            match asked {
                Ok(primary) => {
                    let url = RedisUrl::parse(&self.url).map_err(|error| error.to_string())?;
                    let info = url.server(&primary).map_err(|error| told(&error))?;
                    return dial.open(info).await;
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
        Err(refusals.join("; "))
    }

    /// How to reach a Sentinel, which never sees what the servers ask for.
    fn as_sentinel(&self, server: &ConnectionInfo) -> ConnectionInfo {
        let mut own = RedisConnectionInfo::default();
        if let Some(user) = &self.sentinel_username {
            own = own.set_username(user);
        }
        if let Some(password) = &self.sentinel_password {
            own = own.set_password(password);
        }
        server.clone().set_redis_settings(own)
    }
}

/// How connections are made.
struct Dial<'a> {
    connect_timeout: Duration,
    response_timeout: Duration,
    tls: Option<&'a TlsCertificates>,
}

impl Dial<'_> {
    async fn open(&self, info: ConnectionInfo) -> Result<InspectedServer, Refusal> {
        let name = info.addr().to_string();
        let opened: RedisResult<MultiplexedConnection> = async {
            let client = match self.tls {
                Some(tls) => Client::build_with_tls(info, tls.clone())?,
                None => Client::open(info)?,
            };
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(self.connect_timeout))
                .set_response_timeout(Some(self.response_timeout));
            client.get_multiplexed_async_connection_with_config(&config).await
        }
        .await;
        match opened {
            Ok(connection) => Ok(InspectedServer { name, connection }),
            Err(error) => Err(format!("{name}: {}", told(&error))),
        }
    }
}

impl InspectedServer {
    /// Host and port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// [`Refusal`], also where the user may not ask.
    pub async fn facts(&mut self) -> Result<ServerFacts, Refusal> {
        let info: InfoDict = self.ask(&redis::cmd("INFO")).await?;
        Ok(ServerFacts::of(&info))
    }

    /// Whether the cluster that it belongs to serves every slot.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn serves_all_slots(&mut self) -> Result<bool, Refusal> {
        let mut command = redis::cmd("CLUSTER");
        let told: String = self.ask(command.arg("INFO")).await?;
        Ok(told.lines().any(|line| line.trim_end() == "cluster_state:ok"))
    }

    /// What time it is there.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn time(&mut self) -> Result<UnixMillis, Refusal> {
        let (seconds, micros): (u64, u64) = self.ask(&redis::cmd("TIME")).await?;
        Ok(UnixMillis(
            seconds.saturating_mul(1000).saturating_add(micros / 1000),
        ))
    }

    /// Host and port of the server that this Sentinel calls the primary.
    async fn primary(&mut self, service: &str) -> Result<String, Refusal> {
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
        let told: Option<(String, u16)> = self.ask(&command).await?;
        match told {
            Some((host, port)) if host.contains(':') => Ok(format!("[{host}]:{port}")),
            Some((host, port)) => Ok(format!("{host}:{port}")),
            None => Err(format!(
                "{}: it watches nothing by the name of `redis.sentinel_service`",
                self.name
            )),
        }
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Refusal> {
        let answer = command.query_async(&mut self.connection).await;
        answer.map_err(|error| format!("{}: {}", self.name, told(&error)))
    }
}
