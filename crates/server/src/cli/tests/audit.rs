//! `audit`, as it writes to files and to terminals.

use super::super::audit::{AuditVerify, moment, run_on_export};
use super::*;

/// A trail that says who was made, under a reason that a terminal would obey.
async fn with_a_record(bench: &Bench) {
    let args = ["role", "put", "staff", "--scope", "a", "--reason", HOSTILE];
    let made = bench.run_args(&mut Script::default(), &args).await;
    assert_eq!(made.error, None);
}

/// None of it is a control character of ASCII, which JSON escapes by itself.
const HOSTILE: &str = "\u{202e}turned\u{200b}\u{e0041}";

#[tokio::test]
async fn an_export_is_raw_but_for_a_terminal() {
    let bench = Bench::new().await;
    with_a_record(&bench).await;
    let raw = bench.run("audit export").await;
    assert!(raw.out.contains(HOSTILE), "{}", raw.out);

    let mut terminal = Script {
        terminal: true,
        ..Script::default()
    };
    let shown = bench.run_with(&mut terminal, "audit export").await;
    assert_eq!((&raw.error, &shown.error), (&None, &None));
    assert!(
        shown.out.contains(r"\u202eturned\u200b\udb40\udc41"),
        "{}",
        shown.out
    );
    assert!(!shown.out.contains(['\u{202e}', '\u{200b}', '\u{e0041}']));
    let objects = |text: &str| -> Vec<Value> {
        let lines = text.lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(objects(&shown.out), objects(&raw.out), "it means the same");
}

#[cfg(unix)]
#[tokio::test]
async fn an_export_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let bench = Bench::new().await;
    with_a_record(&bench).await;
    let file = bench.dir.path().join("trail");
    let line = format!("audit export --out {}", file.display());
    assert_eq!(bench.run(&line).await.error, None);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(std::fs::read_to_string(&file).unwrap().contains(HOSTILE));
    bench.run(&line).await.refused(2, "can't be made");
}

#[tokio::test]
async fn the_trail_is_followed_at_a_running_server_alone() {
    let bench = Bench::new().await;
    bench
        .run("audit follow")
        .await
        .refused(1, "only a running server streams");
}

#[tokio::test]
async fn a_file_without_a_checkpoint_is_refused() {
    let bench = Bench::new().await;
    with_a_record(&bench).await;
    let keys = bench.run("audit keys").await.json();
    for (name, text) in [("empty", String::new()), ("keys.json", keys.to_string())] {
        let file = bench.dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        let line = format!("audit verify --checkpoints {}", file.display());
        let outcome = bench.run(&line).await;
        outcome.refused(2, "no checkpoint in");
        outcome.refused(2, name);
        outcome.refused(2, "audit checkpoint");
    }
}

#[tokio::test]
async fn verifying_counts_the_checkpoints_that_were_given() {
    let bench = Bench::new().await;
    with_a_record(&bench).await;
    let verified = bench.run("audit verify --json").await.json();
    assert_eq!(
        (&verified["intact"], &verified["given"]),
        (&true.into(), &0.into())
    );
}

/// Verifies an export of the trail with these lines, without checkpoints.
async fn verify_export(bench: &Bench, lines: &str, json: bool) -> (Result<(), CliError>, String) {
    let [export, keys] = ["trail.jsonl", "keys.json"].map(|name| bench.dir.path().join(name));
    std::fs::write(&export, lines).unwrap();
    std::fs::write(&keys, bench.run("audit keys --json").await.out).unwrap();
    let args = AuditVerify {
        checkpoints: Vec::new(),
        export: Some(export.clone()),
        keys: Some(keys),
    };
    let (mut written, mut said) = (Vec::new(), Vec::new());
    let mut output = Output {
        out: &mut written,
        err: &mut said,
        json,
    };
    let result = run_on_export(&mut output, &args, &export).await;
    (result, String::from_utf8(written).unwrap())
}

#[tokio::test]
async fn an_export_that_nothing_signs_is_called_so() {
    let bench = Bench::new().await;
    with_a_record(&bench).await;
    let lines = bench.run("audit export").await.out;
    let (result, text) = verify_export(&bench, &lines, false).await;
    assert_eq!(result, Ok(()));
    assert!(
        text.starts_with(
            "the trail is consistent, but nothing signs it: anybody could have made it; give --checkpoints"
        ),
        "{text}"
    );
    let (result, text) = verify_export(&bench, &lines, true).await;
    assert_eq!(result, Ok(()));
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&found["intact"], &found["signed"]), (&true.into(), &Value::Null));
}

