//! Commands on the configuration and on the schema.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use super::super::args::MigrateArgs;
use super::super::configuration::{self, ConfigCommand};
use super::super::error::CliError;
use super::super::migrate;
use super::*;
use crate::config::{Mode, Sources, read_file, run_command};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn config(
    environment: &[(&str, &str)],
    command: ConfigCommand,
    json: bool,
) -> (Result<(), CliError>, String) {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let sources = Sources {
        file: None,
        environment: environment.iter().map(own).collect::<BTreeMap<_, _>>(),
        overrides: Vec::new(),
        read_file: Box::new(read_file),
        run_command: Box::new(run_command),
        dangerous_key_timings: false,
        cores: NonZeroUsize::MIN,
    };
    let mut out = Vec::new();
    let mut output = Output {
        out: &mut out,
        err: &mut Vec::new(),
        json,
    };
    let result = configuration::run(&sources, Mode::Production, &mut output, command);
    (result, String::from_utf8(out).unwrap())
}

#[test]
fn check_says_whether_the_server_would_start() {
    let sound = [
        ("SYMBOLON_ISSUER", "https://a.example"),
        ("SYMBOLON_KEYS_ENCRYPTION_KEY", KEY),
    ];
    assert_eq!(
        config(&sound, ConfigCommand::Check, false),
        (Ok(()), "the configuration is sound\n".to_owned())
    );
    let (result, out) = config(&sound[..1], ConfigCommand::Check, false);
    let error = result.unwrap_err();
    assert_eq!((error.kind, out.as_str()), (ErrorKind::Refused, ""));
    assert!(
        error.to_string().contains("keys.encryption_key (not set)"),
        "{error}"
    );
}

#[test]
fn explain_shows_every_setting_and_no_secret() {
    let given = [
        ("SYMBOLON_ISSUER", "https://a.example/\u{1b}"),
        ("SYMBOLON_KEYS_ENCRYPTION_KEY", KEY),
    ];
    for json in [false, true] {
        let (result, out) = config(&given, ConfigCommand::Explain, json);
        assert_eq!(result, Ok(()));
        assert!(
            out.contains("keys.encryption_key") && out.contains("SYMBOLON_ISSUER"),
            "{out}"
        );
        assert!(!out.contains(KEY) && !out.contains('\u{1b}'), "{out}");
    }
}

#[test]
fn the_example_is_a_configuration_file() {
    let (result, out) = config(&[], ConfigCommand::Example, false);
    assert_eq!((result, out), (Ok(()), crate::config::example_toml()));
}

async fn migrated(bench: &Bench, status: bool) -> Value {
    let mut out = Vec::new();
    let mut output = Output {
        out: &mut out,
        err: &mut Vec::new(),
        json: true,
    };
    migrate::run(&bench.store, &SystemRng, &mut output, MigrateArgs { status })
        .await
        .unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[tokio::test]
async fn migrate_takes_the_steps_that_its_status_shows() {
    let bench = Bench::without_schema().await;
    let pending = migrated(&bench, true).await["pending"].as_u64().unwrap();
    assert!(pending > 0);
    assert_eq!(
        migrated(&bench, true).await["pending"].as_u64(),
        Some(pending),
        "looking changes nothing"
    );
    assert_eq!(migrated(&bench, false).await["taken"].as_u64(), Some(pending));
    assert_eq!(migrated(&bench, true).await["pending"], 0);
    assert_eq!(migrated(&bench, false).await["taken"], 0);
}
