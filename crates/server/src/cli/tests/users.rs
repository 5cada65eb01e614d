//! Users, their roles, and the entries that go on the revocation log.

use symbolon_core::Subject;
use symbolon_core::audit::{AuditFilter, AuditStore as _, Order};
use symbolon_core::ports::RevocationLog as _;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::user::RoleName;
use uuid::Uuid;

use super::*;

const PASSWORD: &str = "correct horse";

async fn with_alice() -> (Bench, Subject) {
    let bench = Bench::new().await;
    bench.json("", "role put staff --scope orders:read").await;
    let line = "user add Alice --email Alice@example.org --role staff --role staff --password-stdin";
    let added = bench.json(PASSWORD, line).await;
    let subject = Subject(added["subject"].as_str().unwrap().parse::<Uuid>().unwrap());
    (bench, subject)
}

/// The last entry on the log.
async fn last_entry(bench: &Bench) -> Option<symbolon_oauth_types::revocation::Entry> {
    let entries = bench.store.entries(0, UnixMillis(START), 1000).await.unwrap();
    entries.last().map(|logged| logged.entry)
}

#[tokio::test]
async fn adds_and_shows() {
    let (bench, subject) = with_alice().await;
    for name in ["alice", "ALICE", "alice@example.org", &subject.to_string()] {
        let shown = bench.json("", &format!("user show {name}")).await;
        assert_eq!(shown["username"], "Alice");
        assert_eq!(shown["email"], "Alice@example.org");
        assert_eq!(shown["roles"], serde_json::json!(["staff"]));
        assert_eq!(shown["scope"], "orders:read");
        assert_eq!(shown["active"], true);
        assert_eq!(shown["created_ms"].as_u64(), Some(START + 1000));
        assert_eq!(shown["created"], "2023-11-14T22:13:21.000Z");
    }
    let text = bench.run("user show alice").await.out;
    assert!(
        text.contains("username: Alice\n") && text.contains("2023-11-14T22:13:21.000Z"),
        "{text}"
    );
}

#[tokio::test]
async fn refuses_names_that_are_taken_or_none() {
    let (bench, subject) = with_alice().await;
    let bench = &bench;
    let add = |name: String| async move {
        bench
            .run_typed(PASSWORD, &format!("user add {name} --password-stdin"))
            .await
    };
    add("ALICE".into()).await.refused(4, "username: it is taken");
    add("bob --email alice@EXAMPLE.org".into())
        .await
        .refused(4, "email: it is taken");
    add("alice@example.org".into()).await.refused(4, "taken");
    add(subject.to_string())
        .await
        .refused(2, "a user name that is a UUID");
    add("bob --email nobody".into())
        .await
        .refused(2, "email: an e-mail address is of the form name@example.org");
    add("bob --email @example.org".into())
        .await
        .refused(2, "email: an e-mail address is of the form name@example.org");
    add("bob --role nobody".into())
        .await
        .refused(2, "there is no role nobody");
    let mut script = Script {
        stdin: PASSWORD.into(),
        ..Script::default()
    };
    let hostile = ["user", "add", "a\u{1b}[31m\nb", "--password-stdin"];
    bench
        .run_args(&mut script, &hostile)
        .await
        .refused(2, "username: a login name is");
    let many: String = (0..65).map(|i| format!(" --role r{i}")).collect();
    add(format!("bob{many}")).await.refused(2, "at most 64 roles");
}

#[tokio::test]
async fn says_who_is_not_there() {
    let bench = Bench::new().await;
    let nobody = Uuid::from_u128(7).to_string();
    for name in ["bob", &nobody, "a\u{200b}b"] {
        for command in [
            "show",
            "enable",
            "disable",
            "delete --yes",
            "set-password --password-stdin",
            "set-roles --none",
            "update --no-email",
        ] {
            let outcome = bench.run_typed(PASSWORD, &format!("user {command} {name}")).await;
            outcome.refused(3, "there is no user");
        }
    }
    assert_eq!(last_entry(&bench).await, None);
}