#[tokio::test]
async fn an_export_without_a_record_is_refused() {
    let bench = Bench::new().await;
    with_a_record(&bench).await;
    let (result, text) = verify_export(&bench, "", false).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind.exit_code(), text.as_str()), (2, ""));
    let said = error.to_string();
    assert!(
        said.contains("trail.jsonl") && said.contains("holds no record"),
        "{said}"
    );
}

#[tokio::test]
async fn what_is_wrong_is_said_once_with_its_code() {
    let bench = Bench::new().await;
    with_a_record(&bench).await;
    let lines = bench.run("audit export").await.out.replace("turned", "burned");
    let (result, text) = verify_export(&bench, &lines, false).await;
    assert!(text.starts_with("the trail is NOT as it was written"), "{text}");
    let error = result.unwrap_err();
    assert_eq!(error.kind.exit_code(), 10);
    let said = error.to_string();
    assert!(said.contains(" was changed (changed)"), "{said}");
    assert_eq!(said.matches("record ").count(), 1, "{said}");
}

#[test]
fn filters_that_nothing_can_match_are_refused() {
    let refusal = |line: &str| {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        error.to_string()
    };
    let said = refusal("symbolon audit list --target-kind usr");
    assert!(
        said.contains("revocation, role, scope, session, token, user"),
        "{said}"
    );
    let said = refusal("symbolon audit list --actor admin");
    assert!(
        said.contains("client:CLIENT_ID, user:SUBJECT, cli:USER, server or unknown"),
        "{said}"
    );
}

#[tokio::test]
async fn records_are_found_by_actor_and_kind_of_target() {
    let bench = Bench::new().await;
    with_a_record(&bench).await;
    let found = async |filter: &str| {
        let listed = bench.run(&format!("audit list --json {filter}")).await.json();
        listed["records"].as_array().unwrap().len()
    };
    assert_eq!(found("--target-kind role --target staff").await, 1);
    assert_eq!(found("--target-kind user").await, 0);
    assert_eq!(found("--event role.put --actor cli:tester").await, 1);
    assert_eq!(found("--event role.put --actor cli:else").await, 0);
    let all = found("--limit 500").await;
    assert_eq!(found("--without role.put --without user.created").await, all - 1);
    let unknown = bench.run("audit list --without role.painted").await;
    unknown.refused(2, "without");
}

#[test]
fn a_date_is_its_midnight_in_utc() {
    for (text, expected) in [
        ("2023-11-14", START - START % 86_400_000),
        ("2023-11-14T22:13:20Z", START),
        ("2023-11-14 22:13:20", START),
        ("1970-01-01", 0),
    ] {
        assert_eq!(moment(text), Ok(expected), "{text}");
    }
    for text in [
        "",
        "2023",
        "2023-11",
        "2023-02-30",
        "14.11.2023",
        "2023-11-14T",
        "2023-11-14T22:13:20+01:00",
    ] {
        let said = moment(text).unwrap_err();
        assert!(said.contains("such as 2026-01-31"), "{text}: {said}");
    }
}

#[tokio::test]
async fn that_nothing_has_a_user_as_its_target_is_explained() {
    let bench = Bench::new().await;
    bench
        .json("correct horse", "user add alice --password-stdin")
        .await;
    let found = bench.run("audit list --user alice").await;
    assert_eq!((found.error, found.err.as_str()), (None, ""));
    let none = bench.run("audit list --user alice --from 2023-11-15").await;
    assert_eq!(none.error, None);
    assert!(
        none.err.starts_with("note: ") && none.err.contains("docs/audit.md"),
        "{}",
        none.err
    );
    let other = bench.run("audit list --event role.put").await;
    assert_eq!((other.error, other.err.as_str()), (None, ""));
}

#[tokio::test]
async fn records_of_a_user_are_found_by_name() {
    let bench = Bench::new().await;
    let made = bench
        .json("correct horse", "user add alice --password-stdin")
        .await;
    let subject = made["subject"].as_str().unwrap();
    let shown = async |user: &str| {
        bench
            .run(&format!("audit list --json --user {user}"))
            .await
            .json()
    };
    let by_name = shown("alice").await;
    assert_eq!(by_name["records"][0]["event"]["event"], "user.created");
    assert_eq!(by_name["records"][0]["event"]["target"]["id"], subject);
    assert_eq!(by_name, shown(subject).await);

    bench
        .run("audit list --user nobody")
        .await
        .refused(3, "there is no user");
    let by_id = "audit list --target-kind user --target alice";
    bench.run(by_id).await.refused(2, "give --user");
    bench
        .run("audit list --target-kind client --target shop")
        .await
        .refused(2, "the uid");
    assert!(Cli::try_parse_from("symbolon audit list --user a --target-kind role".split(' ')).is_err());
}
