//! Commands on the configuration and on the schema.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use symbolon_core::ports::RevocationLog as _;

use super::super::args::GlobalArgs;
use super::super::args::MigrateArgs;
use super::super::configuration::{self, ConfigCommand};
use super::super::error::CliError;
use super::super::login::{LoginArgs, login};
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
fn check_looks_at_the_files_that_the_server_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key, imports) = (path("tls.pem"), path("tls.key"), path("keys"));
    let named = [
        ("SYMBOLON_ISSUER", "https://a.example"),
        ("SYMBOLON_KEYS_ENCRYPTION_KEY", KEY),
        ("SYMBOLON_SERVER_TLS_CERTIFICATE_FILE", &*certificate),
        ("SYMBOLON_SERVER_TLS_KEY_FILE", &*key),
        ("SYMBOLON_KEYS_IMPORT_DIR", &*imports),
    ];
    let refused = || config(&named, ConfigCommand::Check, false).0.unwrap_err();
    let error = refused();
    assert_eq!(error.kind, ErrorKind::Refused);
    for said in [
        format!("server.tls_certificate_file: {certificate} cannot be read"),
        format!("`keys.import_dir`, {imports}, can't be read"),
    ] {
        assert!(error.to_string().contains(&said), "{error}");
    }

    std::fs::create_dir(&imports).unwrap();
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, "no key").unwrap();
    let error = refused().to_string();
    assert!(
        error.contains("server.tls_key_file") && !error.contains("import_dir"),
        "{error}"
    );
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    assert_eq!(config(&named, ConfigCommand::Check, false).0, Ok(()));
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

const STATUS: MigrateArgs = MigrateArgs {
    status: true,
    restored: false,
};
const STEPS: MigrateArgs = MigrateArgs {
    status: false,
    restored: false,
};
const RESTORED: MigrateArgs = MigrateArgs {
    status: false,
    restored: true,
};

/// What it says, and how often it waited for the servers.
async fn migrated(bench: &Bench, args: MigrateArgs) -> (Value, usize) {
    let mut out = Vec::new();
    let mut output = Output {
        out: &mut out,
        err: &mut Vec::new(),
        json: true,
    };
    let waits = Arc::new(AtomicUsize::new(0));
    let counted = waits.clone();
    let wait = move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async {}.boxed()
    };
    migrate::run(&bench.store, &SystemRng, &wait, &mut output, args)
        .await
        .unwrap();
    (
        serde_json::from_slice(&out).unwrap(),
        waits.load(Ordering::SeqCst),
    )
}

#[tokio::test]
async fn migrate_takes_the_steps_that_its_status_shows() {
    let bench = Bench::without_schema().await;
    let pending = migrated(&bench, STATUS).await.0["pending"].as_u64().unwrap();
    assert!(pending > 0);
    assert_eq!(
        migrated(&bench, STATUS).await.0["pending"].as_u64(),
        Some(pending),
        "looking changes nothing"
    );
    let (taken, waits) = migrated(&bench, STEPS).await;
    assert_eq!((taken["taken"].as_u64(), waits), (Some(pending), 0));
    assert_eq!(migrated(&bench, STATUS).await.0["pending"], 0);
    assert_eq!(migrated(&bench, STEPS).await.0["taken"], 0);
}

#[tokio::test]
async fn a_restored_database_has_another_log() {
    let bench = Bench::new().await;
    let before = bench.store.head().await.unwrap();
    let (said, waits) = migrated(&bench, RESTORED).await;
    assert_eq!((&said["restored"], waits), (&Value::Bool(true), 1));
    let after = bench.store.head().await.unwrap();
    assert_ne!(after.log, before.log);
    assert_eq!((after.seq, after.facts), (before.seq, before.facts + 1));
}

#[test]
fn a_secret_that_is_missing_is_told_before_anything_is_asked() {
    for (stdin, secret_stdin, says) in [
        (&b"\n"[..], true, "standard input is empty"),
        (b"\xff", true, "is no text"),
        (b"", false, "no secret was typed"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let global = GlobalArgs {
            server: Some("http://127.0.0.1:1".to_owned()),
            login: Some(folder.path().join("login.json")),
            ..GlobalArgs::default()
        };
        let mut output = Output {
            out: &mut Vec::new(),
            err: &mut Vec::new(),
            json: false,
        };
        let mut script = Script {
            stdin: stdin.to_vec(),
            answers: [""].into(),
            terminal: true,
            ..Script::default()
        };
        let args = LoginArgs {
            client_id: "admin".to_owned(),
            secret_stdin,
            scopes: Vec::new(),
            ca_file: None,
        };
        let error = login(&global, &mut script, &mut output, args).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