#[tokio::test]
async fn each_change_is_logged_with_its_entry() {
    let (bench, subject) = with_alice().await;
    // The cutoff reaches to the moment at which the command returns.
    let now = || bench.clock.now();
    assert_eq!(bench.json("", "user disable alice").await["active"], false);
    assert_eq!(
        last_entry(&bench).await,
        Some(NewRevocation::subject_blocked(subject).entry)
    );
    assert_eq!(bench.json("", "user show alice").await["active"], false);
    assert_eq!(bench.json("", "user enable alice").await["active"], true);
    assert_eq!(
        last_entry(&bench).await,
        Some(NewRevocation::subject_lifted(subject, now()).entry)
    );
    bench
        .json("another horse", "user set-password alice --password-stdin")
        .await;
    assert_eq!(
        last_entry(&bench).await,
        Some(NewRevocation::subject(subject, now()).entry)
    );
    bench.json("", "user delete alice --yes").await;
    assert_eq!(
        last_entry(&bench).await,
        Some(NewRevocation::subject_deleted(subject, now()).entry)
    );
    bench.run("user show alice").await.refused(3, "there is no user");
}

#[tokio::test]
async fn deleting_asks_first() {
    let (bench, _) = with_alice().await;
    bench.run("user delete alice").await.refused(2, "give --yes");
    let answered = |answer| Script {
        answers: [answer].into(),
        terminal: true,
        ..Script::default()
    };
    for no in ["", "n\n", "yess\n"] {
        bench
            .run_with(&mut answered(no), "user delete alice")
            .await
            .refused(2, "not confirmed");
    }
    let deleted = bench.run_with(&mut answered("Y\n"), "user delete alice").await;
    assert_eq!(deleted.error, None);
    assert!(
        deleted.asked[0].starts_with("Delete user Alice ("),
        "{:?}",
        deleted.asked
    );
}

#[tokio::test]
async fn roles_are_put_set_and_deleted() {
    let (bench, _) = with_alice().await;
    bench
        .json(
            "",
            "role put buyers --new --scope orders:read --scope orders:write",
        )
        .await;
    bench
        .run("role put buyers --new --scope a")
        .await
        .refused(4, "--new: there is one already");
    bench
        .run("user set-roles alice nobody")
        .await
        .refused(2, "there is no role nobody");
    bench.json("", "user set-roles alice buyers").await;
    assert_eq!(
        bench.json("", "user show alice").await["scope"],
        "orders:read orders:write"
    );
    let roles = bench.json("", "role list").await;
    assert_eq!(
        roles["roles"][0],
        serde_json::json!({ "name": "buyers", "scope": "orders:read orders:write" })
    );
    let shown = bench.json("", "role show buyers").await;
    assert_eq!(
        shown,
        serde_json::json!({ "name": "buyers", "scope": "orders:read orders:write" })
    );
    bench
        .run("role show sellers")
        .await
        .refused(3, "see `symbolon role list`");
    bench.run("role delete buyers").await.refused(2, "give --yes");
    let mut script = Script {
        answers: ["n\n"].into(),
        terminal: true,
        ..Script::default()
    };
    let kept = bench.run_with(&mut script, "role delete buyers").await;
    assert_eq!(
        kept.asked,
        ["Delete role buyers, also from 1 user who holds it? [y/N] "]
    );
    bench.json("", "role delete buyers --yes").await;
    bench
        .run("role delete buyers --yes")
        .await
        .refused(3, "no role of that name");
    assert_eq!(
        bench.json("", "user show alice").await["roles"],
        serde_json::json!([])
    );
    let by_flag = bench.json("", "user set-roles alice --role staff").await;
    assert_eq!(by_flag["roles"], serde_json::json!(["staff"]));
    bench.json("", "user set-roles alice --none").await;
    assert_eq!(bench.json("", "user show alice").await["scope"], "");
    bench
        .run("role put r --scope a\"b")
        .await
        .refused(2, "printable ASCII");
    bench
        .run("role put r --scope orders:read,orders:write")
        .await
        .refused(2, "give --scope once for each");
    let reed = bench
        .run("role put r --scope audit:reed --scope audit:read --scope b:c")
        .await;
    assert_eq!(
        reed.err,
        "warning: no admin scope is called audit:reed: there is audit:read\n"
    );
    let many: String = (0..65).map(|i| format!(" --scope s{i}")).collect();
    bench
        .run(&format!("role put r{many}"))
        .await
        .refused(2, "at most 64 values");
    assert!("r".parse::<RoleName>().is_ok());
}

