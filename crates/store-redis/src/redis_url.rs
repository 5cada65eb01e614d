//! `redis.url` in its parts. Whoever needs to know what it says asks here: what shows it, what connects, what examines.

use redis::{ConnectionInfo, IntoConnectionInfo as _, RedisResult};
use url::Url;

/// Most hosts that one URL names.
const HOSTS: usize = 64;

/// A URL of Redis: `redis://` or `rediss://`, credentials, hosts separated by commas, and the number of a database.
/// Credentials and database stand once, for all hosts.
#[derive(Clone, Copy)]
pub struct RedisUrl<'a> {
    tls: bool,
    credentials: Option<&'a str>,
    behind: &'a str,
    hosts: &'a str,
    database: u16,
}

/// Without the credentials.
impl std::fmt::Debug for RedisUrl<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisUrl")
            .field("tls", &self.tls)
            .field("behind", &self.behind)
            .finish_non_exhaustive()
    }
}

/// Why a text is no URL of Redis. Quotes nothing of it, since it may hold a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UrlError {
    /// What follows the host is no number.
    #[error("what follows the host is not the number of a database, 0 to 65535")]
    Database,
    /// Nobody knows where the password ends.
    #[error("its user or password holds a character that divides URLs, or there is an @ behind the host")]
    Divided,
    /// A host or a port is malformed.
    #[error("a host and port in it are not sound: {0}")]
    Host(url::ParseError),
    /// It names too many hosts.
    #[error("it names {0} hosts, more than {HOSTS}")]
    Hosts(usize),
    /// A host is empty.
    #[error("it lacks a host")]
    NoHost,
    /// There are credentials, and no password among them.
    #[error("it has a user and no password")]
    NoPassword,
    /// Parameters could weaken what is promised of connections.
    #[error("it has parameters or a fragment")]
    Parameters,
    /// It begins otherwise.
    #[error("it must begin with redis:// or rediss://")]
    Scheme,
}

impl<'a> RedisUrl<'a> {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`UrlError`]: the first thing that is wrong.
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        let (tls, rest) = match text.split_once("://") {
            Some(("redis", rest)) => (false, rest),
            Some(("rediss", rest)) => (true, rest),
            _ => return Err(UrlError::Scheme),
        };
        let (credentials, behind) = match rest.rsplit_once('@') {
            Some((credentials, _)) if credentials.contains(['/', '?', '#', '@']) => {
                return Err(UrlError::Divided);
            }
            Some((credentials, behind)) => (Some(credentials), behind),
            None => (None, rest),
        };
        let password = credentials.map(|credentials| credentials.split_once(':').map(|(_, word)| word));
        if password.is_some_and(|word| word.is_none_or(str::is_empty)) {
            return Err(UrlError::NoPassword);
        }
        if behind.contains(['?', '#']) {
            return Err(UrlError::Parameters);
        }
        let (hosts, database) = behind.split_once('/').unwrap_or((behind, ""));
        check_hosts(hosts)?;
        Ok(Self {
            tls,
            credentials,
            behind,
            hosts,
            database: match database {
                "" => 0,
                digits => number(digits).ok_or(UrlError::Database)?,
            },
        })
    }

    /// Whether connections are encrypted, and certificates verified.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Whether it holds a password.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// The hosts, each with its port where it has one; at least one.
    pub fn hosts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.hosts.split(',')
    }

    /// The number of the database; 0 where none is named.
    pub fn database(&self) -> u16 {
        self.database
    }

    /// What follows scheme and credentials: hosts and database. It may be shown.
    pub fn behind_credentials(&self) -> &'a str {
        self.behind
    }

    /// How to reach one of the hosts, or another by the same credentials.
    pub(crate) fn server(&self, host: &str) -> RedisResult<ConnectionInfo> {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let (credentials, at) = self
            .credentials
            .map_or(("", ""), |credentials| (credentials, "@"));
        format!("{scheme}://{credentials}{at}{host}/{}", self.database).into_connection_info()
    }
}

fn number(digits: &str) -> Option<u16> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

fn check_hosts(hosts: &str) -> Result<(), UrlError> {
    let mut count = 0;
    for host in hosts.split(',') {
        let url = Url::parse(&format!("redis://{host}")).map_err(UrlError::Host)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(UrlError::NoHost);
        }
        count += 1;
    }
    match count {
        ..=HOSTS => Ok(()),
        _ => Err(UrlError::Hosts(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_url_names_all_hosts() {
        let url = RedisUrl::parse("rediss://ops:s%40cret@a:1,b:2,[::1]/4").unwrap();
        assert_eq!((url.tls(), url.database()), (true, 4));
        assert_eq!(url.hosts().collect::<Vec<_>>(), ["a:1", "b:2", "[::1]"]);
        assert_eq!(url.behind_credentials(), "a:1,b:2,[::1]/4");
        for (host, address) in [("a:1", "a:1"), ("b", "b:6379"), ("[::1]", "::1:6379")] {
            let info = url.server(host).unwrap();
            assert_eq!(info.addr().to_string(), address);
            let redis = info.redis_settings();
            assert_eq!(
                (redis.db(), redis.username(), redis.password()),
                (4, Some("ops"), Some("s@cret"))
            );
        }
        let plain = RedisUrl::parse("redis://a").unwrap();
        assert_eq!(
            (plain.tls(), plain.has_credentials(), plain.database()),
            (false, false, 0)
        );
        assert!(!format!("{url:?}").contains("cret"), "{url:?}");
    }

    #[test]
    fn what_is_none_is_refused() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("redis-sentinel://a", UrlError::Scheme),
            ("redis://u:p@b@c", UrlError::Divided),
            ("redis://user@a", UrlError::NoPassword),
            ("redis://:@a", UrlError::NoPassword),
            // It would switch off the check of certificates, where the driver can.
            ("rediss://u:p@a/#insecure", UrlError::Parameters),
            ("redis://a/0?protocol=resp3", UrlError::Parameters),
            ("redis://a/sessions", UrlError::Database),
            ("redis://a/65536", UrlError::Database),
            ("redis://a:port", UrlError::Host(url::ParseError::InvalidPort)),
            ("redis://a,,b", UrlError::NoHost),
        ] {
            assert_eq!(RedisUrl::parse(text).unwrap_err(), error, "{text}");
        }
        let many = format!("redis://{}", ["a"; 65].join(","));
        assert_eq!(RedisUrl::parse(&many).unwrap_err(), UrlError::Hosts(65));
    }
}
