//! Every operation of the admin API against tokens that this server has issued and that are not good for it: made of the list
//! that the router is made of, so that a new operation can't be left out.

#![expect(
    clippy::unwrap_used,
    reason = "whatever fails in what tests share is a failed test"
)]

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use symbolon_admin_api::{Listed, PREFIX, catalogue};
use symbolon_core::ports::ClientQuery;
use symbolon_core::rights::{ADMIN_AUDIENCE, admin_audience};
use symbolon_core::user::ADMIN_SCOPES;
use symbolon_tests::{ClientSpec, Harness, TestClient};
use tower::ServiceExt as _;

use std::time::Duration;

/// Longer than any access token of these tests lives.
const LATER: Duration = Duration::from_secs(3700);

/// A client that has every admin scope.
async fn robot(h: &Harness, id: &str) -> TestClient {
    h.add_client(ClientSpec::confidential(id).with(|policy| {
        policy.scope = ADMIN_SCOPES.join(" ").parse().unwrap();
        policy.default_scope = Default::default();
        policy.audiences = vec![admin_audience().clone()];
    }))
    .await
}

async fn token(h: &Harness, client: &TestClient, scope: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("resource", ADMIN_AUDIENCE),
    ];
    h.post("/oauth2/token", client, &form).await.text("access_token")
}

/// What the operation answers to that token.
async fn answer(h: &Harness, operation: &Listed, token: Option<&str>) -> (StatusCode, String) {
    let mut path = String::new();
    for part in operation.path.split('/').skip(1) {
        path.push('/');
        // It is refused before anybody looks what it is about.
        path.push_str(if part.starts_with('{') { "1" } else { part });
    }
    let mut request = Request::builder()
        .method(operation.method.clone())
        .uri(format!("{PREFIX}{path}"))
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::from("{}")).unwrap();
    let response = h.node.admin_router().oneshot(request).await.unwrap();
    let challenge = response.headers().get(header::WWW_AUTHENTICATE);
    let challenge = challenge.map(|it| it.to_str().unwrap().to_owned());
    (response.status(), challenge.unwrap_or_default())
}

#[tokio::test]
async fn every_operation_refuses_every_token_that_is_not_good_for_it() {
    let h = Harness::start().await;
    let (robot, gone) = (robot(&h, "robot").await, robot(&h, "gone").await);
    let all = ADMIN_SCOPES.join(" ");
    let expired = token(&h, &robot, &all).await;
    h.clock.advance(LATER);
    h.refresh_nodes().await;
    let of_another = h.client_credentials(&h.app).await.text("access_token");
    let disabled = token(&h, &gone, &all).await;
    h.disable_client(&gone).await;
    let good = token(&h, &robot, &all).await;
    let operations = catalogue();
    assert!(operations.len() > 60, "{}", operations.len());
    let before = h.footprint().await;
    for operation in &operations {
        let what = format!("{} {}", operation.method, operation.path);
        let (status, challenge) = answer(&h, operation, None).await;
        assert_eq!(
            (status.as_u16(), challenge.contains("Bearer")),
            (401, true),
            "{what}"
        );
        for (why, bad) in [
            ("expired", &expired),
            ("of another audience", &of_another),
            ("of a disabled client", &disabled),
            ("forged", &format!("{good}x")),
        ] {
            let (status, challenge) = answer(&h, operation, Some(bad)).await;
            let is_said = challenge.contains("error=\"invalid_token\"");
            assert_eq!((status.as_u16(), is_said), (401, true), "{what}: {why}");
        }
        let others: Vec<_> = ADMIN_SCOPES
            .into_iter()
            .filter(|it| *it != operation.scope)
            .collect();
        let lacking = token(&h, &robot, &others.join(" ")).await;
        let (status, challenge) = answer(&h, operation, Some(&lacking)).await;
        let is_said = challenge.contains(&format!("scope=\"{}\"", operation.scope));
        assert_eq!((status.as_u16(), is_said), (403, true), "{what}");
    }
    assert_eq!(h.footprint().await, before);
    let (status, _) = answer(&h, &operations[0], Some(&good)).await;
    assert!(
        status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN,
        "{status}"
    );
}

/// How many clients there are whose id begins with `shop`.
async fn shops(h: &Harness) -> usize {
    let query = ClientQuery {
        prefix: Some("shop".to_owned()),
        active: None,
    };
    h.admin().clients(&query, None, 500).await.unwrap().items.len()
}

#[tokio::test]
async fn whoever_was_disabled_makes_nothing_more_by_a_request_that_is_under_way() {
    const MANY: usize = 300;
    let h = Harness::start().await;
    let robot = robot(&h, "robot").await;
    let good = token(&h, &robot, "clients:write").await;
    let shop = |n| {
        json!({
            "client_id": format!("shop{n}"), "name": "Shop", "type": "confidential",
            "grants": ["client_credentials"], "audiences": [ADMIN_AUDIENCE], "scope": "clients:write",
        })
    };
    let clients: Vec<_> = (0..MANY).map(shop).collect();
    let request = Request::post(format!("{PREFIX}/clients/import"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {good}"))
        .body(Body::from(json!({ "clients": clients }).to_string()))
        .unwrap();
    let import = tokio::spawn(h.node.admin_router().oneshot(request));
    while shops(&h).await == 0 {
        tokio::task::yield_now().await;
    }
    h.disable_client(&robot).await;
    let made = shops(&h).await;
    let response = import.await.unwrap().unwrap();
    assert_eq!(shops(&h).await, made);

    assert_eq!(response.status(), StatusCode::OK);
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let clients = answer["clients"].as_array().unwrap();
    let came = |outcome: &str| {
        clients
            .iter()
            .filter(|client| client["outcome"] == outcome)
            .count()
    };
    assert_eq!((came("added"), came("failed")), (made, 1));
    assert_eq!(came("not_tried"), MANY - made - 1);
}
