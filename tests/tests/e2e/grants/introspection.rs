//! What introspection tells, and to whom.

use symbolon_core::client::ServedAudience;
use symbolon_tests::{AUDIENCE, ClientSpec, Harness, TestClient};

use super::assert_alive;

const INACTIVE: &str = r#"{"active":false}"#;
const OTHER: &str = "https://other.example";

async fn told(h: &Harness, caller: &TestClient, token: &str) -> serde_json::Value {
    h.post("/oauth2/introspect", caller, &[("token", token)])
        .await
        .ok()
}

/// G12, CVE-2026-37979: who is not in `aud` learns nothing, the client that holds the token included.
#[tokio::test]
async fn tells_nobody_whom_the_token_is_not_for() {
    let h = Harness::start().await;
    let other = h.add_client(ClientSpec::resource_server("other", OTHER)).await;
    let rival = h.add_client(ClientSpec::confidential("rival")).await;
    let both = h
        .add_client(ClientSpec::confidential("both").with(|policy| {
            let indicator = "https://both.example".parse().unwrap();
            policy.serves = vec![ServedAudience {
                indicator,
                signing_alg: None,
                access_token_lifetime: None,
            }];
        }))
        .await;
    let login = h.login(&h.app).await;
    let machine = h.client_credentials(&h.app).await;
    for token in [login.text("access_token"), machine.text("access_token")] {
        assert!(h.is_active(&token).await);
        for caller in [&other, &rival, &both, &h.app] {
            let reply = h.post("/oauth2/introspect", caller, &[("token", &*token)]).await;
            assert_eq!(
                (reply.status.as_u16(), &reply.body[..]),
                (200, INACTIVE.as_bytes())
            );
            for hint in ["access_token", "refresh_token", "nonsense"] {
                let form = [("token", &*token), ("token_type_hint", hint)];
                let reply = h.post("/oauth2/introspect", caller, &form).await;
                assert_eq!(reply.body, INACTIVE);
            }
        }
    }
    assert_alive(&h, &h.app, &login).await;
}

/// G12: a refresh token is shown to the client that holds it alone; a resource server must never take it for a token.
#[tokio::test]
async fn shows_a_refresh_token_to_its_holder_alone() {
    let h = Harness::start().await;
    let rival = h.add_client(ClientSpec::confidential("rival")).await;
    let login = h.login(&h.app).await;
    let before = h.footprint().await;
    let token = login.text("refresh_token");
    for caller in [&h.api, &rival] {
        let reply = h.post("/oauth2/introspect", caller, &[("token", &*token)]).await;
        assert_eq!(reply.body, INACTIVE);
    }
    let shown = told(&h, &h.app, &token).await;
    assert_eq!(
        (&shown["active"], &shown["client_id"]),
        (&true.into(), &"app".into())
    );
    assert_eq!(shown["sub"], h.alice.subject.to_string());
    for absent in ["aud", "token_type", "iss"] {
        assert!(
            shown.get(absent).is_none(),
            "a resource server would take it for an access token"
        );
    }
    assert_eq!(h.footprint().await, before);
    assert_alive(&h, &h.app, &login).await;
}

/// Asking spends nothing: neither a rotation, nor a late recovery, nor the session of a token that was reused.
#[tokio::test]
async fn asking_about_a_refresh_token_changes_nothing() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let first = h.refresh(&h.app, &login.text("refresh_token")).await;
    h.clock.advance(std::time::Duration::from_secs(3600));
    let before = h.footprint().await;
    for _ in 0..3 {
        assert_eq!(
            told(&h, &h.app, &login.text("refresh_token")).await["active"],
            true
        );
    }
    assert_eq!(h.footprint().await, before);
    let second = h.refresh(&h.app, &first.text("refresh_token")).await;
    assert_eq!(
        told(&h, &h.app, &login.text("refresh_token")).await,
        serde_json::json!({"active": false})
    );
    assert_alive(&h, &h.app, &second).await;
}

/// G12: who only names itself may not ask at all, and neither may who names itself wrongly.
#[tokio::test]
async fn rejects_callers_that_prove_nothing() {
    let h = Harness::start().await;
    let login = h.login(&h.spa).await;
    let impostor = TestClient {
        secret: h.app.secret.clone(),
        ..h.api.clone()
    };
    let bare = TestClient {
        secret: String::new(),
        ..h.api.clone()
    };
    for caller in [&h.spa, &impostor, &bare] {
        for token in [
            login.text("access_token"),
            login.text("refresh_token"),
            "x".to_owned(),
        ] {
            let reply = h.post("/oauth2/introspect", caller, &[("token", &*token)]).await;
            reply.assert_error(401, "invalid_client");
            assert!(reply.header("www-authenticate").starts_with("Basic"));
        }
    }
    assert_alive(&h, &h.spa, &login).await;
}

/// G12: whatever the reason, an inactive token is the same two words.
#[tokio::test]
async fn every_inactive_token_looks_the_same() {
    let h = Harness::start().await;
    h.add_client(ClientSpec::resource_server("other", OTHER)).await;
    let stranger = h
        .add_client(ClientSpec::confidential("stranger").with(|p| p.audiences = vec![OTHER.parse().unwrap()]))
        .await;
    let expired = h.client_credentials(&h.app).await.text("access_token");
    h.clock.advance(std::time::Duration::from_secs(301));
    let revoked = h.client_credentials(&h.app).await.text("access_token");
    h.revoke(&h.app, &revoked).await.ok();
    let elsewhere = h.client_credentials(&stranger).await.text("access_token");
    let good = h.client_credentials(&h.app).await.text("access_token");
    let mut forged = good.clone();
    forged.truncate(good.len() - 4);
    let refresh = h.login(&h.app).await.text("refresh_token");
    for token in [
        &expired,
        &revoked,
        &elsewhere,
        &forged,
        &refresh,
        ".",
        "..",
        "x",
        &"a".repeat(5000),
    ] {
        let reply = h.introspect(token).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.body[..]),
            (200, INACTIVE.as_bytes()),
            "{token}"
        );
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    assert!(h.is_active(&good).await);
}

/// A token for several resource servers is active for each of them and for no other.
#[tokio::test]
async fn tells_each_resource_server_of_the_token() {
    let h = Harness::start().await;
    let other = h.add_client(ClientSpec::resource_server("other", OTHER)).await;
    let third = h
        .add_client(ClientSpec::resource_server("third", "https://third.example"))
        .await;
    let wide = h
        .add_client(
            ClientSpec::confidential("wide").with(|policy| policy.audiences.push(OTHER.parse().unwrap())),
        )
        .await;
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", AUDIENCE),
        ("resource", OTHER),
    ];
    let granted = h.post("/oauth2/token", &wide, &form).await;
    let token = granted.text("access_token");
    for caller in [&h.api, &other] {
        let shown = told(&h, caller, &token).await;
        assert_eq!(
            (&shown["active"], &shown["aud"]),
            (&true.into(), &serde_json::json!([AUDIENCE, OTHER]))
        );
    }
    assert_eq!(
        told(&h, &third, &token).await,
        serde_json::json!({"active": false})
    );
}
