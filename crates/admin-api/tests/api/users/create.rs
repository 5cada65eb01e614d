//! `POST /users`.

use http::header::LOCATION;
use serde_json::{Value, json};
use symbolon_testkit::user;

use crate::bench::{Bench, Call, MAX_BODY};

const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu";

#[tokio::test]
async fn makes_a_user_who_can_log_in() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    bench.role("clerks", "invoices:read").await;
    let body = json!({
        "username": "Alice", "email": "alice@example.com", "password": "correct horse",
        "roles": ["staff", "clerks", "staff"],
    });
    let made = Call::post("/users?reason=hired")
        .json(&body)
        .to(&bench)
        .await
        .expect(201);
    let subject = made.body["subject"].as_str().unwrap().to_owned();
    let view = json!({
        "subject": subject, "username": "Alice", "email": "alice@example.com", "active": true,
        "roles": ["clerks", "staff"], "created": "2026-01-01T00:00:00.000Z", "created_ms": 1_767_225_600_000_u64,
    });
    let mut detail = view.clone();
    detail["scope"] = json!("invoices:read orders:read");
    assert_eq!(made.body, detail);
    assert_eq!(made.headers[LOCATION], format!("/admin/v1/users/{subject}"));
    let shown = Call::get(&format!("/users/{subject}"))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!((&shown.body, shown.etag()), (&detail, made.etag()));

    let event = bench.last_event().await;
    assert_eq!(event["event"], "user.created");
    assert_eq!(
        event["target"],
        json!({ "kind": "user", "id": subject, "name": "Alice" })
    );
    assert_eq!(
        (&event["reason"], &event["actor"]),
        (&json!("hired"), &json!("client:console"))
    );
    assert_eq!(event["details"], json!({ "after": view }));
    for name in ["alice", "ALICE@example.com"] {
        assert!(bench.logs_in(name, "correct horse").await, "{name}");
    }
    // Nobody has cached anything of a record that there was not.
    assert_eq!(bench.settled.times(), 0);
}

#[tokio::test]
async fn makes_a_disabled_user_with_a_hash_of_another_system() {
    let bench = Bench::new().await;
    let keycloak = json!({
        "algorithm": "pbkdf2-sha256", "hashIterations": 27_500, "salt": "c2FsdHNhbHRzYWx0c2FsdA==",
        "value": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    });
    for (name, hash) in [("alice", json!(BCRYPT)), ("bob", keycloak)] {
        let body = json!({ "username": name, "password_hash": hash, "active": false });
        let made = Call::post("/users").json(&body).to(&bench).await.expect(201);
        assert_eq!(made.body["active"], false);
        assert!(!bench.last_event().await.to_string().contains('$'));
    }
}

#[tokio::test]
async fn says_which_field_breaks_which_rule() {
    let bench = Bench::new().await;
    let before = bench.state().await;
    let with = |name: &str, value: Value| {
        let mut body = json!({ "username": "alice", "password": "correct horse" });
        body[name] = value;
        body
    };
    let long = "x".repeat(321);
    for (body, field) in [
        (with("username", json!("")), "username"),
        (with("username", json!("a b")), "username"),
        (with("username", json!("a\r\nSet-Cookie: b")), "username"),
        (with("username", json!("\u{1b}[31malice")), "username"),
        (with("username", json!("al\u{202e}ice")), "username"),
        (with("username", json!(long)), "username"),
        (
            with("username", json!("0190c7a0-0000-7000-8000-000000000000")),
            "username",
        ),
        (with("username", json!(7)), "username"),
        (with("email", json!("alice")), "email"),
        (with("email", json!("a\u{0}b@example.com")), "email"),
        (with("email", json!(["alice@example.com"])), "email"),
        (with("password", json!("short")), "password"),
        (with("password", json!("x".repeat(1025))), "password"),
        (with("password", json!(12_345_678)), "password"),
        (with("password_hash", json!(BCRYPT)), "password"),
        (json!({ "username": "alice" }), "password_hash"),
        (
            json!({ "username": "alice", "password_hash": "hunter2" }),
            "password_hash",
        ),
        (with("active", json!("yes")), "active"),
        (with("roles", json!("staff")), "roles"),
        (with("roles", json!(["staff", "Not A Role"])), "roles[1]"),
        (with("roles", json!(["nobody-made-it"])), "roles"),
        (with("sub", json!("1")), "sub"),
    ] {
        let answer = Call::post("/users").json(&body).to(&bench).await;
        assert_eq!(
            (answer.status, answer.fields()),
            (422, vec![field]),
            "{body}: {}",
            answer.text
        );
        for secret in ["12345678", "hunter2", "short"] {
            assert!(!answer.text.contains(secret), "{}", answer.text);
        }
    }
    assert_eq!(bench.state().await, before);
}

/// C5 of the hostile cases (RUSTSEC-2026-0199): what a hash demands is bounded before any work is done.
#[tokio::test]
async fn refuses_hashes_that_demand_too_much() {
    let bench = Bench::new().await;
    for hash in [
        "$2b$31$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
        "$argon2id$v=19$m=4294967295,t=4294967295,p=1$c2FsdHNhbHRzYWx0$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "$pbkdf2-sha256$i=4294967295$c2FsdHNhbHRzYWx0$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "$scrypt$ln=40,r=8,p=1$c2FsdHNhbHRzYWx0$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        &"$2b$05$".repeat(1000),
    ] {
        let body = json!({ "username": "alice", "password_hash": hash });
        let answer = Call::post("/users").json(&body).to(&bench).await;
        answer.expect_fields(422, &["password_hash"]);
    }
    assert!(bench.trail().await.is_empty());
}

#[tokio::test]
async fn names_that_are_taken_are_named() {
    let bench = Bench::new().await;
    bench.user(user("alice").email("alice@example.com")).await;
    let before = bench.state().await;
    for (username, email, field) in [
        ("ALICE", Some("a@example.com"), "username"),
        ("alice@example.com", None, "username"),
        ("anna", Some("Alice@Example.com"), "email"),
    ] {
        let body = json!({ "username": username, "email": email, "password": "correct horse" });
        let answer = Call::post("/users")
            .json(&body)
            .to(&bench)
            .await
            .expect_fields(409, &[field]);
        assert_eq!(answer.kind(), "taken");
    }
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn waits_for_nobody_where_the_lane_is_full() {
    let bench = Bench::new().await;
    let body = json!({ "username": "alice", "password": "no room for this one" });
    let answer = Call::post("/users").json(&body).to(&bench).await.expect(503);
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn bodies_are_json_and_bounded() {
    let bench = Bench::new().await;
    let post = || Call::post("/users");
    post().raw("username=alice").to(&bench).await.expect(415);
    let json = "application/json";
    post()
        .header(http::header::CONTENT_TYPE, json)
        .raw("{")
        .to(&bench)
        .await
        .expect(400);
    let large = json!({ "username": "x".repeat(MAX_BODY), "password": "correct horse" });
    post().json(&large).to(&bench).await.expect(413);
}
