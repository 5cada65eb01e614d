//! The connection: one, shared by everybody, that comes back by itself.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, InfoDict, IntoConnectionInfo,
    Pipeline, RedisError, RedisFuture, RedisResult, Value,
};
use tokio::sync::Mutex;

use crate::error::ConnectError;

/// Where Redis is and how long to wait for it.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://`, or `rediss://` for TLS, with user, password, host, port and database; several hosts, separated by
    /// commas, for a cluster and for Sentinel. It holds a password: it is never shown.
    pub url: String,
    /// How the servers work together.
    pub topology: Topology,
    /// What the names of all keys begin with. Two deployments may share a Redis under different ones.
    pub prefix: String,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer.
    pub response_timeout: Duration,
    /// How many replicas must have a fence before a revocation is promised.
    pub replicas: u32,
}

impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig")
            .field("topology", &self.topology)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// How the servers work together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Topology {
    /// A Redis Cluster; the hosts are some of its nodes.
    Cluster,
    /// Sentinels watch a server of that name; the hosts are the Sentinels.
    Sentinel {
        /// The name of the service.
        service: String,
    },
    /// One server.
    Single,
}

/// Shared by everybody; clones are cheap.
#[derive(Clone)]
pub(crate) enum Connection {
    Cluster(ClusterConnection),
    Sentinel(Watched),
    Single(ConnectionManager),
}

/// Waits between attempts to come back: from a tenth of a second to two seconds.
const LEAST_WAIT: Duration = Duration::from_millis(100);
const MOST_WAIT: Duration = Duration::from_secs(2);

impl Connection {
    pub(crate) async fn open(config: &RedisConfig) -> Result<Self, ConnectError> {
        let servers = servers(&config.url)?;
        Ok(match &config.topology {
            Topology::Cluster => Self::Cluster(cluster(servers, config).await?),
            Topology::Sentinel { service } => Self::Sentinel(Watched::open(servers, service, config).await?),
            Topology::Single => Self::Single(single(servers, config).await?),
        })
    }

    /// Whether all that a command needs is on one server, so that its replicas are those of every key.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

fn servers(url: &str) -> Result<Vec<ConnectionInfo>, ConnectError> {
    let malformed = |why: &str| ConnectError::Url(why.to_owned());
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| malformed("it must begin with redis:// or rediss://"))?;
    if !["redis", "rediss"].contains(&scheme) {
        return Err(malformed("it must begin with redis:// or rediss://"));
    }
    // User, password and database stand once, for all hosts.
    let (user, rest) = rest
        .rsplit_once('@')
        .map_or(("", rest), |(user, rest)| (user, rest));
    let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
    let at = if user.is_empty() { "" } else { "@" };
    hosts
        .split(',')
        .map(|host| {
            format!("{scheme}://{user}{at}{host}/{database}")
                .into_connection_info()
                .map_err(|_| malformed("as in redis://user:password@host:6379/0"))
        })
        .collect()
}

async fn single(
    mut servers: Vec<ConnectionInfo>,
    config: &RedisConfig,
) -> Result<ConnectionManager, ConnectError> {
    let (Some(server), true) = (servers.pop(), servers.is_empty()) else {
        return Err(ConnectError::Url(
            "it names several hosts: set `redis.mode` to cluster or sentinel".to_owned(),
        ));
    };
    let manager = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(config.connect_timeout))
        .set_response_timeout(Some(config.response_timeout))
        .set_min_delay(LEAST_WAIT)
        .set_max_delay(MOST_WAIT);
    Ok(Client::open(server)?
        .get_connection_manager_with_config(manager)
        .await?)
}

async fn cluster(
    servers: Vec<ConnectionInfo>,
    config: &RedisConfig,
) -> Result<ClusterConnection, ConnectError> {
    let client = ClusterClient::builder(servers)
        .connection_timeout(config.connect_timeout)
        .response_timeout(config.response_timeout)
        .overall_response_timeout(Some(config.response_timeout * 2))
        .retries(2)
        .build()?;
    Ok(client.get_async_connection().await?)
}

/// The server that the Sentinels call the master. When it breaks, they are asked again.
#[derive(Clone)]
pub(crate) struct Watched {
    shared: Arc<WatchedShared>,
}

