//! Grants, refresh, revocation and introspection against hostile and unlucky callers.
#![expect(
    clippy::unwrap_used,
    reason = "a broken assumption of a test must fail loudly, in its helpers too"
)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use symbolon_tests::{Harness, HarnessOptions, Reply, Tap, TestClient};
use uuid::Uuid;

mod commit_points;
mod crashes;
mod failures;
mod introspection;
mod late_recovery;
mod lifetimes;
mod lost_sessions;
mod races;
mod recycled;
mod revocation;
mod rotation;
mod scope;
mod sealing;
mod stale_facts;

/// A node whose ports can be paused, counted and cut.
async fn tapped() -> (Harness, Tap) {
    let tap = Tap::default();
    let options = HarnessOptions {
        wraps: tap.wraps(),
        ..Default::default()
    };
    (Harness::with(options).await, tap)
}

/// The claims of an access token, read without verifying.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The session of an answer to a login or a refresh.
fn sid(granted: &Reply) -> Uuid {
    claims(&granted.text("access_token"))["sid"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// What introspection tells the client that holds the token; nothing where the client may not ask.
async fn told_to_holder(h: &Harness, client: &TestClient, token: &str) -> Option<bool> {
    let reply = h.post("/oauth2/introspect", client, &[("token", token)]).await;
    (!client.secret.is_empty()).then(|| reply.ok()["active"] == true)
}

/// Every node has answered its share of so many refreshes.
#[track_caller]
fn assert_spread(h: &Harness, refreshes: u64) {
    let answered = h.counted_by_node("requests_total", &["grant=\"refresh_token\""]);
    let share = refreshes / answered.len() as u64;
    assert!(
        answered.iter().all(|refreshes| *refreshes >= share),
        "{answered:?}"
    );
}

/// Neither the access token nor the refresh token of `granted` is accepted, nor said to be active.
#[track_caller]
fn assert_dead<'a>(
    h: &'a Harness,
    client: &'a TestClient,
    granted: &'a Reply,
) -> impl Future<Output = ()> + use<'a> {
    let caller = std::panic::Location::caller();
    async move {
        let (access, refresh) = (granted.text("access_token"), granted.text("refresh_token"));
        assert_eq!(
            h.introspect(&access).await.body,
            r#"{"active":false}"#,
            "{caller}"
        );
        if !refresh.is_empty() {
            assert_ne!(told_to_holder(h, client, &refresh).await, Some(true), "{caller}");
            let reply = h.refresh(client, &refresh).await;
            let told = (reply.status.as_u16(), reply.text("error"));
            assert_eq!(told, (400, "invalid_grant".to_owned()), "{caller}");
        }
    }
}

/// Both the access token and the refresh token of `granted` are accepted; returns what the refresh gave.
#[track_caller]
fn assert_alive<'a>(
    h: &'a Harness,
    client: &'a TestClient,
    granted: &'a Reply,
) -> impl Future<Output = Reply> + use<'a> {
    let caller = std::panic::Location::caller();
    async move {
        let refresh = granted.text("refresh_token");
        assert!(h.is_active(&granted.text("access_token")).await, "{caller}");
        assert_ne!(told_to_holder(h, client, &refresh).await, Some(false), "{caller}");
        let refreshed = h.refresh(client, &refresh).await;
        assert_eq!(refreshed.status, 200, "{caller}: {refreshed:?}");
        refreshed
    }
}
