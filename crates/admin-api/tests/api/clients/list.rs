//! `GET /clients`.

use serde_json::json;

use super::{bench, viewed};
use crate::bench::{Answer, Bench, Call};

fn ids(answer: &Answer) -> Vec<&str> {
    let ids = answer.items().iter().map(|client| client["client_id"].as_str());
    ids.map(Option::unwrap).collect()
}

async fn list(bench: &Bench, query: &str) -> Answer {
    Call::get(&format!("/clients{query}")).to(bench).await
}

#[tokio::test]
async fn clients_are_listed_page_by_page() {
    let bench = bench().await;
    let all = list(&bench, "").await.expect(200);
    assert_eq!(ids(&all), ["orders", "app"]);
    assert_eq!(all.items()[1], viewed(&bench, "app").await);
    let first = list(&bench, "?limit=1").await;
    assert_eq!(ids(&first), ["orders"]);
    let next = first.body["next"].as_str().unwrap();
    let second = list(&bench, &format!("?limit=1&after={next}")).await;
    assert_eq!((ids(&second), &second.body["next"]), (vec!["app"], &json!(null)));
}

#[tokio::test]
async fn clients_are_found_by_prefix_and_state() {
    let bench = bench().await;
    Call::post("/clients/app/disable").to(&bench).await.expect(200);
    for (query, found) in [
        ("?prefix=ord", vec!["orders"]),
        ("?prefix=", vec!["orders", "app"]),
        ("?prefix=%25", vec![]),
        ("?prefix=a%20b", vec![]),
        ("?active=true", vec!["orders"]),
        ("?active=false", vec!["app"]),
        ("?prefix=a&active=true", vec![]),
    ] {
        let answer = list(&bench, query).await.expect(200);
        assert_eq!(ids(&answer), found, "{query}");
    }
}

#[tokio::test]
async fn what_makes_no_page_is_refused() {
    let bench = bench().await;
    for query in ["?limit=0", "?limit=501", "?limit=x", "?active=1", "?after=x"] {
        list(&bench, query).await.expect(400);
    }
    for prefix in ["a".repeat(129), "a%00".to_owned()] {
        let refused = list(&bench, &format!("?prefix={prefix}")).await;
        refused.expect_fields(422, &["prefix"]);
    }
}
