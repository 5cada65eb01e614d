//! From flags to the sources of the settings.

use std::net::SocketAddr;
use std::path::Path;

use super::args::GlobalArgs;
use super::error::CliError;
use super::output::quoted;
use crate::config::{ConfigErrors, Mode, Override, Sources, read_file};

/// The database in a data folder of the development mode.
pub const DEV_DATABASE: &str = "symbolon.db";
/// The key-encryption key in a data folder of the development mode, in base64.
pub const DEV_ENCRYPTION_KEY: &str = "encryption-key";

/// What stands in place of a configuration for a data folder of the development mode that exists: its database, its
/// encryption key and `issuer`. `by` is how messages name their source.
///
/// # Errors
/// [`CliError`] where the path can't stand in a database URL or the key can't be read.
pub fn dev_overrides(dir: &Path, issuer: &str, by: &str) -> Result<Vec<Override>, CliError> {
    let shown = |path: &Path| quoted(&path.to_string_lossy());
    let database = dir.join(DEV_DATABASE);
    let Some(database) = database.to_str().filter(|path| !path.contains('?')) else {
        return Err(CliError::refused(
            format_args!("the data folder {} can't stand in a URL", shown(dir)),
            "choose a path in UTF-8 without a question mark",
        ));
    };
    let key = dir.join(DEV_ENCRYPTION_KEY);
    let text = read_file(&key).map_err(|error| {
        CliError::refused(
            format_args!("{} can't be read: {error}", shown(&key)),
            "name a folder that `symbolon serve --dev --data-dir` has made",
        )
    })?;
    Ok(vec![
        Override::new("issuer", issuer, by),
        Override::new("database.url", format!("sqlite:{database}"), by),
        Override::new("keys.encryption_key", text.text.trim(), by),
    ])
}

/// The sources of a command's settings and what they are for. With `--data-dir` the folder stands in place of a
/// configuration.
///
/// # Errors
/// [`CliError`] where a file can't be read or the flags contradict each other.
pub fn sources(global: &GlobalArgs) -> Result<(Sources, Mode), CliError> {
    match &global.data_dir {
        Some(dir) => {
            refuse_config(global, "--data-dir")?;
            Ok((dev_sources(global, dir, "--data-dir", Vec::new())?, Mode::Dev))
        }
        None => production_sources(global, Vec::new()),
    }
}

/// The sources of the settings of `serve`. With `dev_folder` the folder, which exists, stands in place of a
/// configuration, and the management listener takes any free port.
///
/// # Errors
/// As [`sources`].
pub fn serve_sources(
    global: &GlobalArgs,
    listen: Option<SocketAddr>,
    dev_folder: Option<&Path>,
) -> Result<(Sources, Mode), CliError> {
    let listen = listen.map(|listen| Override::new("server.listen", listen.to_string(), "--listen"));
    let mut overrides: Vec<_> = listen.into_iter().collect();
    if let Some(dir) = dev_folder {
        refuse_config(global, "--dev")?;
        overrides.push(Override::new("management.listen", "127.0.0.1:0", "--dev"));
        overrides.push(Override::new("admin.listen", "127.0.0.1:0", "--dev"));
        return Ok((dev_sources(global, dir, "--dev", overrides)?, Mode::Dev));
    }
    if global.data_dir.is_some() {
        return Err(CliError::refused(
            "--data-dir belongs to the development mode",
            "give --dev too, or set `database.url`",
        ));
    }
    production_sources(global, overrides)
}

fn production_sources(global: &GlobalArgs, overrides: Vec<Override>) -> Result<(Sources, Mode), CliError> {
    Ok((process_sources(global, overrides)?, Mode::Production))
}

fn dev_sources(
    global: &GlobalArgs,
    dir: &Path,
    by: &str,
    mut overrides: Vec<Override>,
) -> Result<Sources, CliError> {
    // No command but `serve` uses the issuer, and that makes its own of the address that it is bound to.
    overrides.extend(dev_overrides(dir, "http://127.0.0.1", by)?);
    process_sources(global, overrides)
}

fn process_sources(global: &GlobalArgs, overrides: Vec<Override>) -> Result<Sources, CliError> {
    Ok(Sources {
        dangerous_key_timings: global.dangerous_key_timings,
        ..Sources::from_process(global.config.as_deref(), overrides)?
    })
}

/// Refuses `--config` beside a flag that stands in place of a configuration.
pub(super) fn refuse_config(global: &GlobalArgs, flag: &str) -> Result<(), CliError> {
    if global.config.is_none() {
        return Ok(());
    }
    Err(CliError::refused(
        format_args!("--config and {flag} contradict each other: a data folder has its own settings"),
        "give one of the two",
    ))
}

