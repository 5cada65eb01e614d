//! From the configuration to the report.

use std::path::Path;

use serde_json::Value;

use super::*;

/// A run without a configuration: nobody gives one to the tests' process.
async fn run_without(json: bool, config: Option<&str>) -> (CliError, String) {
    let global = GlobalArgs {
        config: config.map(PathBuf::from),
        ..GlobalArgs::default()
    };
    let mut written = Vec::new();
    let mut out = Output {
        out: &mut written,
        err: &mut Vec::new(),
        json,
    };
    let clock = Arc::new(SystemClock::new());
    let error = run(&global, clock, &mut out, DoctorArgs::default())
        .await
        .unwrap_err();
    (error, String::from_utf8(written).unwrap())
}

#[tokio::test]
async fn a_configuration_that_does_not_load_hides_nothing_that_needs_none() {
    let (error, written) = run_without(true, None).await;
    assert_eq!((error.kind, error.kind.exit_code()), (ErrorKind::Unhealthy, 7));
    let report: Value = serde_json::from_str(&written).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let outcomes = |name: &str| -> Vec<&str> {
        let own = checks.iter().filter(|check| check["name"] == name);
        own.map(|check| check["outcome"].as_str().unwrap()).collect()
    };
    // Both settings that are missing.
    assert_eq!(outcomes("configuration"), ["failed", "failed"]);
    assert_eq!(outcomes("clock.machine"), ["ok"]);
    assert_eq!(outcomes("limits.open_files"), ["ok"]);
    assert_eq!(outcomes("database.connection"), ["skipped"]);
    for name in Name::ALL {
        assert!(!outcomes(name.as_str()).is_empty(), "{name:?}");
    }
    let (error, written) = run_without(true, Some("/no/such/file.toml")).await;
    assert_eq!(error.kind, ErrorKind::Unhealthy);
    assert!(written.contains("/no/such/file.toml"));
}

#[tokio::test]
async fn people_read_a_line_for_each_check_and_its_remedy_below() {
    let (error, written) = run_without(false, None).await;
    assert_eq!(
        error.to_string(),
        "2 checks failed: configuration, configuration; do what the report says, then run `symbolon doctor` again"
    );
    let mut lines = written.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with("failed   configuration "), "{first}");
    let second = lines.next().unwrap();
    assert!(second.trim_start().starts_with("remedy: "), "{second}");
}

#[test]
fn hostile_text_can_not_forge_a_line() {
    let text = text(&[Check::failed(
        Name::ReachabilityIssuer,
        "x\nok       configuration",
        "a\u{1b}[2Jb",
    )]);
    assert_eq!(text.lines().count(), 2);
    assert!(
        text.contains("x\\u{a}ok") && text.contains("a\\u{1b}[2Jb"),
        "{text}"
    );
}

#[test]
fn the_manual_tells_of_every_check() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    for name in Name::ALL {
        assert!(manual.contains(&format!("| `{}` |", name.as_str())), "{name:?}");
    }
}
