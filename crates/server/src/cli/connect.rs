//! How a command gets to the admin API: the flags say whether over HTTP or in this process.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use symbolon_admin_api::router;
use symbolon_core::audit::Actor;
use symbolon_core::ports::{Appended, RevocationLog, StoreResult};
use symbolon_core::revocation::{Head, Logged, NewRevocation, Reach, Tip};
use symbolon_core::{Subject, SystemClock, SystemRng, UnixMillis};
use symbolon_oauth_types::revocation::Digest;

use super::api::{Connection, Logins, Remote, default_path};
use super::args::GlobalArgs;
use super::context::{ApiContext, operator_name};
use super::error::CliError;
use super::login::none_stored;
use super::output::{Output, Remark, quoted};
use super::run::{failed, runtime, settings};
use super::settling::Settling;
use crate::admin::{Offline, SettleBy};
use crate::config::Settings;
use crate::node::{self, Stores};

/// What a command does to a database that it works on itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Beside {
    /// It changes what is on record, and is refused where the server's secrets can't be opened: the database is another
    /// installation's, or the key-encryption key is.
    Administer,
    /// Nothing that fences in Redis are for, and it does so also where secrets can't be opened.
    Other,
    /// It revokes, and does so also where secrets can't be opened: fences are raised where there is Redis, and where that is down the
    /// entry goes on the log all the same.
    Revoke,
}

/// Runs a command on the admin API.
pub(super) fn with_api(
    global: &GlobalArgs,
    out: &mut Output<'_>,
    does: Beside,
    command: impl AsyncFnOnce(&ApiContext<'_>, &mut Output<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    if global.offline {
        return beside(global, out, does, command);
    }
    refuse_unused(global)?;
    let connection = Connection::remote(Remote::new(stored_login(global)?)?);
    runtime(tokio::runtime::Builder::new_current_thread())?.block_on(async {
        let context = ApiContext {
            api: &connection,
            clock: &SystemClock::new(),
            pause: &|time| tokio::time::sleep(time).boxed(),
        };
        command(&context, out).await
    })
}

/// Refuses `--config` for a command that goes to a server, which is that of a stored login whatever the file says.
fn refuse_unused(global: &GlobalArgs) -> Result<(), CliError> {
    let Some(config) = &global.config else {
        return Ok(());
    };
    Err(CliError::refused(
        format_args!(
            "--config {} does not say which server is meant: the command goes through the admin API of the one that a stored \
             login is for",
            quoted(&config.to_string_lossy())
        ),
        "leave it out, and name the server with --server or the file of its login with --login; or give --offline too, to \
         work on that configuration's database",
    ))
}

/// The file of stored logins that the flags name, or the one that is used without.
pub(super) fn login_path(global: &GlobalArgs) -> Result<std::path::PathBuf, CliError> {
    if let Some(path) = &global.login {
        return Ok(path.clone());
    }
    default_path(global.data_dir.as_deref(), |name| std::env::var(name).ok()).ok_or_else(|| {
        CliError::refused(
            "there is no folder to keep a login in: neither HOME nor XDG_CONFIG_HOME is set",
            "name a file with --login",
        )
    })
}

/// The login that `--server` names, or the last.
///
/// # Errors
/// There is none, or its file can't be used.
pub(super) fn stored_login(global: &GlobalArgs) -> Result<super::api::Login, CliError> {
    let path = login_path(global)?;
    if let Some(dir) = global.data_dir.as_ref().filter(|_| global.login.is_none())
        && !dir.exists()
    {
        return Err(CliError::refused(
            format_args!("the data folder {} is not there", quoted(&dir.to_string_lossy())),
            "name the one that `symbolon serve --dev` has made",
        ));
    }
    let logins = Logins::read(&path)?;
    if let Some(login) = logins.at(global.server.as_deref()) {
        return Ok(login.clone());
    }
    Err(CliError::refused(
        none_stored(&path, &logins, global.server.as_deref()),
        if logins.servers().next().is_none() {
            "run `symbolon login` first; or give --offline to work on the database itself"
        } else {
            "give --server one that there is, or run `symbolon login` again; or give --offline to work on the database itself"
        },
    ))
}