#[tokio::test]
async fn lists_page_by_page_and_refuse_forged_cursors() {
    let (bench, _) = with_alice().await;
    for name in ["bob", "carol"] {
        // Whoever is made later comes later.
        bench.clock.0.fetch_add(1, Ordering::Relaxed);
        bench
            .json(PASSWORD, &format!("user add {name} --password-stdin"))
            .await;
    }
    let (mut names, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = bench.json("", &format!("user list --limit 2{after}")).await;
        let users = page["users"].as_array().unwrap();
        names.extend(
            users
                .iter()
                .map(|user| user["username"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match page["next"].as_str() {
            Some(cursor) => after = format!(" --after {cursor}"),
            None => break,
        }
    }
    assert_eq!(
        (names, pages),
        (["Alice", "bob", "carol"].map(String::from).to_vec(), 2)
    );
    let text = bench.run("user list --limit 2").await.out;
    assert!(text.contains("there are more: --after "), "{text}");
    let of_others = bench.json("", "user list --limit 2 --active true").await;
    for forged in [
        "x",
        "'OR'1'='1",
        of_others["next"].as_str().unwrap(),
        &after.trim_start_matches(" --after ")[1..],
    ] {
        bench
            .run(&format!("user list --after {forged}"))
            .await
            .refused(2, "not one that this list gave out");
    }
}

#[tokio::test]
async fn lists_are_of_whom_is_asked_for() {
    let (bench, _) = with_alice().await;
    for name in ["bob", "alfred"] {
        // Whoever is made later comes later.
        bench.clock.0.fetch_add(1, Ordering::Relaxed);
        bench
            .json(PASSWORD, &format!("user add {name} --password-stdin"))
            .await;
    }
    bench.json("", "user disable alfred").await;
    for (filter, expected) in [
        ("", vec!["Alice", "bob", "alfred"]),
        ("--prefix AL", vec!["alfred", "Alice"]),
        ("--prefix alice@", vec!["Alice"]),
        ("--active false", vec!["alfred"]),
        ("--active true --prefix al", vec!["Alice"]),
        ("--role staff", vec!["Alice"]),
        ("--role nobody", vec![]),
    ] {
        let page = bench.json("", format!("user list {filter}").trim_end()).await;
        let users = page["users"].as_array().unwrap();
        let names: Vec<_> = users
            .iter()
            .map(|user| user["username"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{filter}");
    }
}

#[tokio::test]
async fn names_are_changed_and_sessions_go_on() {
    let (bench, subject) = with_alice().await;
    bench
        .json(PASSWORD, "user add bob --email bob@example.org --password-stdin")
        .await;
    let renamed = bench
        .json(
            "",
            "user update alice --username Alicia --email alicia@example.org",
        )
        .await;
    assert_eq!(
        (&renamed["done"], &renamed["username"], &renamed["email"]),
        (&"updated".into(), &"Alicia".into(), &"alicia@example.org".into())
    );
    for name in ["alice", "alice@example.org"] {
        bench
            .run(&format!("user show {name}"))
            .await
            .refused(3, "there is no user");
    }
    let shown = bench.json("", "user show alicia@example.org").await;
    assert_eq!(shown["subject"], subject.to_string());
    assert_eq!(shown["roles"], serde_json::json!(["staff"]));
    bench
        .run("user update alicia --username BOB")
        .await
        .refused(4, "username: it is taken");
    bench
        .run("user update alicia --email nobody")
        .await
        .refused(2, "email: an e-mail address is");
    let without = bench.json("", "user update alicia --no-email").await;
    assert_eq!(
        (&without["username"], &without["email"]),
        (&"Alicia".into(), &Value::Null)
    );
    assert_eq!(last_entry(&bench).await, None, "nothing was revoked");
}

/// Who did what, and why, is on the trail whichever way a command goes.
#[tokio::test]
async fn changes_are_on_the_trail_with_their_reason() {
    let (bench, subject) = with_alice().await;
    let mut script = Script::default();
    let line = ["user", "disable", "alice", "--reason", "left us"];
    assert_eq!(bench.run_args(&mut script, &line).await.error, None);
    let about = AuditFilter {
        target: Some(("user".to_owned(), Some(subject.to_string()))),
        ..AuditFilter::default()
    };
    let records = bench.store.audit_records(&about, Order::Latest, None, 1).await;
    let entry: Value = serde_json::from_str(&records.unwrap()[0].body).unwrap();
    assert_eq!(entry["reason"], "left us", "{entry}");
    assert!(entry["actor"].to_string().contains("tester"), "{entry}");
}

#[tokio::test]
async fn a_store_that_fails_is_exit_code_1() {
    let bench = Bench::without_schema().await;
    bench.run("user list").await.refused(1, "symbolon migrate");
    bench.run("user show alice").await.refused(1, "symbolon migrate");
    bench.run("keys list").await.refused(1, "symbolon migrate");
}
