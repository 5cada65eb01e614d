//! Idle expiry, the absolute end, and what does not outlive it.

use std::time::Duration;

use symbolon_core::client::RotationPolicy;
use symbolon_tests::{ClientSpec, Harness, HarnessOptions};

use super::{assert_alive, claims};

const TICK: Duration = Duration::from_millis(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A refresh token that lies unused for as long as the client allows is refused; each rotation starts the time anew.
#[tokio::test]
async fn rejects_a_refresh_token_that_lay_idle() {
    let h = Harness::start().await;
    let app = h
        .add_client(ClientSpec::public("idle").with(|policy| policy.refresh_idle_lifetime = Some(600)))
        .await;
    let mut granted = h.login(&app).await;
    for _ in 0..3 {
        h.clock.advance(seconds(600) - TICK);
        granted = h.refresh(&app, &granted.text("refresh_token")).await;
        granted.ok();
    }
    let before = h.footprint().await;
    h.clock.advance(seconds(600));
    h.refresh(&app, &granted.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(h.footprint().await, before);
    h.login(&app).await.ok();
}

/// Replays in the overlap give the successor with the issue time that it had: they do not postpone its expiry.
#[tokio::test]
async fn a_replay_does_not_make_the_successor_younger() {
    let h = Harness::start().await;
    let app = h
        .add_client(ClientSpec::public("idle").with(|policy| policy.refresh_idle_lifetime = Some(60)))
        .await;
    let login = h.login(&app).await;
    let first = h.refresh(&app, &login.text("refresh_token")).await;
    h.clock.advance(seconds(30));
    let replay = h.refresh(&app, &login.text("refresh_token")).await;
    assert_eq!(replay.text("refresh_token"), first.text("refresh_token"));
    h.clock.advance(seconds(30));
    h.refresh(&app, &replay.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
}

/// The absolute end: refreshing does not move it, and no access token outlives it.
#[tokio::test]
async fn nothing_outlives_the_session() {
    let h = Harness::start().await;
    let brief = |policy: &mut symbolon_core::client::ClientPolicy| policy.session_lifetime = Some(1000);
    let rotating = h.add_client(ClientSpec::public("rotating").with(brief)).await;
    let steady = h
        .add_client(ClientSpec::confidential("steady").with(|policy| {
            brief(policy);
            policy.rotation = RotationPolicy::Never;
        }))
        .await;
    for client in [&rotating, &steady] {
        let login = h.login(client).await;
        let ends = claims(&login.text("access_token"))["iat"].as_u64().unwrap() + 1000;
        let mut token = login.text("refresh_token");
        let mut last = login;
        for _ in 0..4 {
            h.clock.advance(seconds(249));
            last = h.refresh(client, &token).await;
            let lifetime = last.ok()["expires_in"].as_u64().unwrap();
            let exp = claims(&last.text("access_token"))["exp"].as_u64().unwrap();
            assert!(exp <= ends && lifetime <= 300);
            if last.json().get("refresh_token").is_some() {
                token = last.text("refresh_token");
            }
        }
        // 996 of 1000 seconds are over.
        assert!(last.ok()["expires_in"].as_u64().unwrap() <= 4);
        let before = h.footprint().await;
        assert!(h.is_active(&last.text("access_token")).await);
        h.clock.advance(seconds(4));
        assert!(!h.is_active(&last.text("access_token")).await);
        h.refresh(client, &token).await.assert_error(400, "invalid_grant");
        assert_eq!(h.footprint().await, before);
    }
}

/// A client's own access-token lifetime holds before the server's, at the login and at each refresh.
#[tokio::test]
async fn access_tokens_live_as_long_as_the_client_says() {
    let settings = vec![("tokens.access_token_lifetime", "2m".to_owned())];
    let options = HarnessOptions {
        settings,
        ..Default::default()
    };
    let h = Harness::with(options).await;
    let own = h
        .add_client(ClientSpec::confidential("own").with(|policy| policy.access_token_lifetime = Some(40)))
        .await;
    for (client, lifetime) in [(&h.app, 120), (&own, 40)] {
        let login = h.login(client).await;
        let refreshed = h.refresh(client, &login.text("refresh_token")).await;
        let machine = h.client_credentials(client).await;
        for granted in [&login, &refreshed, &machine] {
            assert_eq!(granted.ok()["expires_in"], lifetime);
            let claims = claims(&granted.text("access_token"));
            assert_eq!(
                claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
                lifetime
            );
        }
        // The claims are whole seconds, rounded down.
        h.clock.advance(seconds(lifetime - 1));
        assert!(h.is_active(&machine.text("access_token")).await);
        h.clock.advance(seconds(1));
        for granted in [&login, &refreshed, &machine] {
            assert!(!h.is_active(&granted.text("access_token")).await);
        }
    }
}

/// A wall clock that steps back neither revives what ended nor breaks what lives.
#[tokio::test]
async fn survives_a_clock_that_steps_back() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    h.clock.advance(seconds(60));
    let first = h.refresh(&h.app, &login.text("refresh_token")).await;
    h.clock.set(symbolon_testkit::FakeClock::START.plus(10));
    let replay = h.refresh(&h.app, &login.text("refresh_token")).await;
    assert_eq!(replay.text("refresh_token"), first.text("refresh_token"));
    let second = assert_alive(&h, &h.app, &first).await;
    assert_alive(&h, &h.app, &second).await;
}
