//! Whether the process lives, and whether it may be sent requests.

use std::time::Duration;

use symbolon_tests::{Call, Harness, HarnessOptions, Tap, call, post_request};

use super::{HEALTH, request};

#[tokio::test]
async fn a_node_that_can_not_read_the_log_is_not_ready_and_fails_closed() {
    let tap = Tap::default();
    let h = Harness::with(HarnessOptions {
        wraps: tap.wraps(),
        ..HarnessOptions::default()
    })
    .await;
    let token = h.login(&h.app).await.text("access_token");
    h.refresh_nodes().await;
    tap.fail(Call::Head);
    tap.fail(Call::Confirms);
    h.clock.advance(Duration::from_secs(3));
    for node in h.nodes() {
        assert!(node.refresh().await.is_err());
        h.get("/readyz").await.ok();
    }

    h.clock.advance(Duration::from_millis(1));
    for _ in h.nodes() {
        let reply = h.get("/readyz").await;
        assert_eq!(reply.status, 503);
        assert_eq!(
            reply.body,
            r#"{"status":"not ready","reason":"the revocation log can't be read"}"#
        );
    }
    h.get("/healthz").await.ok();
    for path in super::DOCUMENTS {
        h.get(path).await.ok();
    }
    for refused in [
        h.introspect(&token).await,
        h.login(&h.app).await,
        h.client_credentials(&h.app).await,
        h.revoke(&h.app, &token).await,
    ] {
        refused.assert_error(503, "temporarily_unavailable");
        assert_eq!(refused.header("retry-after"), "1");
    }

    tap.mend();
    h.refresh_nodes().await;
    for _ in h.nodes() {
        h.get("/readyz").await.ok();
    }
    assert!(h.is_active(&token).await);
}

#[tokio::test]
async fn a_node_that_drains_is_alive_and_not_ready() {
    let h = Harness::start().await;
    assert_eq!(h.get("/healthz").await.body, r#"{"status":"alive"}"#);
    assert_eq!(h.get("/readyz").await.body, r#"{"status":"ready"}"#);
    h.node.health.drain();
    let at_node = |request| call(h.router.clone(), request);
    let reply = at_node(request("GET", "/readyz", &[])).await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.body, r#"{"status":"not ready","reason":"shutting down"}"#);
    let form = [("grant_type", "client_credentials")];
    at_node(post_request("/oauth2/token", &h.app, &form)).await.ok();
    for path in HEALTH {
        let reply = h.get(path).await;
        assert_eq!(
            (reply.header("cache-control"), reply.header("content-type")),
            ("no-store", "application/json")
        );
    }
}