/// Runs a command in this process, on the database.
fn beside(
    global: &GlobalArgs,
    out: &mut Output<'_>,
    does: Beside,
    command: impl AsyncFnOnce(&ApiContext<'_>, &mut Output<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let settings = settings(global, out)?;
    require_database(&settings)?;
    let clock = node::cluster_clock(&settings, Arc::new(SystemClock::new()));
    runtime(tokio::runtime::Builder::new_current_thread())?.block_on(async {
        let stores = Stores::open_database_alone(&settings, clock.clone(), &SystemRng)
            .await
            .map_err(failed)?;
        let settling = Settling::new(&settings, &stores.sql);
        let log = match does {
            Beside::Administer | Beside::Other => Ok(unfenced(&stores)),
            Beside::Revoke => node::fenced_log(&settings, &stores.sql).await,
        };
        let log = match log {
            Ok(log) => log,
            Err(error) => {
                let why = format!(
                    "Redis could not be told ({error:#}): what is revoked goes on the log, but a server that is cut off from \
                     the database may not know of it until it is back"
                );
                out.remark(Remark::Warning, &why)?;
                Arc::new(Unpromised(unfenced(&stores)))
            }
        };
        let waiting = settling.clone();
        let offline = Offline {
            settings: &settings,
            store: &stores.sql,
            log,
            operator: Actor::operator(&operator_name()),
            settle: Arc::new(SettleBy::new(move |time| waiting.wait(time))),
            clock: clock.clone(),
            rng: Arc::new(SystemRng),
        };
        let opened = offline.open().await.map_err(failed)?;
        let connection = Connection::local(router(opened.api));
        let context = ApiContext {
            api: &connection,
            clock: &*clock,
            pause: &|time| tokio::time::sleep(time).boxed(),
        };
        let outcome = match opened.sealed {
            Some(why) if does == Beside::Administer => Err(CliError::failed(why, "")),
            Some(why) => {
                let why = format!("server secrets can't be opened, so that clients get no secrets: {why}");
                out.remark(Remark::Warning, &why)?;
                command(&context, out).await
            }
            None => command(&context, out).await,
        };
        stores.sql.close().await;
        settling.remark(out)?;
        outcome
    })
}

/// Refuses a file of SQLite that is not there: the working directory or the configuration is another than meant, and what a
/// command finds in a database that it has just made is true of nothing.
pub(super) fn require_database(settings: &Settings) -> Result<(), CliError> {
    let Some(file) = node::of_sqlite(&settings.database.url) else {
        return Ok(());
    };
    // Whatever else is wrong with it is told when it is opened.
    if file.try_exists().unwrap_or(true) {
        return Ok(());
    }
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    Err(CliError::refused(
        format_args!(
            "database.url: the file {} is not there",
            quoted(&file.to_string_lossy())
        ),
        "give the configuration of the server, and run this in its working directory where the path is relative; where there \
         is no database yet, `symbolon migrate` or the first `symbolon serve` makes it",
    ))
}

fn unfenced(stores: &Stores) -> Arc<dyn RevocationLog> {
    Arc::new(stores.sql.clone())
}

/// A log whose fences can't be raised: what is appended is on record, and nothing is promised.
pub(super) struct Unpromised(pub(super) Arc<dyn RevocationLog>);

#[async_trait]
impl RevocationLog for Unpromised {
    async fn head(&self) -> StoreResult<Head> {
        self.0.head().await
    }

    async fn entries(&self, after: u64, now: UnixMillis, limit: u32) -> StoreResult<Vec<Logged>> {
        self.0.entries(after, now, limit).await
    }

    async fn tip_at(&self, seq: u64) -> StoreResult<Option<Tip>> {
        self.0.tip_at(seq).await
    }

    async fn append(&self, revocation: &NewRevocation, now: UnixMillis) -> StoreResult<Appended> {
        let appended = self.0.append(revocation, now).await?;
        Ok(Appended {
            reach: Reach::Logged,
            ..appended
        })
    }

    async fn promise(&self, _whose: Option<Subject>, _to: Head) -> StoreResult<Reach> {
        Ok(Reach::Logged)
    }

    async fn confirms(&self, applied: Head) -> StoreResult<bool> {
        self.0.confirms(applied).await
    }

    async fn live_tokens(&self, owner: Digest, now: UnixMillis) -> StoreResult<u64> {
        self.0.live_tokens(owner, now).await
    }

    async fn sweep_log(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        self.0.sweep_log(before, limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::ErrorKind;
    use super::*;

    #[test]
    fn a_configuration_is_refused_where_it_does_not_choose_the_server() {
        for (server, login) in [(None, None), (Some("http://127.0.0.1:8082"), Some("login.json"))] {
            let global = GlobalArgs {
                config: Some("staging.toml".into()),
                server: server.map(str::to_owned),
                login: login.map(Into::into),
                ..GlobalArgs::default()
            };
            let mut out = Output {
                out: &mut Vec::new(),
                err: &mut Vec::new(),
                json: false,
            };
            let called = with_api(&global, &mut out, Beside::Administer, async |_, _| Ok(()));
            let error = called.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Refused);
            let said = error.to_string();
            for part in ["staging.toml", "--server", "--login", "--offline"] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }

    #[test]
    fn a_data_folder_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let of = |dir: &str| {
            let global = GlobalArgs {
                data_dir: Some(folder.path().join(dir)),
                ..GlobalArgs::default()
            };
            stored_login(&global).unwrap_err().to_string()
        };
        let error = of("nodata");
        assert!(
            error.contains("nodata\" is not there") && error.contains("serve --dev"),
            "{error}"
        );
        let error = of(".");
        assert!(error.contains("holds no login"), "{error}");
    }
}
