//! Users from other systems, and the list of all.

use std::path::{Path, PathBuf};

use sea_orm::ConnectionTrait as _;
use serde_json::json;
use symbolon_core::password::HashMemory;
use symbolon_core::ports::{FactStore as _, RevocationLog as _};

use super::*;

/// Of `password`.
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu";

fn line(username: &str) -> String {
    json!({ "username": username, "password_hash": BCRYPT }).to_string()
}

impl Bench {
    fn lines_in(&self, name: &str, lines: String) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, lines).unwrap();
        path
    }

    async fn import(&self, file: &Path, options: &str) -> Outcome {
        self.run(&format!("user import {}{options} --json", file.display()))
            .await
    }

    async fn verifies(&self, name: &str, password: &str) -> bool {
        let found = self.store.credential(&name.parse().unwrap()).await.unwrap();
        let hash = found.unwrap().password;
        hash.verify(&password.into(), &mut HashMemory::default())
    }
}

fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn counts(added: u32, existing: u32, refused: u32) -> Value {
    let lines = added + existing + refused;
    json!({ "dry_run": false, "lines": lines, "added": added, "existing": existing, "refused": refused })
}

#[tokio::test]
async fn makes_users_of_every_kind_of_line() {
    let bench = Bench::new().await;
    bench.json("", "role put staff --scope orders:read").await;
    let lines = [
        json!({"username": "Alice", "email": "Alice@example.org", "roles": ["staff"], "password_hash": BCRYPT}),
        json!({"username": "bob", "active": false, "password": "correct horse"}),
        json!({"username": "carol", "email": null, "password_hash": {
            "algorithm": "pbkdf2-sha256", "hashIterations": 1000, "salt": "+//+IHNhbHRzYWx0++++",
            "value": "iKzOGkjJk1aBQtjW9Gnv3aRikc5G9AAZFPKCw2j2YO8=",
        }}),
    ];
    let file = bench.lines_in("users", lines.map(|line| line.to_string() + "\r").join("\n"));
    let done = bench.import(&file, "").await;
    assert_eq!(done.json(), counts(3, 0, 0));
    // No server knows anything older of a new user.
    assert_eq!((done.err.as_str(), done.waited), ("", vec![]));
    let alice = bench.json("", "user show alice@example.org").await;
    assert_eq!(
        (&alice["username"], &alice["scope"]),
        (&json!("Alice"), &json!("orders:read"))
    );
    assert_eq!(bench.json("", "user show bob").await["active"], false);
    for (name, password) in [
        ("alice", "password"),
        ("bob", "correct horse"),
        ("carol", "password"),
    ] {
        assert!(bench.verifies(name, password).await, "{name}");
        assert!(!bench.verifies(name, "wrong horse").await, "{name}");
    }
}

#[tokio::test]
async fn what_is_refused_is_reported_and_holds_nobody_up() {
    let bench = Bench::new().await;
    bench
        .json("correct horse", "user add taken --password-stdin")
        .await;
    let lines = [
        line("alice"),
        "not JSON".to_owned(),
        String::new(),
        line("ALICE"),
        line("taken"),
        json!({"username": "bob", "password_hash": "$2b$31$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu"})
            .to_string(),
        json!({"username": "carol", "password_hash": BCRYPT, "roles": ["pirate"]}).to_string(),
        json!({"username": "dave", "password": "hunter2", "\u{1b}[31m": 1}).to_string(),
        format!("{{\"username\":\"{}\"}}", "x".repeat(1_000_000)),
        json!({"username": "erin", "email": "taken@example.org", "password": "hunter2"}).to_string(),
        line("frank"),
    ];
    let file = bench.lines_in("users", lines.join("\n"));
    let report = bench.dir.path().join("report");
    let done = bench
        .import(&file, &format!(" --report {}", report.display()))
        .await;
    let (kind, said) = done.error.clone().unwrap();
    assert_eq!((kind.exit_code(), kind.as_str()), (6, "incomplete"));
    assert!(said.starts_with("7 of 10 lines were refused; "), "{said}");
    assert!(said.ends_with("; the report lists all"), "{said}");
    assert_eq!(objects(&done.out), [counts(2, 1, 7)]);
    assert_eq!(done.err, "");

    let found = objects(&std::fs::read_to_string(&report).unwrap());
    let expected = [
        (2, "refused", json!(null), "must be a JSON object"),
        (4, "refused", json!("username"), "is on line 1 already"),
        (5, "exists", json!(null), ""),
        (
            6,
            "refused",
            json!("password_hash"),
            "bcrypt may have a cost of 15",
        ),
        (
            7,
            "refused",
            json!("roles"),
            "names a role that there is not: number 1 of its roles",
        ),
        (8, "refused", json!(null), "unknown field"),
        (9, "refused", json!(null), "at most 32768 bytes"),
        (10, "refused", json!("password"), "8 to 1024 bytes"),
    ];
    assert_eq!(found.len(), expected.len());
    for (entry, (line, outcome, field, rule)) in found.iter().zip(expected) {
        assert_eq!(
            (&entry["line"], &entry["outcome"]),
            (&json!(line), &json!(outcome)),
            "{entry}"
        );
        assert_eq!(entry.get("field").unwrap_or(&Value::Null), &field, "{entry}");
        assert!(entry["rule"].as_str().unwrap_or("").contains(rule), "{entry}");
    }
    let raw = std::fs::read_to_string(&report).unwrap();
    assert!(!raw.contains('\u{1b}') && !raw.contains("hunter2"), "{raw}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(&report).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    for name in ["alice", "frank"] {
        assert!(bench.verifies(name, "password").await);
    }
    for name in ["bob", "carol", "dave", "erin"] {
        bench
            .run(&format!("user show {name}"))
            .await
            .refused(3, "there is no user");
    }
    assert!(bench.verifies("taken", "correct horse").await);
}

