//! The URL of Redis: `redis://` or `rediss://`, credentials, hosts, database.

use secrecy::SecretString;
use url::Url;

use super::database_url::{credentials, hidden, unsupported};
use super::kind::{Kind, printable};
use super::parse::{self, Problem};

/// Most hosts that one URL names.
const HOSTS: usize = 64;

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
    let parts = parts(text)?;
    Ok(RedisUrl {
        text: text.into(),
        tls: parts.scheme == "rediss",
        hosts: parts.hosts,
        database: parts.database,
    })
}

/// The URL as it may be shown: without user and password, and nothing but the scheme where it is not understood.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim();
    match parts(text) {
        Ok(Parts {
            credentials: false, ..
        }) => printable(text),
        Ok(Parts { scheme, behind, .. }) => format!("{scheme}://***@{}", printable(behind)),
        Err(_) => hidden(text),
    }
}

struct Parts<'a> {
    scheme: &'a str,
    credentials: bool,
    /// Hosts and database.
    behind: &'a str,
    hosts: usize,
    database: u16,
}

fn parts(text: &str) -> Result<Parts<'_>, Problem> {
    let Some((scheme @ ("redis" | "rediss"), rest)) = text.split_once("://") else {
        return Err(unsupported(
            text,
            "a Redis",
            "use redis, or rediss for TLS, such as \"redis://user:password@host:6379/0\"",
        ));
    };
    let (credentials, behind) = credentials(rest)?;
    if credentials.is_some_and(|credentials| {
        credentials
            .split_once(':')
            .is_none_or(|(_, word)| word.is_empty())
    }) {
        return Err(Problem {
            wrong: "it has a user and no password".to_owned(),
            remedy: Some(
                "write user:password@ before the host, :password@ where there is no user, or neither"
                    .to_owned(),
            ),
        });
    }
    if behind.contains(['?', '#']) {
        return Err(Problem {
            wrong: "it has parameters or a fragment".to_owned(),
            remedy: Some(
                "end it behind the number of the database; certificates are always verified".to_owned(),
            ),
        });
    }
    let (hosts, database) = behind.split_once('/').unwrap_or((behind, ""));
    Ok(Parts {
        scheme,
        credentials: credentials.is_some(),
        behind,
        hosts: count(hosts)?,
        database: match database {
            "" => 0,
            digits => number(digits).ok_or_else(|| {
                Problem::from("what follows the host is not the number of a database, 0 to 65535".to_owned())
            })?,
        },
    })
}

fn number(digits: &str) -> Option<u16> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

fn count(hosts: &str) -> Result<usize, Problem> {
    let mut count = 0;
    for host in hosts.split(',') {
        // The words of these errors never quote the URL.
        let url = Url::parse(&format!("redis://{host}"))
            .map_err(|error| Problem::from(format!("a host and port in it are not sound: {error}")))?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err("it lacks a host".to_owned().into());
        }
        count += 1;
    }
    match count {
        ..=HOSTS => Ok(count),
        _ => Err(format!("it names {count} hosts, more than {HOSTS}").into()),
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
