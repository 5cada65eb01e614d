//! What PostgreSQL says of itself.

use std::net::IpAddr;

use symbolon_store_sql::PostgresFacts as Facts;

use super::check::{Check, LONGEST, Name, skip_rest, within};
use crate::config::Settings;
use crate::node::database_config;

/// Connections of a node beside `database.max_connections`: for what it must keep asking, and for notifications.
const BESIDES: u32 = 3;

/// Adds what the server says of itself. That it can be reached is known by now.
pub(super) async fn look(settings: &Settings, checks: &mut Vec<Check>) {
    let config = database_config(settings);
    match within(LONGEST, config.inspect_postgres()).await {
        Some(Ok(facts)) => checks.extend([
            connection(&facts),
            tls(&facts),
            durability(&facts),
            capacity(&facts, config.max_connections),
        ]),
        Some(Err(error)) => {
            checks.push(Check::warning(
                Name::DatabaseConnection,
                format!("the database answers, but not what it is asked of itself: {error}"),
                "see that the user of `database.url` may read pg_stat_ssl and pg_settings",
            ));
            skip_rest(checks, &OF_SERVER, "PostgreSQL does not say");
        }
        None => skip_rest(checks, &OF_SERVER, "PostgreSQL did not say in time"),
    }
}

const OF_SERVER: [Name; 4] = [
    Name::DatabaseConnection,
    Name::DatabaseTls,
    Name::DatabaseDurability,
    Name::DatabaseCapacity,
];

fn connection(facts: &Facts) -> Check {
    let (name, version) = (Name::DatabaseConnection, &facts.version);
    if facts.read_only {
        return Check::failed(
            name,
            format!("PostgreSQL {version} answers, and lets nothing be written"),
            "let `database.url` name the primary rather than a replica, and set default_transaction_read_only to off",
        );
    }
    Check::ok(name, format!("PostgreSQL {version} answers"))
}

fn tls(facts: &Facts) -> Check {
    let name = Name::DatabaseTls;
    match (facts.tls, facts.verified, is_local(&facts.host)) {
        (true, true, _) => Check::ok(
            name,
            "the connection is encrypted, and the server's certificate is verified",
        ),
        (_, _, true) => Check::ok(name, "the connection stays on this machine"),
        (true, false, false) => Check::warning(
            name,
            "the connection is encrypted, but nobody verifies that it leads to the right server",
            "end `database.url` with ?sslmode=verify-full, and name the authority with sslrootcert where the system does \
             not trust it",
        ),
        (false, _, false) => Check::warning(
            name,
            "the connection leaves this machine in the clear, with the password and all facts",
            "switch TLS on at the server and end `database.url` with ?sslmode=verify-full, unless the network between is \
             as trusted as this machine",
        ),
    }
}

fn durability(facts: &Facts) -> Check {
    let name = Name::DatabaseDurability;
    let off = [
        ("fsync", &facts.fsync),
        ("synchronous_commit", &facts.synchronous_commit),
    ];
    match off.iter().find(|(_, value)| *value == "off") {
        Some((setting, _)) => Check::warning(
            name,
            format!("{setting} is off: a crash of the database can lose revocations that were answered"),
            format!("set {setting} to on at the server, for the database or for the role"),
        ),
        None => Check::ok(
            name,
            format!(
                "commits last (fsync {}, synchronous_commit {})",
                facts.fsync, facts.synchronous_commit
            ),
        ),
    }
}

fn capacity(facts: &Facts, pool: u32) -> Check {
    let name = Name::DatabaseCapacity;
    let each = pool.saturating_add(BESIDES);
    let (most, reserved) = (facts.max_connections, facts.reserved);
    let open = u32::try_from(most.saturating_sub(reserved)).unwrap_or(0);
    let nodes = open / each;
    let found = format!(
        "PostgreSQL accepts {open} connections (max_connections {most} less {reserved} for superusers), and a node \
         opens {each} (`database.max_connections` and {BESIDES} more): room for {nodes}"
    );
    let remedy = "raise max_connections of PostgreSQL, or lower `database.max_connections`";
    match nodes {
        0 => Check::failed(name, found, remedy),
        1 => Check::warning(name, found, remedy),
        _ => Check::ok(name, found),
    }
}

