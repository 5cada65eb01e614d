//! Until when somebody is admitted, and what is answered where a change can't be promised.

use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use serde_json::json;

use crate::bench::{Bench, Call};

#[tokio::test]
async fn who_is_revoked_while_the_rest_of_a_request_comes_gets_in_by_none_of_it() {
    let bench = Bench::new().await;
    let before = bench.state().await;
    let gate = bench.gate.clone();
    // The head is admitted; the token has lost its scope when the last byte of the body comes.
    let parts = stream::iter(0..2).map(move |part| {
        if part == 1 {
            gate.holding("roles:read");
        }
        let text = r#"{"scope":"orders:read"}"#;
        let half = if part == 0 { &text[..5] } else { &text[5..] };
        Ok::<_, std::convert::Infallible>(half.to_owned())
    });
    let mut request = Call::put("/roles/heir").json(&json!({})).into_request();
    *request.body_mut() = Body::from_stream(parts);
    let response = bench.send_request(request).await;
    assert_eq!(response.status(), 403);
    assert_eq!(bench.state().await, before);
    assert!(bench.admin().roles().await.unwrap().is_empty());
}

#[tokio::test]
async fn who_is_revoked_while_passwords_are_hashed_has_no_more_of_them_hashed() {
    let bench = Bench::new().await;
    let before = bench.state().await;
    let user = |i| json!({ "username": format!("u{i}"), "password": "correct horse" });
    let users: Vec<_> = (0..5).map(user).collect();
    // The head of the request, all of it, and two of the users.
    bench.gate.turning_after(4);
    let import = Call::post("/users/import").json(&json!({ "users": users }));
    import.to(&bench).await.expect(401);
    assert_eq!(bench.passwords.hashed(), 2);
    assert_eq!(bench.state().await, before);
}

#[tokio::test]
async fn who_is_revoked_during_an_import_of_clients_makes_no_more_of_them() {
    let bench = Bench::new().await;
    let client = |n| {
        json!({
            "client_id": format!("shop{n}"), "name": "Shop", "type": "confidential",
            "grants": ["client_credentials"], "audiences": ["urn:symbolon:admin"], "scope": "users:read",
        })
    };
    let clients: Vec<_> = (0..4).map(client).collect();
    // The head of the request, all of it, and two of the clients.
    bench.gate.turning_after(4);
    let import = Call::post("/clients/import").json(&json!({ "clients": clients }));
    let answer = import.to(&bench).await.expect(200);
    let told = |member: &str| -> Vec<_> {
        let clients = answer.body["clients"].as_array().unwrap().iter();
        clients.map(|client| client[member].clone()).collect()
    };
    assert_eq!(told("outcome"), ["added", "added", "failed", "not_tried"]);
    // What was made is good for something: its secret is nowhere else.
    assert!(told("client_secret")[..2].iter().all(|secret| secret.is_string()));
    assert_eq!(
        bench
            .admin()
            .clients(&Default::default(), None, 10)
            .await
            .unwrap()
            .items
            .len(),
        2
    );
    assert_eq!(bench.refusals(), ["no_longer_admitted"]);
}

#[tokio::test]
async fn what_an_import_asks_for_beyond_rights_goes_on_the_trail() {
    let bench = Bench::new().await;
    bench.role("root", "keys:rotate").await;
    bench.gate.holding("users:write clients:write");
    let users = json!({ "users": [{ "username": "eve", "password": "correct horse", "roles": ["root"] }] });
    let clients = json!({ "clients": [{ "name": "Shop", "type": "confidential", "grants": ["client_credentials"],
        "audiences": ["urn:symbolon:admin"], "scope": "keys:rotate" }] });
    for (path, body) in [("/users/import", users), ("/clients/import", clients)] {
        let answer = Call::post(path).json(&body).to(&bench).await.expect(200);
        assert_eq!(answer.body["refused"], 1, "{path}");
    }
    assert_eq!(bench.refusals(), ["beyond_rights"; 2]);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_loses_what_it_was_good_for() {
    type Turn = fn(&Bench);
    let turns: [Turn; 3] = [
        |bench| bench.gate.turning_after(0),
        |bench| bench.gate.lacking(&["audit:read"]),
        |bench| bench.gate.as_client("another"),
    ];
    for turn in turns {
        let bench = Bench::new().await;
        let response = bench.send(Call::get("/audit/stream")).await;
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        turn(&bench);
        assert!(body.frame().await.is_none(), "it ends without another word");
    }
}

#[tokio::test]
async fn a_change_that_can_not_be_promised_is_made_and_says_so() {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    bench.settled.cut_off();
    let put = Call::put("/roles/staff").json(&json!({ "scope": "orders:write" }));
    let answer = put.to(&bench).await.expect(202);
    assert_eq!(answer.body["scope"], "orders:write");
    Call::delete("/roles/staff").to(&bench).await.expect(202);
    Call::get("/roles/staff").to(&bench).await.expect(404);
}
