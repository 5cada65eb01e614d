//! An installation on PostgreSQL and Redis, with the user and the clients of the development mode.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use serde_json::Value;
use symbolon_core::{Rng as _, SystemClock, SystemRng};
use symbolon_jose::KeyEncryptionKey;
use symbolon_server::config::Settings;
use symbolon_server::node::{self, Stores, claim_issuer};
use symbolon_server::{dev, secrets};
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::{Redis, free_port};
use tempfile::TempDir;

use crate::process::{Cores, Server};
use crate::symbolon::{self, Ready, TokenRequests};

/// As `deploy/redis/redis.conf` has it: each write is in the file before it is answered, and on the disk within a second.
const APPEND_ONLY: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "everysec"];
/// Commits reach the disk, unlike those of the tests' servers, and tables are looked after.
const DURABLE: [&str; 3] = ["fsync=on", "full_page_writes=on", "autovacuum=on"];

/// Where one installation keeps everything, and what it is called by.
pub(crate) struct Place {
    pub(crate) redis: Redis,
    /// URL of the database.
    pub(crate) database: String,
    pub(crate) ready: Ready,
    values: Vec<(&'static str, String)>,
    folder: TempDir,
}

/// Starts a PostgreSQL server, on the cores of this thread.
pub(crate) fn postgres() -> Postgres {
    Postgres::start(&DURABLE)
}

impl Place {
    /// A database of its own with its tables, user and clients, and a Redis of its own, on the cores of this thread.
    ///
    /// # Errors
    /// If one of them can't be used.
    pub(crate) async fn make(postgres: &Postgres) -> anyhow::Result<Self> {
        Self::make_with(postgres, &[]).await
    }

    /// The same with more settings.
    ///
    /// # Errors
    /// As [`Place::make`], and where a setting is refused.
    pub(crate) async fn make_with(
        postgres: &Postgres,
        more: &[(&'static str, &str)],
    ) -> anyhow::Result<Self> {
        let redis = Redis::start(&APPEND_ONLY);
        let database = postgres.fresh_database().await;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let issuer = format!("http://{listen}");
        let key = KeyEncryptionKey::generate(&mut |bytes| SystemRng.fill(bytes));
        let mut values = vec![
            ("issuer", issuer.clone()),
            ("server.listen", listen.to_string()),
            ("server.worker_threads", "1".to_owned()),
            ("management.listen", "127.0.0.1:0".to_owned()),
            ("admin.listen", "127.0.0.1:0".to_owned()),
            ("database.url", database.clone()),
            ("redis.url", redis.url()),
            // A machine that is busy with something else is slow, which shows in the figures, but not broken.
            ("redis.response_timeout", "10s".to_owned()),
            ("keys.encryption_key", key.to_base64().to_string()),
        ];
        values.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        let settings = settings(&values)?;
        let clock = node::cluster_clock(&settings, Arc::new(SystemClock::new()));
        let stores = Stores::open(&settings, clock.clone(), &SystemRng).await?;
        claim_issuer(&stores.sql, &issuer, false).await?;
        secrets::open_server_keys(&stores.sql, &settings.keys.encryption_keys, &SystemRng).await?;
        let folder = tempfile::tempdir()?;
        // Nobody administers it.
        let admin = ([127, 0, 0, 1], 0).into();
        let seeded = dev::seed(
            &settings,
            (folder.path(), admin),
            &stores.sql,
            &*clock,
            &SystemRng,
        )
        .await?;
        stores.sql.close().await;
        let ready = serde_json::from_value(dev::json(&issuer, (&issuer, &issuer), Some(&seeded)))?;
        Ok(Self {
            redis,
            database,
            ready,
            values,
            folder,
        })
    }

    /// The settings of its nodes.
    ///
    /// # Errors
    /// If they are refused.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        settings(&self.values)
    }

    /// Starts a node of this build, with one worker thread.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start(&self, cores: &Cores) -> anyhow::Result<Server> {
        self.start_with(cores, &[])
    }

    /// Starts one more node, there.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start_beside(&self, cores: &Cores, listen: SocketAddr) -> anyhow::Result<Server> {
        self.start_with(cores, &["--listen", &listen.to_string()])
    }

    fn start_with(&self, cores: &Cores, arguments: &[&str]) -> anyhow::Result<Server> {
        let mut command = Command::new(symbolon::sibling("symbolon")?);
        command.args(["serve", "--json"]).args(arguments);
        for (key, value) in &self.values {
            command.env(variable(key), value);
        }
        let log = self.folder.path().join("symbolon.log");
        // What it prints is known already: where it listens is fixed.
        let (server, _) = Server::start::<Value>(command, cores, &log)?;
        Ok(server)
    }

    /// What its user and its clients ask for.
    ///
    /// # Errors
    /// None that is known: its secrets are there.
    pub(crate) fn requests(&self) -> anyhow::Result<TokenRequests> {
        TokenRequests::new(&self.ready)
    }

    /// A number in what Redis tells of itself.
    ///
    /// # Errors
    /// It does not tell it.
    pub(crate) fn redis_info(&self, field: &str) -> anyhow::Result<u64> {
        let told = self.redis.cli(&["INFO"]);
        let line = told
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let number = line.and_then(|number| number.trim().parse().ok());
        number.with_context(|| format!("Redis does not tell {field}"))
    }
}

fn variable(key: &str) -> String {
    format!("SYMBOLON_{}", key.replace('.', "_").to_uppercase())
}

fn settings(values: &[(&'static str, String)]) -> anyhow::Result<Settings> {
    symbolon_tests::settings(values.iter().cloned(), NonZeroUsize::MIN).map_err(|errors| anyhow!("{errors}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_variables_in_the_environment() {
        assert_eq!(variable("keys.encryption_key"), "SYMBOLON_KEYS_ENCRYPTION_KEY");
    }
}
