//! `GET /users/{subject}` and `GET /users/by-name`.

use symbolon_testkit::user;

use super::path;
use crate::bench::{Bench, Call};

#[tokio::test]
async fn a_user_is_found_by_subject_and_by_every_name() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    let alice = bench
        .user(user("Alice").email("alice@example.com").roles(&["staff"]))
        .await;
    bench.user(user("bob")).await;
    let shown = Call::get(&path(&alice)).to(&bench).await.expect(200);
    assert_eq!(shown.body["subject"], alice.subject.to_string());
    assert_eq!(shown.body["scope"], "orders:read");
    for name in ["Alice", "ALICE", "alice@EXAMPLE.com", "%EF%BD%81lice"] {
        let by_name = Call::get(&format!("/users/by-name?name={name}"))
            .to(&bench)
            .await
            .expect(200);
        assert_eq!(
            (&by_name.body, by_name.etag()),
            (&shown.body, shown.etag()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn who_is_not_there_is_not_found() {
    let bench = Bench::new().await;
    bench.user(user("alice")).await;
    for path in [
        "/users/0190c7a0-0000-7000-8000-000000000000",
        "/users/alice",
        "/users/by-name?name=alic",
        "/users/by-name?name=alice%00",
        "/users/by-name?name=",
        "/users/by-name?name=alice%25",
        "/users/by-name?name=' OR 1=1 --",
    ] {
        let path = path.replace(' ', "%20");
        Call::get(&path).to(&bench).await.expect(404);
    }
    Call::get("/users/by-name").to(&bench).await.expect(400);
}
