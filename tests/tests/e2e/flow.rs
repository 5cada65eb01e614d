//! The main job: issue, refresh, introspect, revoke.

use std::time::Duration;

use symbolon_tests::Harness;

#[tokio::test]
async fn login_refresh_introspect_revoke() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let granted = login.ok();
    assert_eq!(granted["token_type"], "Bearer");
    assert_eq!(granted["expires_in"], 300);
    assert_eq!(granted["scope"], "orders:read orders:write");
    assert_eq!(
        (login.header("cache-control"), login.header("pragma")),
        ("no-store", "no-cache")
    );

    h.clock.advance(Duration::from_secs(60));
    let refreshed = h.refresh(&h.app, &login.text("refresh_token")).await;
    refreshed.ok();
    assert_ne!(refreshed.text("refresh_token"), login.text("refresh_token"));

    for token in [login.text("access_token"), refreshed.text("access_token")] {
        let told = h.introspect(&token).await.ok();
        assert_eq!(told["active"], true);
        assert_eq!(told["sub"], h.alice.subject.to_string());
        assert_eq!(told["client_id"], "app");
        assert_eq!(told["aud"], "https://api.example");
        assert_eq!(told["iss"], "https://as.example");
        assert_eq!(told["scope"], "orders:read orders:write");
        assert_eq!(told["token_type"], "Bearer");
    }

    let revoked = h.revoke(&h.app, &refreshed.text("refresh_token")).await;
    assert_eq!((revoked.status.as_u16(), revoked.body.len()), (200, 0));
    for token in [login.text("access_token"), refreshed.text("access_token")] {
        assert_eq!(h.introspect(&token).await.body, r#"{"active":false}"#);
    }
    h.refresh(&h.app, &refreshed.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn client_credentials_give_no_refresh_token_and_no_session() {
    let h = Harness::start().await;
    let reply = h.client_credentials(&h.app).await;
    let granted = reply.ok();
    assert!(granted.get("refresh_token").is_none());
    let told = h.introspect(&reply.text("access_token")).await.ok();
    assert_eq!(told["sub"], h.app.uid.to_string());
    assert!(told.get("sid").is_none());
    h.clock.advance(Duration::from_secs(300));
    assert!(!h.is_active(&reply.text("access_token")).await, "expired");
}
