//! Users, their roles, and the entries that go on the revocation log.

use symbolon_core::Subject;
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
    add("ALICE".into())
        .await
        .refused(4, "the user name is taken; choose another one");
    add("bob --email alice@EXAMPLE.org".into())
        .await
        .refused(4, "e-mail address is taken");
    add("alice@example.org".into()).await.refused(4, "taken");
    add(subject.to_string())
        .await
        .refused(2, "a user name that is a UUID");
    add("bob --email nobody".into())
        .await
        .refused(2, "not an e-mail address");
    add("bob --email @example.org".into())
        .await
        .refused(2, "not an e-mail address");
    add("bob --role nobody".into())
        .await
        .refused(3, "no role of that name");
    let mut script = Script {
        stdin: PASSWORD.into(),
        ..Script::default()
    };
    let hostile = ["user", "add", "a\u{1b}[31m\nb", "--password-stdin"];
    bench
        .run_args(&mut script, &hostile)
        .await
        .refused(2, "\"a\\u{1b}[31m\\u{a}b\": a login name is");
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
        .json("", "role put buyers --scope orders:read --scope orders:write")
        .await;
    bench
        .run("user set-roles alice nobody")
        .await
        .refused(3, "no role of that name");
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
    bench.run("role delete buyers").await.refused(2, "give --yes");
    bench.json("", "role delete buyers --yes").await;
    bench
        .run("role delete buyers --yes")
        .await
        .refused(3, "no role of that name");
    assert_eq!(
        bench.json("", "user show alice").await["roles"],
        serde_json::json!([])
    );
    bench.json("", "user set-roles alice staff").await;
    bench.json("", "user set-roles alice --none").await;
    assert_eq!(bench.json("", "user show alice").await["scope"], "");
    bench
        .run("role put r --scope a\"b")
        .await
        .refused(2, "printable ASCII");
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
    let of_clients = bench.cursors.seal("clients", "x");
    for forged in [
        "x",
        "'OR'1'='1",
        &of_clients,
        &after.trim_start_matches(" --after ")[1..],
    ] {
        bench
            .run(&format!("user list --after {forged}"))
            .await
            .refused(2, "not one that this list gave out");
    }
}

#[tokio::test]
async fn a_store_that_fails_is_exit_code_1() {
    let bench = Bench::without_schema().await;
    bench.run("user list").await.refused(1, "symbolon migrate");
    bench.run("user show alice").await.refused(1, "symbolon migrate");
    bench.run("keys list").await.refused(1, "symbolon migrate");
}
