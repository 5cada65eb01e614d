//! What the checks share, and the doctor as a whole.

mod installation;
mod redis;
mod report;
pub(super) mod servers;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use symbolon_core::{SystemClock, UnixMillis};

use super::*;
use crate::config::{CommandError, ConfigFile, FileText, Sources, load, read_file};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// On ports that nobody else has.
const HTTP: &str = "issuer = \"http://127.0.0.1:8080\"\nserver.listen = \"127.0.0.1:0\"\n\
                    management.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n";

/// A clock that stands still.
pub(super) struct Stopped(pub(super) UnixMillis);

impl Clock for Stopped {
    fn now(&self) -> UnixMillis {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// The settings of this file, beside an encryption key.
pub(super) fn settings(toml: &str) -> Settings {
    let sources = Sources {
        file: Some(ConfigFile {
            path: PathBuf::from("symbolon.toml"),
            content: FileText {
                text: toml.to_owned(),
                mode: Some(0o100_600),
            },
        }),
        environment: BTreeMap::from([("SYMBOLON_KEYS_ENCRYPTION_KEY".to_owned(), KEY.to_owned())]),
        overrides: Vec::new(),
        read_file: Box::new(read_file),
        run_command: Box::new(|_| Err(CommandError::Failed(127))),
        dangerous_key_timings: false,
        cores: NonZeroUsize::MIN,
    };
    load(&sources, Mode::Production).unwrap().settings
}

/// Before a server runs.
pub(super) fn patient(settings: Settings) -> Patient {
    Patient {
        settings: Arc::new(settings),
        mode: Mode::Production,
        clock: Arc::new(SystemClock::new()),
        runs: false,
        astray: None,
        login: Err("there is none".to_owned()),
    }
}

#[track_caller]
fn assert(checks: &[Check], name: Name, outcome: Outcome, says: &str) {
    let check = checks.iter().find(|check| check.name == name).unwrap();
    assert_eq!(check.outcome, outcome, "{check:?}");
    assert!(check.detail.contains(says), "{check:?}");
    let mended = check.remedy.is_some();
    let wanted = matches!(outcome, Outcome::Failed | Outcome::Warning);
    assert_eq!(mended, wanted, "{check:?}");
}
