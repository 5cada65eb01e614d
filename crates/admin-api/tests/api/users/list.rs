//! `GET /users`.

use serde_json::Value;
use symbolon_core::Subject;
use symbolon_testkit::user;
use uuid::Uuid;

use crate::bench::{Answer, Bench, Call};

/// Five users, in the order of their subjects.
async fn crowd() -> Bench {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    let crowd = [
        user("alice").email("first@example.com").roles(&["staff"]),
        user("alan").disabled(),
        user("bob")
            .email("albert@example.com")
            .roles(&["staff"])
            .disabled(),
        user("a%b"),
        user("carol"),
    ];
    for (place, user) in (1..).zip(crowd) {
        bench.user(user.subject(Subject(Uuid::from_u128(place)))).await;
    }
    bench
}

fn names(answer: &Answer) -> Vec<&str> {
    answer
        .items()
        .iter()
        .map(|item| item["username"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn lists_page_by_page_and_by_filter() {
    let bench = crowd().await;
    for (query, wanted) in [
        ("", &["alice", "alan", "bob", "a%b", "carol"] as &[_]),
        ("?active=false", &["alan", "bob"]),
        ("?role=staff", &["alice", "bob"]),
        ("?role=staff&active=true", &["alice"]),
        ("?role=nobody", &[]),
        // By the first name that begins so, in any case.
        ("?prefix=AL", &["alan", "bob", "alice"]),
        ("?prefix=al&active=false", &["alan", "bob"]),
        ("?prefix=al&role=staff", &["bob", "alice"]),
        ("?prefix=a%25", &["a%b"]),
        ("?prefix=_", &[]),
        ("?prefix=' OR 1=1 --", &[]),
    ] {
        let query = query.replace(' ', "%20");
        let all = Call::get(&format!("/users{query}")).to(&bench).await.expect(200);
        assert_eq!(names(&all), wanted, "{query}");
        assert_eq!(all.body["next"], Value::Null);
        let (mut found, mut after) = (Vec::new(), String::new());
        let sep = if query.is_empty() { '?' } else { '&' };
        loop {
            let page = Call::get(&format!("/users{query}{sep}limit=1{after}"))
                .to(&bench)
                .await
                .expect(200);
            found.extend(names(&page).into_iter().map(str::to_owned));
            let Some(next) = page.body["next"].as_str() else {
                break;
            };
            after = format!("&after={next}");
        }
        assert_eq!(found, wanted, "{query}");
    }
}

/// D5 of the hostile cases (CVE-2026-33504): a cursor is good for the list that gave it out.
#[tokio::test]
async fn refuses_cursors_that_this_list_did_not_give_out() {
    let bench = crowd().await;
    let first = Call::get("/users?limit=1").to(&bench).await;
    let cursor = first.body["next"].as_str().unwrap();
    let by_name = Call::get("/users?prefix=al&limit=1").to(&bench).await;
    let by_name = by_name.body["next"].as_str().unwrap();
    for query in [
        format!("after={by_name}"),
        format!("prefix=al&after={cursor}"),
        format!("prefix=a&after={by_name}"),
        format!("active=true&after={cursor}"),
        format!("role=staff&after={cursor}"),
        format!("after={}", &cursor[1..]),
        format!("after={cursor}A"),
        "after=".to_owned(),
        "after='%20OR%201=1%20--".to_owned(),
        format!("after={}", "A".repeat(5000)),
    ] {
        let answer = Call::get(&format!("/users?{query}")).to(&bench).await;
        answer.expect_fields(400, &["after"]);
    }
    let next = Call::get(&format!("/users?limit=1&after={cursor}"))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(names(&next), ["alan"]);
}

#[tokio::test]
async fn queries_are_bounded() {
    let bench = crowd().await;
    for query in [
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=-1",
        "limit=1&limit=2",
        "active=maybe",
    ] {
        Call::get(&format!("/users?{query}")).to(&bench).await.expect(400);
    }
    Call::get("/users?limit=500").to(&bench).await.expect(200);
    let longest = format!("/users?prefix={}", "x".repeat(320));
    assert!(
        Call::get(&longest)
            .to(&bench)
            .await
            .expect(200)
            .items()
            .is_empty()
    );
    for (parameter, bad) in [
        ("prefix", "x".repeat(321)),
        ("prefix", "%00".to_owned()),
        ("role", "Not%20A%20Role".to_owned()),
        ("role", "a%0D%0Ab".to_owned()),
        ("role", "x".repeat(65)),
    ] {
        let call = Call::get(&format!("/users?{parameter}={bad}"));
        call.to(&bench).await.expect_fields(422, &[parameter]);
    }
}
