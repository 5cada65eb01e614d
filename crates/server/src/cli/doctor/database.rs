//! The database, and what is kept in it.

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::Clock;
use symbolon_core::ports::ServerStore as _;
use symbolon_store_sql::{SqlConfig, SqlStore};

use super::check::{Check, LONGEST, Name, bounded, late, skip_rest, within};
use super::{Patient, clock, keys, postgres, sqlite};
use crate::config::{Mode, Settings};
use crate::node::{database_config, of_sqlite};

/// Longest wait for a server to answer at all. A node waits for `database.connect_timeout`, for one that is starting.
const CONNECT: Duration = Duration::from_secs(5);

const NAMES: [Name; 11] = [
    Name::ClockDatabase,
    Name::DatabaseConnection,
    Name::DatabaseFile,
    Name::DatabaseTls,
    Name::DatabaseDurability,
    Name::DatabaseCapacity,
    Name::DatabaseSchema,
    Name::DatabaseIssuer,
    Name::KeysEncryption,
    Name::KeysActive,
    Name::KeysRotation,
];

/// Everything about the database and what is in it.
pub(super) async fn checks(patient: &Patient) -> Vec<Check> {
    let settings = &patient.settings;
    let mut checks = Vec::new();
    if let Some(path) = of_sqlite(&settings.database.url) {
        checks.push(Check::skipped(Name::DatabaseTls, "SQLite is no server"));
        if !sqlite::look(path, &mut checks).await {
            skip_rest(&mut checks, &NAMES, "there is no database that could be opened");
            return checks;
        }
    }
    match open(settings, patient.clock.clone()).await {
        Ok(store) => {
            ask(patient, &store, &mut checks).await;
            // It would be closed with the process in any case.
            let _ = within(LONGEST, store.close()).await;
            let why = "the schema is not up to date: see `database.schema`";
            skip_rest(&mut checks, &NAMES, why);
        }
        Err(failed) => {
            checks.push(failed);
            skip_rest(
                &mut checks,
                &NAMES,
                "the database can't be used: see `database.connection`",
            );
        }
    }
    checks
}

async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<SqlStore, Check> {
    let name = Name::DatabaseConnection;
    let configured = database_config(settings);
    let config = SqlConfig {
        max_connections: 1,
        connect_timeout: configured.connect_timeout.min(CONNECT),
        ..configured
    };
    let opening = async {
        let store = SqlStore::connect(&config, clock).await?;
        store.ping().await?;
        Ok(store)
    };
    let opened: Result<SqlStore, symbolon_core::ports::StoreError> =
        within(LONGEST, opening).await.ok_or_else(|| late(name))?;
    opened.map_err(|error| {
        Check::failed(
            name,
            error.to_string(),
            "see that the database runs, that `database.url` names it and a user who may use it, and that nothing between \
             here and there refuses the connection",
        )
    })
}

/// What an open database is asked.
async fn ask(patient: &Patient, store: &SqlStore, checks: &mut Vec<Check>) {
    let settings = &patient.settings;
    if of_sqlite(&settings.database.url).is_none() {
        checks.push(Check::skipped(
            Name::DatabaseFile,
            "PostgreSQL looks after its own files",
        ));
        postgres::look(settings, checks).await;
    } else {
        checks.push(Check::ok(Name::DatabaseConnection, "the file can be opened"));
    }
    let tolerance = settings.database.clock_tolerance;
    let asked = within(LONGEST, clock::database(patient.clock.clone(), store, tolerance)).await;
    let Some((clock, check)) = asked else {
        checks.push(late(Name::ClockDatabase));
        return;
    };
    checks.push(check);
    let schema = bounded(Name::DatabaseSchema, schema(settings, store)).await;
    let is_current = schema.outcome == super::Outcome::Ok;
    checks.push(schema);
    if is_current {
        checks.push(bounded(Name::DatabaseIssuer, issuer(patient, store)).await);
        keys::checks(settings, store, clock, checks).await;
    }
}

async fn schema(settings: &Settings, store: &SqlStore) -> Check {
    let name = Name::DatabaseSchema;
    let pending = match store.pending_migrations().await {
        Ok(pending) => pending,
        Err(error) => {
            let remedy = "use the newest version that has used this database";
            return Check::failed(name, error.to_string(), remedy);
        }
    };
    let steps = pending.join(", ");
    match (pending.len(), settings.database.migrate_on_start) {
        (0, _) => Check::ok(name, "every step is taken"),
        (count, true) => Check::warning(
            name,
            format!("{count} steps are pending, which the server takes at its next start: {steps}"),
            "run `symbolon migrate` before, to choose the time",
        ),
        (count, false) => Check::failed(
            name,
            format!("{count} steps are pending, and `database.migrate_on_start` is false: {steps}"),
            "run `symbolon migrate`",
        ),
    }
}

/// Whether the server would start on this database, by the same rule.
async fn issuer(patient: &Patient, store: &SqlStore) -> Check {
    let (name, issuer) = (Name::DatabaseIssuer, patient.settings.issuer.as_str());
    if patient.mode == Mode::Dev {
        return Check::skipped(name, "a development server makes its own issuer");
    }
    match store.issuer().await {
        Ok(None) => Check::ok(name, "the database belongs to no issuer yet"),
        Ok(Some((_, known))) if known == issuer => Check::ok(name, "the database belongs to this issuer"),
        Ok(Some((_, known))) => Check::failed(
            name,
            format!("`issuer` is {issuer}, and the database belongs to {known}: the server refuses to start"),
            "set `issuer` back, or give `serve --dangerous-change-issuer` once",
        ),
        Err(error) => Check::failed(name, error.to_string(), "see `database.connection`"),
    }
}
