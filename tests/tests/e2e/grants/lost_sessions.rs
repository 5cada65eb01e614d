//! A store that has lost records or its last writes: genuine tokens are adopted, or refused, as configured.

use std::time::Duration;

use symbolon_core::client::RotationPolicy;
use symbolon_core::revocation::NewRevocation;
use symbolon_tests::{ClientSpec, Harness, HarnessOptions, Tap};

use super::{assert_alive, assert_dead, sid};

async fn refusing(tap: &Tap) -> Harness {
    Harness::with(HarnessOptions {
        settings: vec![("tokens.adopt_lost_sessions", "false".to_owned())],
        wraps: tap.wraps(),
        ..Default::default()
    })
    .await
}

async fn adopting(tap: &Tap) -> Harness {
    Harness::with(HarnessOptions {
        wraps: tap.wraps(),
        ..Default::default()
    })
    .await
}

#[tokio::test]
async fn adopts_a_token_whose_record_is_gone() {
    let h = Harness::start().await;
    let steady = h
        .add_client(ClientSpec::confidential("steady").with(|policy| policy.rotation = RotationPolicy::Never))
        .await;
    for client in [&h.app, &h.spa] {
        let login = h.login(client).await;
        let first = h.refresh(client, &login.text("refresh_token")).await;
        h.lose_records().await;
        let adopted = h.refresh(client, &first.text("refresh_token")).await;
        adopted.ok();
        assert_eq!(h.record(sid(&login)).await.generation, 2);
        // From here on all rules hold again: the adopted token has one successor, and older ones are a reuse.
        let replay = h.refresh(client, &first.text("refresh_token")).await;
        assert_eq!(replay.text("refresh_token"), adopted.text("refresh_token"));
        h.refresh(client, &login.text("refresh_token"))
            .await
            .assert_error(400, "invalid_grant");
        assert_dead(&h, client, &adopted).await;
    }
    let login = h.login(&steady).await;
    h.lose_records().await;
    let kept = h.refresh(&steady, &login.text("refresh_token")).await;
    assert!(kept.ok().get("refresh_token").is_none());
    assert_eq!(h.record(sid(&login)).await.generation, 0);
    assert_eq!(h.rotations("adopted"), 2);
}

#[tokio::test]
async fn adopts_a_token_that_is_newer_than_its_record() {
    let tap = Tap::default();
    let h = adopting(&tap).await;
    let login = h.login(&h.app).await;
    tap.lose_rotation();
    let first = h.refresh(&h.app, &login.text("refresh_token")).await;
    assert_eq!(h.record(sid(&login)).await.generation, 0);
    h.clock.advance(Duration::from_secs(600));
    let second = h.refresh(&h.app, &first.text("refresh_token")).await;
    second.ok();
    assert_eq!(
        (h.rotations("adopted"), h.record(sid(&login)).await.generation),
        (1, 2)
    );
    h.refresh(&h.app, &login.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    assert_dead(&h, &h.app, &second).await;
}

#[tokio::test]
async fn refuses_lost_sessions_where_adopting_is_off() {
    let tap = Tap::default();
    let h = refusing(&tap).await;
    let login = h.login(&h.app).await;
    tap.lose_rotation();
    let first = h.refresh(&h.app, &login.text("refresh_token")).await;
    let before = h.footprint().await;
    h.refresh(&h.app, &first.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(h.footprint().await, before);

    h.lose_records().await;
    let before = h.footprint().await;
    for token in [login.text("refresh_token"), first.text("refresh_token")] {
        h.refresh(&h.app, &token).await.assert_error(400, "invalid_grant");
    }
    assert_eq!(h.footprint().await, before);
    assert_eq!(h.rotations("unknown"), 3);
    let fresh = h.login(&h.app).await;
    assert_alive(&h, &h.app, &fresh).await;
}

/// Losing the records revives nothing: what is on the log stays dead, sessions that a reuse killed included.
#[tokio::test]
async fn adopts_nothing_that_was_revoked() {
    let h = Harness::start().await;
    let revoked = h.login(&h.app).await;
    h.revoke(&h.app, &revoked.text("refresh_token")).await.ok();
    let reused = h.login(&h.app).await;
    let first = h.refresh(&h.app, &reused.text("refresh_token")).await;
    let second = h.refresh(&h.app, &first.text("refresh_token")).await;
    h.refresh(&h.app, &reused.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    let cut = h.login(&h.spa).await;
    h.log_revocation(NewRevocation::client(
        &"spa".parse().unwrap(),
        symbolon_core::Clock::now(&*h.clock),
    ))
    .await;

    h.lose_records().await;
    assert_dead(&h, &h.app, &revoked).await;
    for granted in [&reused, &first, &second] {
        assert_dead(&h, &h.app, granted).await;
    }
    assert_dead(&h, &h.spa, &cut).await;
    assert!(h.footprint().await.records.is_empty(), "nothing was adopted");
}

/// Losing the records makes nobody older than the session's own end.
#[tokio::test]
async fn adopts_nothing_that_has_ended() {
    let h = Harness::start().await;
    let brief = h
        .add_client(ClientSpec::public("brief").with(|policy| policy.session_lifetime = Some(60)))
        .await;
    let login = h.login(&brief).await;
    h.lose_records().await;
    h.clock.advance(Duration::from_secs(60));
    h.refresh(&brief, &login.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    assert!(h.footprint().await.records.is_empty());
}

/// A thief who presents an old token to a store that lost the record can't stay beside the owner: whichever of the two
/// comes with the older token next is a reuse.
#[tokio::test]
async fn a_theft_beside_a_lost_record_still_comes_out() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let first = h.refresh(&h.app, &login.text("refresh_token")).await;
    let second = h.refresh(&h.app, &first.text("refresh_token")).await;
    h.lose_records().await;
    let stolen = h.refresh(&h.app, &login.text("refresh_token")).await;
    let owner = h.refresh(&h.app, &second.text("refresh_token")).await;
    owner.ok();
    h.refresh(&h.app, &stolen.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    for granted in [&stolen, &owner] {
        assert_dead(&h, &h.app, granted).await;
    }
}