#[tokio::test]
async fn without_a_report_the_first_lines_are_shown() {
    let bench = Bench::new().await;
    let mut lines: Vec<String> = (0..150).map(|n| format!("{{\"username\":{n}}}")).collect();
    lines.push(line("alice"));
    let file = bench.lines_in("users", lines.join("\n"));
    let done = bench.run(&format!("user import {}", file.display())).await;
    assert_eq!(done.out, "151 users: 1 added, 0 there already, 150 refused\n");
    let shown: Vec<_> = done.err.lines().collect();
    assert_eq!(shown.len(), 100);
    assert_eq!(shown[0], "line 1: username: must be a string");
    assert!(done.error.unwrap().1.contains("150 of 151 lines"));
}

/// As after a crash in the middle: who is there is left alone, the rest is made.
#[tokio::test]
async fn a_second_run_makes_the_rest() {
    let bench = Bench::new().await;
    let lines: Vec<_> = (0..450).map(|n| line(&format!("user{n}"))).collect();
    let half = bench.lines_in("half", lines[..230].join("\n"));
    assert_eq!(bench.import(&half, "").await.json(), counts(230, 0, 0));
    let before = bench.json("", "user show user7").await;
    bench
        .json("another horse", "user set-password user7 --password-stdin")
        .await;
    let whole = bench.lines_in("whole", lines.join("\n"));
    assert_eq!(bench.import(&whole, "").await.json(), counts(220, 230, 0));
    assert_eq!(bench.json("", "user show user7").await, before);
    assert!(bench.verifies("user7", "another horse").await);
    let facts = bench.store.head().await.unwrap().facts;
    let again = bench.import(&whole, "").await;
    assert_eq!((again.json(), again.waited.len()), (counts(0, 450, 0), 0));
    assert_eq!(bench.store.head().await.unwrap().facts, facts);
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let bench = Bench::new().await;
    let plain = json!({"username": "bob", "password": "correct horse"}).to_string();
    let file = bench.lines_in("users", [line("alice"), line("Alice"), plain].join("\n"));
    let before = bench.store.head().await.unwrap();
    let looked = bench.import(&file, " --dry-run").await;
    assert_eq!(looked.error.clone().unwrap().0.exit_code(), 6);
    let expected = json!({ "dry_run": true, "lines": 3, "added": 2, "existing": 0, "refused": 1 });
    assert_eq!(objects(&looked.out), [expected]);
    assert_eq!(objects(&looked.err)[0]["rule"], "is on line 1 already");
    assert_eq!(
        (bench.store.head().await.unwrap(), looked.waited.len()),
        (before, 0)
    );
    bench.run("user show alice").await.refused(3, "there is no user");
    assert_eq!(objects(&bench.import(&file, "").await.out), [counts(2, 0, 1)]);
}

#[tokio::test]
async fn standard_input_is_read_line_by_line() {
    let bench = Bench::new().await;
    let stdin = format!("{}\n\n{}\n", line("alice"), line("bob"));
    let done = bench.run_typed(&stdin, "user import - --json").await;
    assert_eq!(done.json(), counts(2, 0, 0));
    let nothing = bench.run_typed("", "user import - --json").await;
    assert_eq!(nothing.json(), counts(0, 0, 0));
    let bytes = Script {
        stdin: vec![0xff; 100_000],
        ..Script::default()
    };
    let binary = bench.run_with(&mut { bytes }, "user import - --json").await;
    assert_eq!(objects(&binary.out), [counts(0, 0, 1)]);
}

