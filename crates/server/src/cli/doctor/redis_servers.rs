//! The servers of Redis themselves, each over a connection of its own: what they say of themselves, and what time it is.

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, InfoDict,
    IntoConnectionInfo as _, RedisError, RedisResult, TlsCertificates,
};
use secrecy::ExposeSecret as _;
use symbolon_core::Clock;

use super::clock::RedisTime;
use crate::config::{RedisSettings, RedisTopology};

/// A server that answers.
pub(super) struct Server {
    /// Host and port.
    pub(super) name: String,
    connection: MultiplexedConnection,
}

/// Why a server, or all of them, can't be asked. Holds neither user nor password.
pub(super) type Refusal = String;

/// The URL in its parts; the configuration has validated it.
struct Address<'a> {
    scheme: &'a str,
    /// User and password with the `@`, or nothing.
    credentials: &'a str,
    hosts: Vec<&'a str>,
    database: &'a str,
}

impl<'a> Address<'a> {
    fn of(url: &'a str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
        let (credentials, rest) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        Self {
            scheme,
            credentials,
            hosts: hosts.split(',').collect(),
            database,
        }
    }

    /// How to reach a server.
    fn server(&self, host: &str) -> RedisResult<ConnectionInfo> {
        let Self {
            scheme,
            credentials,
            database,
            ..
        } = self;
        format!("{scheme}://{credentials}{host}/{database}").into_connection_info()
    }

    /// How to reach a Sentinel, which never sees what the servers ask for.
    fn sentinel(&self, host: &str, settings: &RedisSettings) -> RedisResult<ConnectionInfo> {
        let info = format!("{}://{host}", self.scheme).into_connection_info()?;
        let mut redis = info.redis_settings().clone();
        if let Some(user) = &settings.sentinel_username {
            redis = redis.set_username(user);
        }
        if let Some(password) = &settings.sentinel_password {
            redis = redis.set_password(password.expose_secret());
        }
        Ok(info.set_redis_settings(redis))
    }
}

/// The hosts that the URL names, without their ports.
pub(super) fn hosts(settings: &RedisSettings) -> Vec<String> {
    let address = Address::of(settings.url.expose_secret());
    let host = |host: &&str| {
        let name = host
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok());
        name.map_or(*host, |(name, _)| name).to_owned()
    };
    address.hosts.iter().map(host).collect()
}

/// Every server that the URL names, or the one that its Sentinels name; why one is missing, in its place.
pub(super) async fn open(settings: &RedisSettings) -> Vec<Result<Server, Refusal>> {
    let address = Address::of(settings.url.expose_secret());
    let tls = match certificates(settings, address.scheme) {
        Ok(tls) => tls,
        Err(refusal) => return vec![Err(refusal)],
    };
    let dial = Dial { settings, tls };
    let RedisTopology::Sentinel { service } = &settings.topology else {
        let each = address
            .hosts
            .iter()
            .map(|host| dial.open(host, address.server(host)));
        return join_all(each).await;
    };
    vec![dial.watched(&address, service).await]
}

/// The authorities that may have signed the servers' certificates; none without TLS.
fn certificates(settings: &RedisSettings, scheme: &str) -> Result<Option<TlsCertificates>, Refusal> {
    if scheme != "rediss" {
        return Ok(None);
    }
    // The driver takes what the process has chosen. An error says that it was chosen before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let read = settings.ca_file.as_ref().map(std::fs::read).transpose();
    let root_cert = read.map_err(|error| format!("`redis.ca_file` can't be read: {error}"))?;
    Ok(Some(TlsCertificates {
        client_tls: None,
        root_cert,
    }))
}

/// How connections are made.
struct Dial<'a> {
    settings: &'a RedisSettings,
    tls: Option<TlsCertificates>,
}

impl Dial<'_> {
    async fn open(&self, host: &str, info: RedisResult<ConnectionInfo>) -> Result<Server, Refusal> {
        let opened = async {
            let client = match &self.tls {
                Some(tls) => Client::build_with_tls(info?, tls.clone())?,
                None => Client::open(info?)?,
            };
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(self.settings.connect_timeout))
                .set_response_timeout(Some(self.settings.response_timeout));
            client.get_multiplexed_async_connection_with_config(&config).await
        };
        match opened.await {
            Ok(connection) => Ok(Server {
                name: host.to_owned(),
                connection,
            }),
            Err(error) => Err(format!("{host}: {}", told(&error))),
        }
    }

    /// The server that the first Sentinel which answers calls the primary.
    async fn watched(&self, address: &Address<'_>, service: &str) -> Result<Server, Refusal> {
        let mut refusals = Vec::new();
        for host in &address.hosts {
            let sentinel = self.open(host, address.sentinel(host, self.settings)).await;
            let asked = match sentinel {
                Ok(mut sentinel) => sentinel.primary(service).await,
                Err(refusal) => Err(refusal),
            };
            match asked {
                Ok(primary) => return self.open(&primary, address.server(&primary)).await,
                Err(refusal) => refusals.push(refusal),
            }
        }
        Err(refusals.join("; "))
    }
}

impl Server {
    /// What it says of itself.
    pub(super) async fn info(&mut self) -> Result<InfoDict, Refusal> {
        self.ask(&redis::cmd("INFO")).await
    }

    /// Whether the cluster that it belongs to serves every slot.
    pub(super) async fn serves_all_slots(&mut self) -> Result<bool, Refusal> {
        let mut command = redis::cmd("CLUSTER");
        let told: String = self.ask(command.arg("INFO")).await?;
        Ok(told.lines().any(|line| line.trim_end() == "cluster_state:ok"))
    }

    /// What time it is there.
    pub(super) async fn time(&mut self, clock: &dyn Clock) -> Result<RedisTime, Refusal> {
        let asked = clock.now();
        let (seconds, micros): (u64, u64) = self.ask(&redis::cmd("TIME")).await?;
        let theirs = seconds.saturating_mul(1000).saturating_add(micros / 1000);
        Ok(RedisTime::new(self.name.clone(), asked, clock.now(), theirs))
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

/// What may be shown of an error: the text of the driver may quote a command, and with it a password.
fn told(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::Io if error.is_timeout() => "no answer in time".to_owned(),
        ErrorKind::Io => error.to_string(),
        ErrorKind::Parse => "what answers does not speak as Redis does".to_owned(),
        kind => match error.code() {
            Some(code) => format!("it answers {code}"),
            None => format!("{kind:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_parts() {
        let address = Address::of("rediss://ops:s%40cret@a:1,b:2/4");
        assert_eq!((address.scheme, address.credentials), ("rediss", "ops:s%40cret@"));
        assert_eq!(
            (address.hosts.as_slice(), address.database),
            (&["a:1", "b:2"][..], "4")
        );
        let info = address.server("c:3").unwrap();
        assert_eq!(info.addr().to_string(), "c:3");
        let redis = info.redis_settings();
        assert_eq!(
            (redis.db(), redis.username(), redis.password()),
            (4, Some("ops"), Some("s@cret"))
        );
        let plain = Address::of("redis://a");
        assert_eq!((plain.credentials, plain.hosts.as_slice()), ("", &["a"][..]));
    }
}
