//! `/clients/{client_id}/secrets`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{accepts, app, bench, is_nowhere, made, secret_id, with};
use crate::bench::{Answer, Bench, Call};

async fn added(bench: &Bench, body: &Value) -> Answer {
    Call::post("/clients/app/secrets").json(body).to(bench).await
}

fn shown(answer: &Answer) -> &str {
    answer.body["client_secret"].as_str().unwrap()
}

#[tokio::test]
async fn two_secrets_are_live_and_the_third_is_refused() {
    let bench = bench().await;
    let before = Call::get("/clients/app").to(&bench).await;
    let settled = bench.settled.times();
    let second = added(&bench, &json!({})).await.expect(201);
    assert!(accepts(&bench, "app", shown(&second)).await);
    is_nowhere(&bench, "app", shown(&second)).await;
    assert_eq!(bench.settled.times(), settled + 1);
    let now = Call::get("/clients/app").to(&bench).await;
    assert_eq!((&second.body["client"], second.etag()), (&now.body, now.etag()));
    let event = bench.last_event().await;
    assert_eq!(event["event"], "client.secrets_set");
    assert_eq!(
        event["details"],
        json!({ "before": before.body, "after": now.body })
    );
    let listed = Call::get("/clients/app/secrets").to(&bench).await;
    let ids: Vec<_> = listed.items().iter().map(|secret| secret["id"].clone()).collect();
    assert_eq!(
        ids,
        [
            before.body["secrets"][0]["id"].clone(),
            second.body["secret_id"].clone()
        ]
    );
    assert_eq!(listed.etag(), now.etag());

    let before = bench.state().await;
    let third = added(&bench, &json!({})).await.expect(409);
    assert_eq!(third.kind(), "conflict");
    assert!(
        third.body["detail"]
            .as_str()
            .unwrap()
            .contains("expire_others_in")
    );
    assert_eq!(bench.state().await, before);
    assert!(accepts(&bench, "app", shown(&second)).await);
}

#[tokio::test]
async fn a_new_secret_can_end_the_others() {
    let bench = bench().await;
    let second = added(&bench, &json!({})).await.expect(201);
    let third = added(&bench, &json!({ "expire_others_in": 60 }))
        .await
        .expect(201);
    // Of those without an end the last one listed counts as the newest.
    let (second, third) = (shown(&second), shown(&third));
    assert!(accepts(&bench, "app", second).await && accepts(&bench, "app", third).await);
    bench.clock.advance(Duration::from_secs(60));
    assert!(!accepts(&bench, "app", second).await);
    assert!(accepts(&bench, "app", third).await);
    let fourth = added(&bench, &json!({ "expire_others_in": 0 })).await.expect(201);
    assert!(!accepts(&bench, "app", third).await);
    assert!(accepts(&bench, "app", shown(&fourth)).await);
    assert_eq!(fourth.body["client"]["secrets"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_secret_can_end_later_and_its_end_can_be_moved() {
    let bench = bench().await;
    let answer = added(&bench, &json!({})).await;
    let (secret, id) = (shown(&answer), answer.body["secret_id"].as_str().unwrap());
    let expire = |seconds: u32| {
        let path = format!("/clients/app/secrets/{id}/expire");
        Call::post(&path).json(&json!({ "in": seconds }))
    };
    let before = Call::get("/clients/app").to(&bench).await.body;
    let ended = expire(60).to(&bench).await.expect(200);
    assert_eq!(ended.body["secrets"][1]["id"], *id);
    assert!(ended.body["secrets"][1]["expires"].is_string());
    let event = bench.last_event().await;
    assert_eq!(event["event"], "client.secrets_set");
    assert_eq!(event["details"], json!({ "before": before, "after": ended.body }));
    expire(120).to(&bench).await.expect(200);
    bench.clock.advance(Duration::from_secs(119));
    assert!(accepts(&bench, "app", secret).await);
    bench.clock.advance(Duration::from_secs(1));
    assert!(!accepts(&bench, "app", secret).await);

    let before = bench.state().await;
    expire(60).to(&bench).await.expect(409);
    assert_eq!(bench.state().await, before);
    // One that has expired makes room.
    let next = added(&bench, &json!({})).await.expect(201);
    assert_eq!(next.body["client"]["secrets"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_deleted_secret_is_refused_at_once() {
    let bench = bench().await;
    let answer = added(&bench, &json!({})).await;
    let path = format!(
        "/clients/app/secrets/{}",
        answer.body["secret_id"].as_str().unwrap()
    );
    Call::delete(&path).to(&bench).await.expect(204);
    assert!(!accepts(&bench, "app", shown(&answer)).await);
    assert_eq!(bench.last_event().await["event"], "client.secrets_set");
    Call::delete(&path).to(&bench).await.expect(404);
    let expire = format!("{path}/expire");
    Call::post(&expire)
        .json(&json!({ "in": 0 }))
        .to(&bench)
        .await
        .expect(404);
    // The last one can go, too.
    let last = format!("/clients/app/secrets/{}", secret_id(&bench, "app").await);
    Call::delete(&last).to(&bench).await.expect(204);
    assert!(
        Call::get("/clients/app/secrets")
            .to(&bench)
            .await
            .items()
            .is_empty()
    );
}

#[tokio::test]
async fn secrets_of_another_client_are_out_of_reach() {
    let bench = bench().await;
    let path = format!("/clients/app/secrets/{}", secret_id(&bench, "orders").await);
    let before = bench.state().await;
    Call::delete(&path).to(&bench).await.expect(404);
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn what_breaks_a_rule_changes_nothing() {
    let bench = bench().await;
    let public = json!({ "client_id": "spa", "type": "public", "grants": ["password"] });
    made(&bench, &with(app(), public)).await;
    let path = format!("/clients/app/secrets/{}/expire", secret_id(&bench, "app").await);
    let before = bench.state().await;
    for (path, body, field) in [
        (
            "/clients/app/secrets",
            json!({ "expire_others_in": 2_592_001 }),
            "expire_others_in",
        ),
        (
            "/clients/app/secrets",
            json!({ "expire_others_in": -1 }),
            "expire_others_in",
        ),
        (
            "/clients/app/secrets",
            json!({ "client_secret": "mine" }),
            "client_secret",
        ),
        (&path, json!({ "in": 34_560_001 }), "in"),
        (&path, json!({ "in": 1, "at": 2 }), "at"),
    ] {
        let answer = Call::post(path).json(&body).to(&bench).await;
        answer.expect_fields(422, &[field]);
    }
    Call::post(&path).json(&json!({})).to(&bench).await.expect(422);
    let public = Call::post("/clients/spa/secrets").json(&json!({}));
    public.to(&bench).await.expect(409);
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn a_repeated_request_adds_one_secret_and_shows_it_once() {
    let bench = bench().await;
    let add = || {
        Call::post("/clients/app/secrets")
            .json(&json!({}))
            .key("k1")
            .to(&bench)
    };
    let first = add().await.expect(201);
    let again = add().await.expect(409);
    assert!(!again.text.contains(shown(&first)));
    assert_eq!(
        Call::get("/clients/app/secrets").to(&bench).await.items().len(),
        2
    );
}
