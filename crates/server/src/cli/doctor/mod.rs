//! `doctor`: whether a server can serve here as it is configured, and how to mend what keeps it from it.
//!
//! It looks and changes nothing: it makes no file, takes no step of the schema, makes no key. (A stored login gets it a token, as
//! every command does, which stands on the audit trail.) So it asks the database and
//! Redis over connections of its own where those of the stores would change what they find, and every check has an end,
//! whatever becomes of the one before.

mod admin;
mod certificate;
mod check;
mod client_address;
mod clock;
mod configuration;
mod database;
mod dev_server;
mod keys;
mod limits;
mod listen;
mod postgres;
mod proxies;
mod reachability;
mod redis;
mod sqlite;

use std::sync::Arc;

use clap::Args;
use serde_json::json;
use symbolon_core::Clock;

use self::check::{Check, Name, Outcome, skip_rest};
pub(super) use self::dev_server::{DevServer, START};
use super::api::Login;
use super::args::GlobalArgs;
use super::connect::stored_login;
use super::error::{CliError, ErrorKind};
use super::output::{Output, escape};
use crate::config::{Issuer, Mode, Settings};

/// `doctor`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct DoctorArgs {
    /// Leave out what a running server alone can answer, and see that the addresses that it is to listen on are free.
    #[arg(long)]
    pub before_start: bool,
}

/// What the checks look at.
#[derive(Clone)]
struct Patient {
    settings: Arc<Settings>,
    mode: Mode,
    /// The machine's.
    clock: Arc<dyn Clock>,
    /// Whether a server is expected to run.
    runs: bool,
    /// Why it is not known where that is, which the configuration tells outside the development mode.
    astray: Option<String>,
    /// What commands log in with, or why there is nothing.
    login: Result<Login, String>,
}

/// Checks everything and writes what was found.
///
/// # Errors
/// [`ErrorKind::Unhealthy`] where a check failed; standard output can't be written.
pub(super) async fn run(
    global: &GlobalArgs,
    clock: Arc<dyn Clock>,
    out: &mut Output<'_>,
    args: DoctorArgs,
) -> Result<(), CliError> {
    let (mut checks, loaded) = configuration::check(global);
    checks.push(clock::machine(&*clock));
    match loaded {
        Some((mut settings, mode)) => {
            let runs = !args.before_start;
            let found = match mode {
                Mode::Dev if runs => find(&mut settings, global),
                Mode::Dev | Mode::Production => Ok(()),
            };
            let patient = Patient {
                settings: Arc::new(settings),
                mode,
                clock,
                runs,
                astray: found.err().map(|error| error.to_string()),
                login: login(global),
            };
            checks.extend(examine(&patient).await);
        }
        None => {
            checks.push(limits::open_files(None));
            skip_rest(&mut checks, Name::ALL, "the configuration does not load");
        }
    }
    // Stable: what one check found stays in its order.
    checks.sort_by_key(|check| check.name);
    report(&checks, out)
}

/// Puts the addresses that the development server has in the place of those that it asked for.
fn find(settings: &mut Settings, global: &GlobalArgs) -> Result<(), CliError> {
    let server = DevServer::of(global)?;
    settings.server.listen = server.public;
    settings.admin.listen = server.admin;
    settings.issuer = Issuer::loopback(server.public);
    Ok(())
}

/// What commands that go through the admin API log in with.
fn login(global: &GlobalArgs) -> Result<Login, String> {
    if global.offline {
        return Err("--offline leaves it out".to_owned());
    }
    stored_login(global).map_err(|error| error.to_string())
}

/// Every check that needs settings.
async fn examine(patient: &Patient) -> Vec<Check> {
    let settings = &patient.settings;
    let (database, redis, reachability, client_address, import_dir, certificate) = tokio::join!(
        database::checks(patient),
        redis::checks(patient),
        reachability::checks(patient),
        client_address::check(patient),
        keys::import_dir(settings),
        certificate::check(settings, patient.clock.now()),
    );
    let mut checks = database;
    checks.extend(redis);
    checks.extend(listen::checks(patient));
    checks.extend(reachability);
    checks.extend([
        admin::listener(settings),
        proxies::trusted(settings),
        client_address,
        import_dir,
        certificate,
        limits::open_files(Some(settings)),
    ]);
    checks
}

/// Writes what was found; fails where a check did.
fn report(checks: &[Check], out: &mut Output<'_>) -> Result<(), CliError> {
    out.result(&json!({ "checks": checks }), &text(checks))?;
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Failed)
        .map(|check| check.name.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let what = match failed.len() {
        1 => format!("{} failed", failed[0]),
        count => format!("{count} checks failed: {}", failed.join(", ")),
    };
    Err(CliError::new(
        ErrorKind::Unhealthy,
        what,
        "do what the report says, then run `symbolon doctor` again",
    ))
}

/// One check a line, with its remedy below.
fn text(checks: &[Check]) -> String {
    let name_width = checks.iter().map(|check| check.name.as_str().len()).max();
    let name_width = name_width.unwrap_or_default();
    let outcome_width = Outcome::Skipped.as_str().len();
    let mut lines = Vec::with_capacity(2 * checks.len());
    for check in checks {
        let (outcome, name) = (check.outcome.as_str(), check.name.as_str());
        let detail = escape(&check.detail, false);
        lines.push(format!("{outcome:outcome_width$}  {name:name_width$}  {detail}"));
        if let Some(remedy) = &check.remedy {
            let indent = outcome_width + name_width + 4;
            lines.push(format!("{:indent$}remedy: {}", "", escape(remedy, false)));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