impl From<ConfigErrors> for CliError {
    fn from(errors: ConfigErrors) -> Self {
        // Each finding names its own remedy.
        Self::refused(errors, "")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::error::ErrorKind;
    use crate::config::{explain, load};

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

    fn folder() -> (tempfile::TempDir, GlobalArgs) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(DEV_ENCRYPTION_KEY), KEY).unwrap();
        let global = GlobalArgs {
            data_dir: Some(dir.path().to_owned()),
            ..GlobalArgs::default()
        };
        (dir, global)
    }

    #[track_caller]
    fn refused<T>(result: Result<T, CliError>, said: &str) {
        let error = result.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.to_string().contains(said), "{error}");
    }

    #[test]
    fn a_data_folder_stands_in_place_of_a_configuration() {
        let (dir, global) = folder();
        let (given, mode) = sources(&global).unwrap();
        let settings = load(&given, mode).unwrap().settings;
        let path = dir.path().join(DEV_DATABASE);
        assert_eq!(settings.database.url, format!("sqlite:{}", path.display()));
        assert_eq!(
            settings.keys.encryption_keys.current().to_base64().as_str(),
            KEY.trim()
        );
        let explained = explain(&given);
        let row = explained
            .iter()
            .find(|row| row.key == "keys.encryption_key")
            .unwrap();
        assert_eq!(
            (row.value.as_str(), row.source.as_str()),
            ("(secret, 44 characters)", "--data-dir")
        );
    }

    #[test]
    fn a_development_server_is_bound_to_loopback() {
        let (dir, global) = folder();
        let at = |listen: &str| {
            let listen = Some(listen.parse().unwrap());
            let (given, mode) = serve_sources(&global, listen, Some(dir.path())).unwrap();
            load(&given, mode)
        };
        let settings = at("127.0.0.1:0").unwrap().settings;
        assert_eq!(settings.server.listen.to_string(), "127.0.0.1:0");
        assert_eq!(settings.management.listen.to_string(), "127.0.0.1:0");
        assert!(
            at("0.0.0.0:8080")
                .unwrap_err()
                .to_string()
                .contains("is not loopback")
        );
    }

    #[test]
    fn contradictory_flags_are_refused() {
        let (dir, global) = folder();
        let both = GlobalArgs {
            config: Some("x.toml".into()),
            ..global.clone()
        };
        refused(sources(&both), "--config and --data-dir contradict");
        refused(
            serve_sources(&both, None, Some(dir.path())),
            "--config and --dev contradict",
        );
        refused(serve_sources(&global, None, None), "give --dev too");
    }

    #[test]
    fn refuses_a_folder_that_is_none() {
        let dir = tempfile::tempdir().unwrap();
        refused(
            dev_overrides(dir.path(), "http://127.0.0.1", "x"),
            "serve --dev --data-dir",
        );
        refused(
            dev_overrides(Path::new("/a?mode=memory"), "http://127.0.0.1", "x"),
            "can't stand in a URL",
        );
    }

    #[test]
    fn dangerous_key_timings_are_accepted_by_a_flag_of_every_command() {
        use clap::Parser as _;
        let dangerous = |arguments: &[&str]| {
            let cli = crate::cli::Cli::try_parse_from(arguments).unwrap();
            sources(&cli.global).unwrap().0.dangerous_key_timings
        };
        assert!(!dangerous(&["symbolon", "config", "check"]));
        assert!(dangerous(&[
            "symbolon",
            "config",
            "check",
            "--dangerous-key-timings"
        ]));
        assert!(dangerous(&["symbolon", "--dangerous-key-timings", "serve"]));
        let (dir, global) = folder();
        let global = GlobalArgs {
            dangerous_key_timings: true,
            ..global
        };
        assert!(sources(&global).unwrap().0.dangerous_key_timings);
        let (served, _) = serve_sources(&global, None, Some(dir.path())).unwrap();
        assert!(served.dangerous_key_timings);
    }

    #[test]
    fn listen_beats_everything() {
        let address: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        let (given, _) = serve_sources(&GlobalArgs::default(), Some(address), None).unwrap();
        let explained = explain(&given);
        let row = explained.iter().find(|row| row.key == "server.listen").unwrap();
        assert_eq!(
            (row.value.as_str(), row.source.as_str()),
            ("127.0.0.1:4711", "--listen")
        );
    }
}
