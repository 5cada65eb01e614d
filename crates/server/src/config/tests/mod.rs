//! The whole of the configuration, from its sources to settings or refusals.

mod documents;
mod keys;
mod refusals;
mod secrets;
mod stores;
mod values;

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use symbolon_jose::SigningAlg;

use super::kind::TomlType;
use super::table::{Pointer, Preset, TABLE, keys};
use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const OTHER_KEY: &str = "HxwdHhsYGRoXFBUWExAREg8MDQ4LCAkKBwQFBgMAAQI=";

/// Sources of an imagined machine with eight cores and these files: `/kek` and `/other`, owner only; `/open`,
/// readable by all; `/empty`; `/tail`, with white space around the key. `kek`, `other` and `tail` are commands that
/// write the same; `nothing` writes white space; there is no other.
fn sources(file: &str, environment: &[(&str, &str)]) -> Sources {
    let read_file = |path: &Path| {
        let (text, mode) = match path.to_str().unwrap() {
            "/kek" => (KEY.to_owned(), 0o100_600),
            "/other" => (OTHER_KEY.to_owned(), 0o100_600),
            "/open" => (KEY.to_owned(), 0o100_644),
            "/empty" => (" \n".to_owned(), 0o100_600),
            "/tail" => (format!("\n {KEY} \r\n"), 0o100_400),
            _ => return Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        };
        Ok(FileText {
            text,
            mode: Some(mode),
        })
    };
    let run_command = |line: &str| match line {
        "kek" => Ok(KEY.to_owned().into()),
        "other" => Ok(OTHER_KEY.to_owned().into()),
        "tail" => Ok(format!("\n {KEY} \r\n").into()),
        "nothing" => Ok(" \n".to_owned().into()),
        _ => Err(CommandError::Failed(127)),
    };
    Sources {
        file: Some(ConfigFile {
            path: PathBuf::from("symbolon.toml"),
            content: FileText {
                text: file.to_owned(),
                mode: Some(0o100_600),
            },
        }),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        overrides: Vec::new(),
        read_file: Box::new(read_file),
        run_command: Box::new(run_command),
        dangerous_key_timings: false,
        cores: NonZeroUsize::new(8).unwrap(),
    }
}

/// The same with the two required settings given by the environment.
fn complete(file: &str, environment: &[(&str, &str)]) -> Sources {
    let mut sources = sources(file, environment);
    let given: BTreeMap<_, _> = [
        ("SYMBOLON_ISSUER", "https://a.example"),
        ("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE", "/kek"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in given {
        sources.environment.entry(name).or_insert(value);
    }
    sources
}

fn settings(sources: &Sources) -> Settings {
    load(sources, Mode::Production).unwrap().settings
}

/// The one error, as it is printed, of a file beside sound required settings.
#[track_caller]
fn refusal(sources: &Sources) -> String {
    let errors = load(sources, Mode::Production).unwrap_err();
    assert_eq!(errors.findings().len(), 1, "{errors}");
    errors.findings()[0].to_string()
}
