//! The connection, whatever is at its other end.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use redis::aio::ConnectionLike;
use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, InfoDict, Pipeline, RedisError, RedisFuture, RedisResult,
    TlsMode, Value,
};

use crate::config::{RedisConfig, Servers, Topology};
use crate::error::ConnectError;
use crate::inspect::ServerFacts;
use crate::link::{Link, Server};

/// Shared by everybody; clones are cheap.
#[derive(Clone)]
pub(crate) struct Connection {
    link: Link,
    is_cluster: bool,
}

/// How many commands go to a cluster at once, where many belong together.
const AT_ONCE: usize = 32;

impl Connection {
    pub(crate) async fn open(config: &RedisConfig) -> Result<Self, ConnectError> {
        let servers = config.servers()?;
        let server = match &config.topology {
            Topology::Cluster => Server::Cluster(Box::new(cluster(servers, config)?)),
            Topology::Sentinel { service } => {
                Server::Watched(Box::new(sentinels(servers, service, config)?.into()))
            }
            Topology::Single => Server::Known(Box::new(single(servers, config)?)),
        };
        Ok(Self {
            link: Link::open(server, config).await?,
            is_cluster: config.topology == Topology::Cluster,
        })
    }

    /// What each of the commands is answered, each of whose keys are in one slot. On one server they are written at
    /// once. An error does not keep the others from being done.
    pub(crate) async fn all<T: FromRedisValue + Send>(&self, commands: Vec<Cmd>) -> RedisResult<Vec<T>> {
        if !self.is_cluster {
            let mut pipeline = Pipeline::with_capacity(commands.len());
            for command in commands {
                pipeline.add_command(command);
            }
            return pipeline.query_async(&mut self.link.clone()).await;
        }
        let each = commands.into_iter().map(|command| {
            let mut link = self.link.clone();
            async move { command.query_async(&mut link).await }
        });
        let answers: Vec<RedisResult<T>> = stream::iter(each).buffered(AT_ONCE).collect().await;
        answers.into_iter().collect()
    }

    /// What the commands are answered, one after the other: on one server over one connection, whatever takes over
    /// meanwhile, and on a cluster each where it belongs.
    pub(crate) async fn in_turn<const N: usize>(&self, commands: [Cmd; N]) -> RedisResult<[Value; N]> {
        let mut answers = Vec::with_capacity(N);
        if self.is_cluster {
            for command in commands {
                answers.push(command.query_async(&mut self.link.clone()).await?);
            }
        } else {
            answers = self.all(commands.into()).await?;
        }
        let mismatch =
            |_| RedisError::from((ErrorKind::UnexpectedReturnType, "not one answer to each command"));
        answers.try_into().map_err(mismatch)
    }
}

fn single(servers: Servers, config: &RedisConfig) -> Result<Client, ConnectError> {
    let Ok([server]) = <[_; 1]>::try_from(servers.all) else {
        return Err(ConnectError::Url(
            "it names several hosts: set `redis.mode` to cluster or sentinel".to_owned(),
        ));
    };
    let redis = server.redis_settings().clone().set_skip_set_lib_name();
    let server = server.set_tcp_settings(tcp(config)).set_redis_settings(redis);
    Ok(match servers.tls {
        Some(tls) => Client::build_with_tls(server, tls)?,
        None => Client::open(server)?,
    })
}

fn cluster(servers: Servers, config: &RedisConfig) -> Result<ClusterClient, ConnectError> {
    let mut client = ClusterClient::builder(servers.all)
        .connection_timeout(config.connect_timeout)
        .response_timeout(config.response_timeout)
        .overall_response_timeout(Some(config.response_timeout * 2))
        .tcp_settings(tcp(config))
        .min_retry_wait(20)
        .max_retry_wait(200)
        .retries(2);
    if let Some(tls) = servers.tls {
        client = client.tls(TlsMode::Secure).certs(tls);
    }
    Ok(client.build()?)
}

fn sentinels(servers: Servers, service: &str, config: &RedisConfig) -> Result<SentinelClient, ConnectError> {
    let redis = servers
        .all
        .first()
        .map(|info| info.redis_settings().clone())
        .unwrap_or_default();
    let addresses = servers.all.into_iter().map(|info| info.addr().clone());
    let mut client = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)?
        .set_client_to_redis_db(redis.db())
        .set_client_to_redis_tcp_settings(tcp(config))
        .set_client_to_sentinel_tcp_settings(tcp(config));
    if let Some(user) = redis.username() {
        client = client.set_client_to_redis_username(user);
    }
    if let Some(password) = redis.password() {
        client = client.set_client_to_redis_password(password);
    }
    if let Some(user) = &config.sentinel_username {
        client = client.set_client_to_sentinel_username(user);
    }
    if let Some(password) = &config.sentinel_password {
        client = client.set_client_to_sentinel_password(password);
    }
    if let Some(tls) = servers.tls {
        // The servers as well: the driver would talk to them in the clear.
        client = client
            .set_client_to_sentinel_certificates(tls.clone())
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(tls);
    }
    Ok(client.build()?)
}

/// A host that vanished without a word is noticed, and nothing that is small waits for more.
fn tcp(config: &RedisConfig) -> TcpSettings {
    let noticed = config.response_timeout.max(Duration::from_secs(1)) * 2;
    TcpSettings::default().set_nodelay(true).set_user_timeout(noticed)
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.link.req_packed_command(cmd)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.link.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.link.get_db()
    }
}

/// Refuses servers that can't keep sessions: too old, or forgetting them when their memory is full. Where a server does
/// not say, because the user may not ask, it warns.
pub(crate) async fn check(connection: &mut Connection) -> Result<(), ConnectError> {
    let info = redis::cmd("INFO");
    let told: RedisResult<Vec<InfoDict>> = if connection.is_cluster {
        let told: RedisResult<HashMap<String, InfoDict>> = info.query_async(connection).await;
        told.map(|of| of.into_values().collect())
    } else {
        info.query_async(connection).await.map(|told| vec![told])
    };
    match told {
        Ok(told) => told.iter().try_for_each(judge),
        Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => {
            tracing::warn!(
                "Redis does not answer INFO: see that it is version 6.2 or later and that its maxmemory-policy is \
                 noeviction"
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn judge(info: &InfoDict) -> Result<(), ConnectError> {
    let facts = ServerFacts::of(info);
    if facts.is_too_old() {
        return Err(ConnectError::Version { found: facts.version });
    }
    if facts.max_memory > 0 && facts.would_evict() {
        return Err(ConnectError::Evicts(facts.policy));
    }
    Ok(())
}