/// Whether a host is this machine; a path is the folder of a Unix socket.
fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.starts_with('/')
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use symbolon_testkit::servers::postgres::Postgres;

    use super::super::check::Outcome;
    use super::super::tests::settings;
    use super::*;

    fn facts() -> Facts {
        Facts {
            version: "17.1".to_owned(),
            tls: true,
            verified: true,
            host: "db.internal".to_owned(),
            synchronous_commit: "on".to_owned(),
            fsync: "on".to_owned(),
            read_only: false,
            max_connections: 100,
            reserved: 3,
        }
    }

    async fn looked_at(url: &str, toml: &str) -> Vec<Check> {
        let settings = settings(&format!(
            "issuer = \"http://127.0.0.1\"\ndatabase.url = \"{url}\"\n{toml}"
        ));
        let mut checks = Vec::new();
        look(&settings, &mut checks).await;
        checks
    }

    #[track_caller]
    fn outcome(checks: &[Check], name: Name) -> (Outcome, &str) {
        let check = checks.iter().find(|check| check.name == name).unwrap();
        (check.outcome, &check.detail)
    }

    #[test]
    fn tls_is_wanted_off_this_machine() {
        for (encrypted, verified, host, outcome) in [
            (true, true, "db", Outcome::Ok),
            (true, false, "db", Outcome::Warning),
            (false, false, "db", Outcome::Warning),
            (false, false, "/run/postgresql", Outcome::Ok),
        ] {
            let check = tls(&Facts {
                tls: encrypted,
                verified,
                host: host.to_owned(),
                ..facts()
            });
            assert_eq!(check.outcome, outcome, "{check:?}");
        }
        for host in ["localhost", "127.0.0.1", "[::1]", "::1", "/run/postgresql"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["db", "10.0.0.1", "localhost.example"] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn nodes_must_fit_and_commits_must_last() {
        for (pool, outcome) in [
            (10, Outcome::Ok),
            (46, Outcome::Warning),
            (94, Outcome::Warning),
            (95, Outcome::Failed),
        ] {
            let check = capacity(&facts(), pool);
            assert_eq!(check.outcome, outcome, "{check:?}");
        }
        let forgetful = Facts {
            fsync: "off".to_owned(),
            ..facts()
        };
        assert!(durability(&forgetful).detail.starts_with("fsync is off"));
    }

    #[tokio::test]
    async fn a_server_tells_what_is_asked_of_it() {
        let server = Postgres::start(&["max_connections=20", "fsync=off"]);
        let url = server.fresh_database().await;
        let database = url.rsplit('/').next().unwrap();
        let checks = looked_at(&url, "database.max_connections = 2").await;
        let (connected, version) = outcome(&checks, Name::DatabaseConnection);
        assert_eq!(connected, Outcome::Ok);
        assert!(
            version.contains(&server.sql("postgres", "SHOW server_version")),
            "{version}"
        );
        assert_eq!(outcome(&checks, Name::DatabaseTls).0, Outcome::Ok);
        let (durable, why) = outcome(&checks, Name::DatabaseDurability);
        assert_eq!(
            (durable, why.starts_with("fsync is off")),
            (Outcome::Warning, true),
            "{why}"
        );
        let (room, found) = outcome(&checks, Name::DatabaseCapacity);
        assert_eq!(
            (room, found.ends_with("room for 3")),
            (Outcome::Ok, true),
            "{found}"
        );
        let checks = looked_at(&url, "database.max_connections = 20").await;
        assert_eq!(outcome(&checks, Name::DatabaseCapacity).0, Outcome::Failed);

        server.sql(
            "postgres",
            &format!("ALTER DATABASE {database} SET default_transaction_read_only = on"),
        );
        let checks = looked_at(&url, "").await;
        assert_eq!(outcome(&checks, Name::DatabaseConnection).0, Outcome::Failed);
        let gone = looked_at(&format!("{url}-gone"), "").await;
        assert_eq!(outcome(&gone, Name::DatabaseConnection).0, Outcome::Warning);
        assert_eq!(outcome(&gone, Name::DatabaseTls).0, Outcome::Skipped);
    }
}
