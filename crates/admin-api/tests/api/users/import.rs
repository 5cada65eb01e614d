//! `POST /users/import`.

use serde_json::{Value, json};
use symbolon_testkit::{password_hash, user};

use crate::bench::{Answer, Bench, Call};

async fn import(bench: &Bench, users: Value, dry_run: bool) -> Answer {
    let body = json!({ "users": users, "dry_run": dry_run });
    Call::post("/users/import?reason=moved")
        .json(&body)
        .to(bench)
        .await
}

fn outcomes(answer: &Answer) -> Vec<&str> {
    let users = answer.body["users"].as_array().unwrap();
    let places: Vec<_> = users.iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(places, (1..=users.len() as u64).collect::<Vec<_>>());
    users.iter().map(|it| it["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn makes_whom_it_can_and_says_what_came_of_each() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    bench.user(user("there").email("there@example.com")).await;
    bench.user(user("other").email("other@example.com")).await;
    let hash = password_hash("correct horse");
    let hash = hash.as_str();
    let users = json!([
        { "username": "alice", "email": "alice@example.com", "password_hash": hash, "roles": ["staff"] },
        { "username": "bob", "password": "correct horse", "active": false },
        { "username": "THERE", "email": "there@example.com", "password_hash": hash },
        { "username": "carol", "email": "other@example.com", "password_hash": hash },
        { "username": "Alice", "password_hash": hash },
        { "username": "dave", "password_hash": hash, "roles": ["nobody-made-it"] },
        { "username": "eve\r\n", "password_hash": hash },
        { "username": "frank", "password_hash": hash, "sub": "1" },
        "grace",
    ]);
    let before = bench.state().await;
    let wanted = [
        "added", "added", "exists", "refused", "refused", "refused", "refused", "refused", "refused",
    ];
    let dry = import(&bench, users.clone(), true).await.expect(200);
    assert_eq!(outcomes(&dry), wanted);
    assert_eq!(bench.state().await, before);
    assert!(!dry.text.contains("subject"));

    let done = import(&bench, users.clone(), false).await.expect(200);
    assert_eq!(outcomes(&done), wanted);
    let counts = ["added", "existing", "refused"].map(|name| done.body[name].as_u64().unwrap());
    assert_eq!((counts, &done.body["dry_run"]), ([2, 1, 6], &json!(false)));
    let fields: Vec<_> = done.body["users"].as_array().unwrap()[3..]
        .iter()
        .map(|it| {
            (
                it["field"].as_str().unwrap_or_default(),
                it["rule"].as_str().unwrap(),
            )
        })
        .collect();
    for ((field, rule), (wanted, part)) in fields.iter().zip([
        ("email", "another user"),
        ("username", "line 1"),
        ("roles", "there is not"),
        ("username", "white space"),
        ("", "unknown field"),
        ("", "JSON object"),
    ]) {
        assert!(*field == wanted && rule.contains(part), "{field}: {rule}");
    }
    let alice = Call::get("/users/by-name?name=alice")
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(alice.body["subject"], done.body["users"][0]["subject"]);
    assert_eq!(alice.body["roles"], json!(["staff"]));
    assert!(bench.logs_in("bob", "correct horse").await);
    let event = bench.last_event().await;
    assert_eq!(
        (&event["event"], &event["count"]),
        (&json!("user.imported"), &json!(2))
    );
    assert_eq!(
        (&event["reason"], &event["actor"]),
        (&json!("moved"), &json!("client:console"))
    );

    // Again: nobody who is there changes.
    let state = bench.state().await;
    let again = import(&bench, users, false).await.expect(200);
    assert_eq!(outcomes(&again)[..3], ["exists"; 3]);
    assert_eq!(bench.state().await, state);
}

#[tokio::test]
async fn gives_nobody_more_than_the_caller_holds() {
    let bench = Bench::new().await;
    bench.role("rotators", "keys:rotate").await;
    bench.role("staff", "orders:read").await;
    bench.gate.lacking(&["keys:rotate"]);
    let users = json!([
        { "username": "alice", "password": "correct horse", "roles": ["staff"] },
        { "username": "eve", "password": "correct horse", "roles": ["staff", "rotators"] },
    ]);
    for dry_run in [true, false] {
        let done = import(&bench, users.clone(), dry_run).await.expect(200);
        assert_eq!(outcomes(&done), ["added", "refused"]);
        let eve = &done.body["users"][1];
        assert_eq!(eve["field"], "roles");
        assert!(eve["rule"].as_str().unwrap().contains("keys:rotate"), "{eve}");
    }
    assert!(!bench.logs_in("eve", "correct horse").await);
}

#[tokio::test]
async fn batches_are_bounded() {
    let bench = Bench::new().await;
    let before = bench.state().await;
    let many = |count: usize, password: &str| -> Value {
        let user = |i| json!({ "username": format!("u{i}"), password: "$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu" });
        (0..count).map(user).collect()
    };
    import(&bench, many(501, "password_hash"), false)
        .await
        .expect_fields(422, &["users"]);
    import(&bench, many(101, "password"), false)
        .await
        .expect_fields(422, &["users"]);
    import(&bench, json!({}), false)
        .await
        .expect_fields(422, &["users"]);
    let unknown = Call::post("/users/import").json(&json!({ "users": [], "dryrun": true }));
    unknown.to(&bench).await.expect_fields(422, &["dryrun"]);
    let full = json!([
        { "username": "alice", "password": "correct horse" },
        { "username": "bob", "password": "no room for this one" },
    ]);
    import(&bench, full, false).await.expect(503);
    assert_eq!(bench.state().await, before);
    import(&bench, many(500, "password_hash"), false)
        .await
        .expect(200);
    import(&bench, json!([]), false).await.expect(200);
}

#[tokio::test]
async fn no_report_holds_a_password() {
    let bench = Bench::new().await;
    let users = json!([
        { "username": "hunter2 hunter2", "password": "hunter2hunter2" },
        { "username": "bob", "password": { "hunter2": 1 } },
        { "username": "bob", "password_hash": "$2b$99$hunter2" },
        ["hunter2"],
    ]);
    let done = import(&bench, users, false).await.expect(200);
    assert_eq!(outcomes(&done), ["refused"; 4]);
    assert!(!done.text.contains("hunter2"), "{}", done.text);
}
