//! What PostgreSQL says of itself, over one connection.

use std::net::IpAddr;
use std::str::FromStr as _;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sea_orm::sqlx::{ConnectOptions as _, Connection as _, Error, query_as};

use super::check::{Check, LONGEST, Name, skip_rest, within};
use crate::config::DatabaseSettings;

/// Connections of a node beside `database.max_connections`: for what it must keep asking, and for notifications.
const BESIDES: u32 = 3;

/// Adds what the server says of itself. That it can be reached is known by now.
pub(super) async fn look(settings: &DatabaseSettings, checks: &mut Vec<Check>) {
    let facts = match PgConnectOptions::from_str(&settings.url) {
        Ok(options) => within(LONGEST, Facts::ask(&options)).await,
        // The store has understood it.
        Err(error) => Some(Err(error)),
    };
    match facts {
        Some(Ok(facts)) => checks.extend([
            facts.connection(),
            facts.tls(),
            facts.durability(),
            facts.capacity(settings.max_connections),
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

/// What it says of itself.
struct Facts {
    version: String,
    /// Whether this connection is encrypted.
    tls: bool,
    /// Whether the server's certificate was verified, with its name.
    verified: bool,
    /// Whether it is this machine, by loopback or by a Unix socket.
    local: bool,
    synchronous_commit: String,
    fsync: String,
    /// A replica, or set to it.
    read_only: bool,
    max_connections: i32,
    reserved: i32,
}

const ASK: &str = "SELECT current_setting('server_version'), \
     coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), \
     current_setting('synchronous_commit'), current_setting('fsync'), current_setting('transaction_read_only') = 'on', \
     current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int";

impl Facts {
    async fn ask(options: &PgConnectOptions) -> Result<Self, Error> {
        let options = options.clone().disable_statement_logging();
        let mut connection: PgConnection = options.connect().await?;
        let (version, tls, synchronous_commit, fsync, read_only, max_connections, reserved) =
            query_as(ASK).fetch_one(&mut connection).await?;
        // What was asked is answered.
        let _ = connection.close().await;
        Ok(Self {
            version,
            tls,
            verified: matches!(options.get_ssl_mode(), PgSslMode::VerifyFull),
            local: options.get_socket().is_some() || is_local(options.get_host()),
            synchronous_commit,
            fsync,
            read_only,
            max_connections,
            reserved,
        })
    }

    fn connection(&self) -> Check {
        let (name, version) = (Name::DatabaseConnection, &self.version);
        if self.read_only {
            return Check::failed(
                name,
                format!("PostgreSQL {version} answers, and lets nothing be written"),
                "let `database.url` name the primary rather than a replica, and set default_transaction_read_only to off",
            );
        }
        Check::ok(name, format!("PostgreSQL {version} answers"))
    }

    fn tls(&self) -> Check {
        let name = Name::DatabaseTls;
        match (self.tls, self.verified, self.local) {
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

    fn durability(&self) -> Check {
        let name = Name::DatabaseDurability;
        let off = [
            ("fsync", &self.fsync),
            ("synchronous_commit", &self.synchronous_commit),
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
                    self.fsync, self.synchronous_commit
                ),
            ),
        }
    }

    fn capacity(&self, pool: u32) -> Check {
        let name = Name::DatabaseCapacity;
        let each = pool.saturating_add(BESIDES);
        let (most, reserved) = (self.max_connections, self.reserved);
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
            local: false,
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
        look(&settings.database, &mut checks).await;
        checks
    }

    #[track_caller]
    fn outcome(checks: &[Check], name: Name) -> (Outcome, &str) {
        let check = checks.iter().find(|check| check.name == name).unwrap();
        (check.outcome, &check.detail)
    }

    #[test]
    fn tls_is_wanted_off_this_machine() {
        for (tls, verified, local, outcome) in [
            (true, true, false, Outcome::Ok),
            (true, false, false, Outcome::Warning),
            (false, false, false, Outcome::Warning),
            (false, false, true, Outcome::Ok),
        ] {
            let check = Facts {
                tls,
                verified,
                local,
                ..facts()
            }
            .tls();
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
            let check = facts().capacity(pool);
            assert_eq!(check.outcome, outcome, "{check:?}");
        }
        let forgetful = Facts {
            fsync: "off".to_owned(),
            ..facts()
        };
        assert!(forgetful.durability().detail.starts_with("fsync is off"));
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
