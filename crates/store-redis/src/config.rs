//! Where Redis is, in the words of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use redis::{ConnectionInfo, RedisResult, TlsCertificates};

use crate::error::ConnectError;
use crate::redis_url::RedisUrl;

/// Where Redis is and how long to wait for it.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://`, or `rediss://` for TLS, with user, password, host, port and database; several hosts, separated by
    /// commas, for a cluster and for Sentinel. It holds a password: it is never shown.
    pub url: String,
    /// How the servers work together.
    pub topology: Topology,
    /// What the names of all keys begin with. Two deployments may share a Redis under different ones. At most 32 bytes
    /// and without braces, which decide where a cluster keeps a key.
    pub prefix: String,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer, and for a connection that is coming back.
    pub response_timeout: Duration,
    /// How many replicas must have a fence before a revocation is promised.
    pub replicas: u32,
    /// PEM file of the authorities that may have signed the servers' certificates, instead of those that the operating
    /// system trusts. Only with `rediss://`.
    pub ca_file: Option<PathBuf>,
    /// The user that Sentinels ask for; `None` for their default user.
    pub sentinel_username: Option<String>,
    /// The password that Sentinels ask for. User and password of `url` are those of the servers: a Sentinel never sees
    /// them.
    pub sentinel_password: Option<String>,
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

/// What is connected to.
pub(crate) struct Servers {
    pub(crate) all: Vec<ConnectionInfo>,
    /// For `rediss://`.
    pub(crate) tls: Option<TlsCertificates>,
}

/// Longest prefix, in bytes: every key repeats it.
const LONGEST_PREFIX: usize = 32;

impl RedisConfig {
    /// What the URL and the files name.
    pub(crate) fn servers(&self) -> Result<Servers, ConnectError> {
        if self.prefix.len() > LONGEST_PREFIX || self.prefix.contains(['{', '}']) {
            return Err(ConnectError::Prefix);
        }
        let url = RedisUrl::parse(&self.url).map_err(|error| ConnectError::Url(error.to_string()))?;
        let tls = url.tls();
        if !tls && self.ca_file.is_some() {
            return Err(ConnectError::Url(
                "`redis.ca_file` is set, so it must begin with rediss://".to_owned(),
            ));
        }
        let all: RedisResult<Vec<_>> = url.hosts().map(|host| url.server(host)).collect();
        let malformed = |_| ConnectError::Url("as in redis://user:password@host:6379/0".to_owned());
        Ok(Servers {
            all: all.map_err(malformed)?,
            tls: tls.then(|| self.certificates()).transpose()?,
        })
    }

    fn certificates(&self) -> Result<TlsCertificates, ConnectError> {
        // The driver takes what the process has chosen, and panics where nothing is chosen and there is more than one
        // to choose from. An error says that it was chosen before.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let root_cert = match &self.ca_file {
            Some(file) => {
                let text =
                    std::fs::read(file).map_err(|error| ConnectError::Authorities(error.to_string()))?;
                if !text.windows(BEGINS.len()).any(|part| part == BEGINS) {
                    return Err(ConnectError::Authorities(
                        "it holds no certificate in PEM".to_owned(),
                    ));
                }
                Some(text)
            }
            None => None,
        };
        Ok(TlsCertificates {
            client_tls: None,
            root_cert,
        })
    }
}

const BEGINS: &[u8] = b"-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_none_are_refused_without_their_password() {
        for url in [
            "",
            "http://a",
            "redis://u:secret@a:port",
            "rediss://u:secret@a/#insecure",
        ] {
            let config = RedisConfig {
                url: url.to_owned(),
                topology: Topology::Single,
                prefix: String::new(),
                connect_timeout: Duration::ZERO,
                response_timeout: Duration::ZERO,
                replicas: 0,
                ca_file: None,
                sentinel_username: None,
                sentinel_password: None,
            };
            let error = config.servers().err().unwrap().to_string();
            assert!(error.starts_with("`redis.url` is not understood"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
