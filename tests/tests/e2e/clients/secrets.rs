//! Two secrets of a client are live at once, so that it can move from one to the other.

use std::time::Duration;

use secrecy::ExposeSecret;
use symbolon_core::ports::Change;
use symbolon_core::secret::ClientSecrets;
use symbolon_core::{Clock, SystemRng, UnixMillis};
use symbolon_server::secrets::open_server_keys;
use symbolon_tests::{Harness, TestClient};

/// Keeps a second secret, and the first `until` then.
async fn rotate(h: &Harness, client: &TestClient, until: UnixMillis) -> TestClient {
    let keys = open_server_keys(&h.node.store, &h.settings.keys.encryption_keys, &SystemRng)
        .await
        .unwrap();
    let fresh = ClientSecrets::generate(&SystemRng);
    let mut kept = h.client(client).await.secrets;
    for old in &mut kept {
        old.expires = Some(until);
    }
    kept.push(keys.client_secrets.hash(client.uid, &fresh).unwrap());
    let change = h.admin().set_client_secrets(client.uid, &kept).await.unwrap();
    assert_eq!(change, Change::Done);
    h.settle().await;
    h.refresh_nodes().await;
    TestClient {
        secret: fresh.expose_secret().to_owned(),
        ..client.clone()
    }
}

#[tokio::test]
async fn the_old_secret_works_until_the_overlap_ends() {
    let h = Harness::start().await;
    let old = h.app.clone();
    let end = h.clock.now().plus(24 * 3_600_000);
    let new = rotate(&h, &old, end).await;
    let session = h.login(&old).await.text("refresh_token");
    h.client_credentials(&old).await.ok();
    h.client_credentials(&new).await.ok();

    let left = Duration::from_millis(end.since(h.clock.now()));
    h.clock.advance(left - Duration::from_millis(1));
    h.client_credentials(&old).await.ok();
    h.clock.advance(Duration::from_millis(1));
    h.client_credentials(&old)
        .await
        .assert_error(401, "invalid_client");
    h.refresh(&old, &session)
        .await
        .assert_error(401, "invalid_client");
    h.revoke(&old, &session).await.assert_error(401, "invalid_client");
    h.post("/oauth2/introspect", &old, &[("token", "x")])
        .await
        .assert_error(401, "invalid_client");
    h.client_credentials(&new).await.ok();
    h.refresh(&new, &session).await.ok();
}

#[tokio::test]
async fn the_secret_of_another_client_is_none() {
    let h = Harness::start().await;
    let other = TestClient {
        secret: h.api.secret.clone(),
        ..h.app.clone()
    };
    h.client_credentials(&other)
        .await
        .assert_error(401, "invalid_client");
    for secret in [
        &h.app.secret[1..],
        &h.app.secret[..20],
        "",
        "sbs_",
        &h.app.secret.to_uppercase(),
    ] {
        let body = format!("grant_type=client_credentials&client_id=app&client_secret={secret}");
        let reply = h
            .send(symbolon_tests::form_request("/oauth2/token", &[], body))
            .await;
        reply.assert_error(401, "invalid_client");
    }
}