#[tokio::test]
async fn files_that_can_not_be_used_are_named_first() {
    let bench = Bench::new().await;
    let file = bench.lines_in("users", line("alice"));
    bench
        .run("user import nowhere/users")
        .await
        .refused(1, "\"nowhere/users\" can't be read");
    let over = format!("user import {0} --report {0}", file.display());
    bench.run(&over).await.refused(2, "can't be made");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), line("alice"));
    bench.run("user show alice").await.refused(3, "there is no user");
    let done = bench.run(&format!("user import {}", file.display())).await;
    assert_eq!(done.out, "1 user: 1 added, 0 there already, 0 refused\n");
}

/// Makes the database refuse a user of that name.
async fn break_at(bench: &Bench, username: &str) {
    let url = format!("sqlite:{}", bench.dir.path().join("test.db").display());
    let database = sea_orm::Database::connect(url).await.unwrap();
    let trigger = format!(
        "CREATE TRIGGER broken BEFORE INSERT ON users WHEN NEW.username = '{username}' \
         BEGIN SELECT RAISE(ABORT, 'broken'); END"
    );
    database.execute_unprepared(&trigger).await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test]
async fn an_import_that_fails_in_the_middle_says_how_far_it_came() {
    let bench = Bench::new().await;
    let lines: Vec<_> = (1..=600).map(|n| line(&format!("user{n}"))).collect();
    let file = bench.lines_in("users", lines.join("\n"));
    for (broken, looked_at) in [("user1", 0), ("user600", 500)] {
        let bench = Bench::new().await;
        break_at(&bench, broken).await;
        let ended = bench.import(&file, "").await;
        let (kind, said) = ended.error.unwrap();
        assert_eq!(kind.exit_code(), 1, "{said}");
        let told = format!("the lines up to {looked_at} were imported; run it again");
        assert!(said.contains(&told), "{said}");
        let made = bench.run("user export").await.out;
        assert_eq!(made.lines().count(), looked_at, "whole batches, and no more");
    }
}

/// More than one batch may hold, of users and of passwords, and names that an earlier batch had.
#[tokio::test]
async fn who_is_in_another_batch_is_seen_all_the_same() {
    let bench = Bench::new().await;
    let mut lines: Vec<_> = (1..=1_100).map(|n| line(&format!("user{n}"))).collect();
    lines.push(line("USER1"));
    let file = bench.lines_in("users", lines.join("\n"));
    for (options, is_dry) in [(" --dry-run", true), ("", false)] {
        let ended = bench.import(&file, options).await;
        assert_eq!(ended.error.clone().unwrap().0.exit_code(), 6);
        let mut expected = counts(1_100, 0, 1);
        expected["dry_run"] = json!(is_dry);
        assert_eq!(objects(&ended.out), [expected]);
        let refused = &objects(&ended.err)[0];
        assert_eq!(
            (&refused["line"], &refused["rule"]),
            (&json!(1_101), &json!("is on line 1 already"))
        );
    }
}

#[tokio::test]
async fn long_lines_are_sent_in_requests_that_fit() {
    let bench = Bench::new().await;
    // As long as lines may be, by white space that counts like everything else.
    let long = |n: u32| {
        let line = line(&format!("user{n}"));
        let space = " ".repeat(32_768 - line.len());
        line.replacen(':', &format!(":{space}"), 1)
    };
    let file = bench.lines_in("users", (0..70).map(long).collect::<Vec<_>>().join("\n"));
    assert_eq!(bench.import(&file, "").await.json(), counts(70, 0, 0));
}

#[tokio::test]
async fn the_export_has_everybody_and_no_secrets() {
    let bench = Bench::new().await;
    bench.json("", "role put staff --scope orders:read").await;
    let mut lines: Vec<_> = (0..600).map(|n| line(&format!("user{n:03}"))).collect();
    let alice = json!({"username": "Alice", "email": "a@example.org", "roles": ["staff"], "active": false,
        "password_hash": BCRYPT});
    lines.push(alice.to_string());
    let file = bench.lines_in("users", lines.join("\n"));
    assert_eq!(bench.import(&file, "").await.json(), counts(601, 0, 0));
    let exported = bench.run("user export").await;
    assert_eq!(exported.error, None);
    assert!(!exported.out.contains("$2b$") && !exported.out.contains("password"));
    let users = objects(&exported.out);
    let mut names: Vec<_> = users
        .iter()
        .map(|user| user["username"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((users.len(), names.len()), (601, 601));
    let alice = users.iter().find(|user| user["username"] == "Alice").unwrap();
    assert_eq!(alice["email"], "a@example.org");
    assert_eq!(
        (&alice["roles"], &alice["active"]),
        (&json!(["staff"]), &json!(false))
    );
    assert_eq!(
        alice["subject"],
        bench.json("", "user show alice").await["subject"]
    );
    assert_eq!(Bench::new().await.run("user export").await.out, "");
}
