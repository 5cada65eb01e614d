//! The URL of Redis, as settings hold it, and as it may be shown.

use secrecy::SecretString;
use symbolon_store_redis::{RedisUrl as Parts, UrlError};

use super::database_url::{divided, hidden, unsupported};
use super::kind::{Kind, printable};
use super::parse::{self, Problem};

/// A URL that is understood.
pub(super) struct RedisUrl {
    /// The whole of it.
    pub(super) text: SecretString,
    /// Whether it asks for TLS.
    pub(super) tls: bool,
    /// How many hosts it names, at least one.
    pub(super) hosts: usize,
    /// The number of the database; 0 where it names none.
    pub(super) database: u16,
}

pub(super) fn parse(kind: Kind, text: &str) -> Result<RedisUrl, Problem> {
    let text = parse::bounded(kind, text.trim())?;
    let parts = Parts::parse(text).map_err(|error| problem(text, &error))?;
    Ok(RedisUrl {
        tls: parts.tls(),
        hosts: parts.hosts().count(),
        database: parts.database(),
        text: text.into(),
    })
}

/// The URL as it may be shown: without user and password, and nothing but the scheme where it is not understood.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim();
    match Parts::parse(text) {
        Ok(parts) if parts.has_credentials() => {
            let scheme = if parts.tls() { "rediss" } else { "redis" };
            format!("{scheme}://***@{}", printable(parts.behind_credentials()))
        }
        Ok(_) => printable(text),
        Err(_) => hidden(text),
    }
}

fn problem(text: &str, error: &UrlError) -> Problem {
    let remedy = match error {
        UrlError::Scheme => {
            let remedy = "use redis, or rediss for TLS, such as \"redis://user:password@host:6379/0\"";
            return unsupported(text, "a Redis", remedy);
        }
        UrlError::Divided => return divided(),
        UrlError::NoPassword => {
            "write user:password@ before the host, :password@ where there is no user, or neither"
        }
        UrlError::Parameters => "end it behind the number of the database; certificates are always verified",
        UrlError::Database | UrlError::Host(_) | UrlError::Hosts(_) | UrlError::NoHost => {
            return error.to_string().into();
        }
    };
    Problem {
        wrong: error.to_string(),
        remedy: Some(remedy.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn wrong(text: &str) -> String {
        let Err(problem) = parse(Kind::RedisUrl, text) else {
            panic!("{text} is accepted");
        };
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        assert!(!shown(text).contains("hunter2"), "{}", shown(text));
        problem.wrong
    }

    #[test]
    fn hosts_and_database_are_told_and_credentials_are_not_shown() {
        for (text, hosts, database, shown_as) in [
            ("redis://localhost", 1, 0, "redis://localhost"),
            ("redis://[::1]:6379/", 1, 0, "redis://[::1]:6379/"),
            (
                "redis://:hunter2@cache:6379/15",
                1,
                15,
                "redis://***@cache:6379/15",
            ),
            (
                "rediss://ops:hunter%402@a:1,b:2,[::1]",
                3,
                0,
                "rediss://***@a:1,b:2,[::1]",
            ),
        ] {
            let url = parse(Kind::RedisUrl, &format!("{text}\n "))
                .map_err(|p| p.wrong)
                .unwrap();
            assert_eq!((url.hosts, url.database), (hosts, database), "{text}");
            assert_eq!(url.text.expose_secret(), text);
            assert_eq!(shown(text), shown_as);
        }
    }

    #[test]
    fn urls_that_are_none_are_refused_without_their_password() {
        let divides =
            "its user or password holds a character that divides URLs, or there is an @ behind the host";
        for (text, said) in [
            ("hunter2", "it is not the URL of a Redis"),
            ("cache:6379", "it is not the URL of a Redis"),
            ("unix:///hunter2", "the scheme \"unix\" is not supported"),
            ("redis://u:hunter2/3@cache", divides),
            ("redis://u:hunter2@3@cache", divides),
            ("redis://u:1/2?hunter2@cache", divides),
            ("redis://hunter2@cache", "it has a user and no password"),
            ("redis://hunter2:@cache", "it has a user and no password"),
            (
                "rediss://:hunter2@cache/0#insecure",
                "it has parameters or a fragment",
            ),
            (
                "redis://:hunter2@cache?protocol=resp3",
                "it has parameters or a fragment",
            ),
            (
                "redis://:hunter2@cache/sessions",
                "what follows the host is not the number of a database, 0 to 65535",
            ),
            (
                "redis://cache/65536",
                "what follows the host is not the number of a database, 0 to 65535",
            ),
            (
                "redis://:hunter2@cache:port",
                "a host and port in it are not sound: invalid port number",
            ),
            ("redis://:hunter2@a,,b", "it lacks a host"),
            ("redis://", "it lacks a host"),
        ] {
            assert_eq!(wrong(text), said, "{text}");
        }
        let many = format!("redis://{}", ["a"; 65].join(","));
        assert_eq!(wrong(&many), "it names 65 hosts, more than 64");
    }
}
