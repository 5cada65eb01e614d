//! Values made to be long (D1, CVE-2026-4634; D3, CVE-2025-27144).

use symbolon_tests::{Harness, HarnessOptions, PASSWORD, basic, form_request};

/// With the largest body that can be configured.
async fn large_bodies() -> Harness {
    Harness::with(HarnessOptions {
        settings: vec![("server.max_body_bytes", "1048576".to_owned())],
        ..HarnessOptions::default()
    })
    .await
}

fn bombs() -> Vec<String> {
    let distinct = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
    vec![
        "a ".repeat(100_000),
        " ".repeat(100_000),
        distinct(100_000),
        distinct(65),
        "orders:read ".repeat(64),
        "a".repeat(1_000_000),
        "a".repeat(129),
        "\u{0}".repeat(10_000),
        "orders:read\u{2028}orders:write".to_owned(),
    ]
}

#[tokio::test]
async fn rejects_scope_bombs_at_every_grant_and_changes_nothing() {
    let h = large_bodies().await;
    let refresh = h.login(&h.app).await.text("refresh_token");
    let before = h.footprint().await;
    for bomb in bombs() {
        let scope = [("scope", bomb.as_str())];
        h.login_as(&h.app, "alice", PASSWORD, &scope)
            .await
            .assert_error(400, "invalid_scope");
        let own = [("grant_type", "client_credentials"), scope[0]];
        h.post("/oauth2/token", &h.app, &own)
            .await
            .assert_error(400, "invalid_scope");
        let renew = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.as_str()),
            scope[0],
        ];
        h.post("/oauth2/token", &h.app, &renew)
            .await
            .assert_error(400, "invalid_scope");
    }
    // Beyond the body.
    for bomb in ["a ".repeat(1 << 20), "a".repeat(1 << 20)] {
        h.login_as(&h.app, "alice", PASSWORD, &[("scope", &bomb)])
            .await
            .assert_error(413, "invalid_request");
    }
    assert_eq!(h.footprint().await, before);
    h.refresh(&h.app, &refresh).await.ok();
}

#[tokio::test]
async fn sixty_four_scopes_are_no_bomb() {
    let h = Harness::start().await;
    let many = "orders:read ".repeat(64);
    h.login_as(&h.app, "alice", PASSWORD, &[("scope", many.trim_end())])
        .await
        .ok();
}

#[tokio::test]
async fn a_token_of_dots_is_no_token() {
    let h = large_bodies().await;
    let own = basic("api", &h.api.secret);
    let before = h.footprint().await;
    for dots in [3, 5, 16_383, 16_384, 16_385, 1_000_000] {
        let token = ".".repeat(dots);
        for token in [
            token.clone(),
            format!("sbr_{token}"),
            format!("eyJhbGciOiJFUzI1NiJ9{token}"),
        ] {
            let body = format!("token={token}");
            let asked = h
                .send(form_request(
                    "/oauth2/introspect",
                    &[("authorization", &own)],
                    body,
                ))
                .await;
            assert_eq!(asked.ok(), serde_json::json!({"active": false}));
            h.revoke(&h.app, &token).await.ok();
            let refresh = h.refresh(&h.app, &token).await;
            let error = if token.len() > 16_384 {
                "invalid_request"
            } else {
                "invalid_grant"
            };
            refresh.assert_error(400, error);
        }
    }
    let body = format!("token={}", ".".repeat(1 << 20));
    h.send(form_request(
        "/oauth2/introspect",
        &[("authorization", &own)],
        body,
    ))
    .await
    .assert_error(413, "invalid_request");
    assert_eq!(h.footprint().await, before);
}

#[tokio::test]
async fn floods_of_parameters_and_of_headers_are_bounded() {
    let h = large_bodies().await;
    let own = basic("app", &h.app.secret);
    for body in [
        "&".repeat(1_000_000),
        "=&".repeat(500_000),
        (0..60_000).map(|n| format!("p{n}=1&")).collect(),
        "resource=urn:x&".repeat(60_000),
        "%41".repeat(300_000),
    ] {
        let reply = h
            .send(form_request("/oauth2/token", &[("authorization", &own)], body))
            .await;
        reply.assert_error(400, "invalid_request");
    }
    let long = format!("Basic {}", "QQ".repeat(100_000));
    h.send(form_request(
        "/oauth2/token",
        &[("authorization", &long)],
        "grant_type=client_credentials",
    ))
    .await
    .assert_error(401, "invalid_client");
}
