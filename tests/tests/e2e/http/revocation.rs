//! Revocation (RFC 7009).

use symbolon_tests::{Call, Harness, HarnessOptions, Tap, form_request};

#[tokio::test]
async fn a_hint_is_only_a_hint() {
    let h = Harness::start().await;
    for hint in ["access_token", "refresh_token", "id_token", "x", ""] {
        let login = h.login(&h.app).await;
        let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
        let form = [("token", access.as_str()), ("token_type_hint", hint)];
        assert!(h.post("/oauth2/revoke", &h.app, &form).await.ok().is_null());
        assert!(!h.is_active(&access).await, "{hint}");
        let renewed = h.refresh(&h.app, &refresh).await.text("access_token");
        assert!(h.is_active(&renewed).await, "an access token takes only itself");
        let form = [("token", refresh.as_str()), ("token_type_hint", hint)];
        h.post("/oauth2/revoke", &h.app, &form).await.ok();
        assert!(!h.is_active(&renewed).await, "{hint}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_a_success_that_changes_nothing() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
    let before = h.footprint().await;
    for bad in [
        "x",
        "..",
        "sbr_",
        "sbr_x",
        &refresh[1..],
        &refresh[..refresh.len() - 1],
        &format!("{refresh}x"),
        &access[1..],
        "\u{e4}",
        "\0",
    ] {
        let reply = h.revoke(&h.app, bad).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0), "{bad:?}");
    }
    for other in [&h.spa, &h.api] {
        for token in [&access, &refresh] {
            h.revoke(other, token).await.ok();
        }
    }
    assert_eq!(h.footprint().await, before);
    assert!(h.is_active(&access).await);
    h.refresh(&h.app, &refresh).await.ok();
}

#[tokio::test]
async fn revoking_twice_is_a_success_that_logs_once() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    for token in [login.text("access_token"), login.text("refresh_token")] {
        let before = h.footprint().await.head.seq;
        h.revoke(&h.app, &token).await.ok();
        h.refresh_nodes().await;
        for _ in h.nodes() {
            h.revoke(&h.app, &token).await.ok();
        }
        assert_eq!(h.footprint().await.head.seq, before + 1);
    }
}

#[tokio::test]
async fn rejects_callers_without_credentials_and_requests_without_a_token() {
    let h = Harness::start().await;
    let token = h.login(&h.app).await.text("refresh_token");
    h.send(form_request("/oauth2/revoke", &[], format!("token={token}")))
        .await
        .assert_error(401, "invalid_client");
    h.post("/oauth2/revoke", &h.app, &[])
        .await
        .assert_error(400, "invalid_request");
    h.post("/oauth2/revoke", &h.app, &[("token", "")])
        .await
        .assert_error(400, "invalid_request");
    h.refresh(&h.app, &token).await.ok();
}

#[tokio::test]
async fn a_log_that_can_not_be_written_is_never_a_success() {
    let tap = Tap::default();
    let h = Harness::with(HarnessOptions {
        wraps: tap.wraps(),
        ..HarnessOptions::default()
    })
    .await;
    let login = h.login(&h.app).await;
    tap.fail(Call::Append);
    for token in [login.text("access_token"), login.text("refresh_token")] {
        let reply = h.revoke(&h.app, &token).await;
        reply.assert_error(503, "temporarily_unavailable");
        assert_eq!(reply.header("retry-after"), "1");
    }
    tap.mend();
    assert!(
        h.is_active(&login.text("access_token")).await,
        "and the client knows it"
    );
}