struct WatchedShared {
    client: Mutex<SentinelClient>,
    config: AsyncConnectionConfig,
    current: Mutex<Option<MultiplexedConnection>>,
}

impl Watched {
    async fn open(
        sentinels: Vec<ConnectionInfo>,
        service: &str,
        config: &RedisConfig,
    ) -> Result<Self, ConnectError> {
        let first = sentinels.first().cloned();
        let addresses: Vec<ConnectionAddr> = sentinels.iter().map(|info| info.addr().clone()).collect();
        let mut builder = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)?;
        if let Some(info) = first {
            let redis = info.redis_settings();
            builder = builder.set_client_to_redis_db(redis.db());
            if let Some(user) = redis.username() {
                builder = builder.set_client_to_redis_username(user);
            }
            if let Some(password) = redis.password() {
                builder = builder.set_client_to_redis_password(password);
            }
        }
        let timeouts = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.response_timeout));
        let watched = Self {
            shared: Arc::new(WatchedShared {
                client: Mutex::new(builder.build()?),
                config: timeouts,
                current: Mutex::new(None),
            }),
        };
        watched.connection().await?;
        Ok(watched)
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut current = self.shared.current.lock().await;
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        let mut client = self.shared.client.lock().await;
        let connection = client
            .get_async_connection_with_config(&self.shared.config)
            .await?;
        *current = Some(connection.clone());
        Ok(connection)
    }

    /// Whether the connection is to a server that is no longer the right one, or to none.
    async fn judge(&self, error: &RedisError) {
        if error.is_io_error() || error.is_connection_dropped() || error.code() == Some("READONLY") {
            *self.shared.current.lock().await = None;
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Cluster(connection) => connection.req_packed_command(cmd),
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Sentinel(watched) => Box::pin(async move {
                let mut connection = watched.connection().await?;
                let answer = connection.req_packed_command(cmd).await;
                if let Err(error) = &answer {
                    watched.judge(error).await;
                }
                answer
            }),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Sentinel(watched) => Box::pin(async move {
                let mut connection = watched.connection().await?;
                let answers = connection.req_packed_commands(pipeline, offset, count).await;
                if let Err(error) = &answers {
                    watched.judge(error).await;
                }
                answers
            }),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Cluster(connection) => connection.get_db(),
            Self::Single(connection) => connection.get_db(),
            Self::Sentinel(_) => 0,
        }
    }
}

/// Refuses a server that can't keep sessions: one that is too old, or that forgets them when its memory is full.
pub(crate) async fn check(connection: &mut Connection) -> Result<(), ConnectError> {
    if connection.is_cluster() {
        // INFO is answered by each node for itself; what matters is said by the first command that fails.
        return Ok(());
    }
    let info: InfoDict = redis::cmd("INFO").query_async(connection).await?;
    let found: String = info.get("redis_version").unwrap_or_default();
    let mut numbers = found.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (6, 2) {
        return Err(ConnectError::Version { found });
    }
    let policy: String = info.get("maxmemory_policy").unwrap_or_default();
    let bounded = info.get::<u64>("maxmemory").is_some_and(|bytes| bytes > 0);
    if bounded && !policy.is_empty() && policy != "noeviction" {
        return Err(ConnectError::Evicts(policy));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_url_names_all_hosts() {
        let servers = servers("redis://ops:s%40cret@a:1,b:2,c:3/4").unwrap();
        let shown: Vec<_> = servers.iter().map(|info| info.addr().to_string()).collect();
        assert_eq!(shown, ["a:1", "b:2", "c:3"]);
        for info in &servers {
            let redis = info.redis_settings();
            assert_eq!(
                (redis.db(), redis.username(), redis.password()),
                (4, Some("ops"), Some("s@cret"))
            );
        }
    }

    #[test]
    fn urls_that_are_none_are_refused_without_their_password() {
        for url in [
            "",
            "redis",
            "http://a",
            "redis-sentinel://a",
            "redis://u:secret@a:port",
        ] {
            let error = servers(url).unwrap_err().to_string();
            assert!(error.starts_with("`redis.url` is not understood"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
