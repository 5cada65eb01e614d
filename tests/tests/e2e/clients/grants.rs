//! A client uses the grants that are switched on for it, and no others.

use symbolon_core::client::RotationPolicy;
use symbolon_oauth_types::GrantType;
use symbolon_tests::{ClientSpec, Harness, PASSWORD};

#[tokio::test]
async fn rejects_each_grant_that_is_switched_off() {
    let h = Harness::start().await;
    let refresh = h.login(&h.app).await.text("refresh_token");
    for grant in GrantType::ALL {
        let others = |kept: GrantType| kept != grant;
        h.change_client(&h.app, |policy| {
            policy.grants = GrantType::ALL.into_iter().filter(|g| others(*g)).collect()
        })
        .await;
        h.refresh_nodes().await;
        let reply = match grant {
            GrantType::ClientCredentials => h.client_credentials(&h.app).await,
            GrantType::Password => h.login(&h.app).await,
            GrantType::RefreshToken => h.refresh(&h.app, &refresh).await,
        };
        reply.assert_error(400, "unauthorized_client");
        assert_eq!(
            reply.text("error_description"),
            "the client may not use this grant type"
        );
        assert_eq!(
            h.counted("requests_total", &["grant_not_allowed", grant.as_str()]),
            1
        );
    }
    h.change_client(&h.app, |policy| policy.grants = GrantType::ALL.into())
        .await;
    h.refresh_nodes().await;
    h.refresh(&h.app, &refresh).await.ok();
}

/// A wrong password through a client that may not log anybody in is not even looked at: no oracle, no count.
#[tokio::test]
async fn a_client_without_the_password_grant_tells_nothing_of_users() {
    let h = Harness::start().await;
    h.change_client(&h.app, |policy| {
        policy.grants.remove(&GrantType::Password);
    })
    .await;
    h.refresh_nodes().await;
    for (name, password) in [
        ("alice", PASSWORD),
        ("alice", "wrong password"),
        ("nobody", PASSWORD),
    ] {
        for _ in 0..4 {
            let reply = h.login_as(&h.app, name, password, &[]).await;
            reply.assert_error(400, "unauthorized_client");
        }
    }
    assert_eq!(h.counted("requests_total", &["password_wrong"]), 0);
    h.login(&h.spa).await.ok();
}

#[tokio::test]
async fn without_the_refresh_grant_there_is_no_refresh_token() {
    let h = Harness::start().await;
    let spec = ClientSpec::confidential("once").with(|policy| {
        policy.grants.remove(&GrantType::RefreshToken);
    });
    let once = h.add_client(spec).await;
    let login = h.login(&once).await;
    assert!(login.ok().get("refresh_token").is_none());
    assert!(h.is_active(&login.text("access_token")).await);
}

#[tokio::test]
async fn unknown_grant_types_are_unsupported() {
    let h = Harness::start().await;
    let types = [
        "authorization_code",
        "implicit",
        "PASSWORD",
        "password ",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        &"x".repeat(10_000),
    ];
    for grant in types {
        let form = [
            ("grant_type", grant),
            ("username", "alice"),
            ("password", PASSWORD),
        ];
        let reply = h.post("/oauth2/token", &h.app, &form).await;
        reply.assert_error(400, "unsupported_grant_type");
    }
    let counted = h.counted("requests_total", &["unsupported_grant_type"]);
    assert_eq!(
        counted,
        types.len() as u64,
        "under one label: metrics do not grow with what is asked for"
    );
}

#[tokio::test]
async fn rejects_client_credentials_of_a_public_client() {
    let h = Harness::start().await;
    h.client_credentials(&h.spa)
        .await
        .assert_error(400, "unauthorized_client");
}

#[tokio::test]
async fn a_client_that_does_not_rotate_keeps_its_refresh_token() {
    let h = Harness::start().await;
    let spec = ClientSpec::confidential("still").with(|policy| policy.rotation = RotationPolicy::Never);
    let still = h.add_client(spec).await;
    let token = h.login(&still).await.text("refresh_token");
    for _ in 0..3 {
        let reply = h.refresh(&still, &token).await;
        assert!(reply.ok().get("refresh_token").is_none());
    }
}
