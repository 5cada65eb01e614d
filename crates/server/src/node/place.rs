//! Where the stores are, for errors: never with the credentials.

use std::path::Path;

use symbolon_store_redis::RedisUrl;
use url::Url;

/// The file of SQLite that the URL names; nothing for PostgreSQL, and for a database that is nowhere but in memory.
pub fn of_sqlite(url: &str) -> Option<&Path> {
    let location = url.strip_prefix("sqlite:")?;
    let path = location.strip_prefix("//").unwrap_or(location);
    (path != ":memory:").then(|| Path::new(path))
}

/// Host and port of a PostgreSQL; nothing for SQLite.
pub(super) fn of_database(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() != "sqlite")?;
    // As a parameter it beats the other.
    let named = url.query_pairs().filter(|(name, _)| name == "host").last();
    let host = named.map(|(_, host)| host.into_owned());
    let host = host.or_else(|| url.host_str().map(str::to_owned))?;
    Some(format!("PostgreSQL at {host}:{}", url.port().unwrap_or(5432)))
}

/// The hosts of Redis, with their ports.
pub(super) fn of_redis(url: &str) -> String {
    let Ok(url) = RedisUrl::parse(url) else {
        return "Redis".to_owned();
    };
    format!("Redis at {}", url.hosts().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_as_the_database_takes_it() {
        for (url, path) in [
            ("sqlite:symbolon.db", Some("symbolon.db")),
            ("sqlite:/var/lib/a b.db", Some("/var/lib/a b.db")),
            ("sqlite:///var/lib/a.db", Some("/var/lib/a.db")),
            ("sqlite::memory:", None),
            ("postgres://me@db/x", None),
        ] {
            assert_eq!(of_sqlite(url), path.map(Path::new), "{url}");
        }
    }

    #[test]
    fn stores_are_named_without_credentials() {
        for (url, place) in [
            ("sqlite:symbolon.db", None),
            ("postgres://me:secret@db/x", Some("PostgreSQL at db:5432")),
            (
                "postgresql://me:secret@[::1]:6000/x",
                Some("PostgreSQL at [::1]:6000"),
            ),
            (
                "postgres://me@db:1/x?host=/run/postgresql",
                Some("PostgreSQL at /run/postgresql:1"),
            ),
        ] {
            assert_eq!(of_database(url).as_deref(), place, "{url}");
        }
        for (url, place) in [
            ("redis://cache:6379/0", "Redis at cache:6379"),
            ("rediss://me:secret@a:1,b:2", "Redis at a:1, b:2"),
            ("redis://me@secret/", "Redis"),
        ] {
            assert_eq!(of_redis(url), place, "{url}");
        }
    }
}
