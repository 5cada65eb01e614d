//! What is decided before a commit point, and what happens to facts while a request waits for it.

use symbolon_core::password::{HashMemory, PasswordCost, PasswordHash};
use symbolon_core::ports::Change;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::{Clock, SystemRng, UnixMillis};
use symbolon_jose::SigningAlg;
use symbolon_tests::{Call, PASSWORD, Point};

use super::tapped;

const NEW_PASSWORD: &str = "another horse entirely";

/// The password is verified, then changed, then the session would begin. Whoever changes it may have been waiting for
/// the database and stamp a cutoff that lies before the login.
#[tokio::test]
async fn a_login_with_the_old_password_dies_whenever_the_change_was_stamped() {
    let (h, tap) = tapped().await;
    let before = h.footprint().await;
    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let hold = tap.hold(Point::Before(Call::Begin));
    let login = h.spawn_post("/oauth2/token", &h.app, &form);
    hold.reached().await;
    let cost = PasswordCost {
        memory_kib: 8192,
        iterations: 1,
        parallelism: 1,
    };
    let hash =
        PasswordHash::create(&NEW_PASSWORD.into(), cost, &SystemRng, &mut HashMemory::default()).unwrap();
    let long_ago = UnixMillis(h.clock.now().0 - 5_000);
    let entry = NewRevocation::subject(h.alice.subject, long_ago);
    let changed = h
        .admin()
        .set_password(h.alice.subject, &hash, &entry)
        .await
        .unwrap();
    assert_eq!(changed, Change::Done);
    hold.release();
    login.await.unwrap().assert_error(400, "invalid_grant");
    assert_eq!(h.footprint().await.sessions, before.sessions);

    h.clock.advance(std::time::Duration::from_millis(1));
    h.login_as(&h.app, "alice", PASSWORD, &[])
        .await
        .assert_error(400, "invalid_grant");
    h.login_as(&h.app, "alice", NEW_PASSWORD, &[]).await.ok();
}

/// A token that no key can sign is refused before anything is written: the session lives when the key is there again.
#[tokio::test]
async fn nothing_is_committed_for_a_token_that_no_key_can_sign() {
    let (h, _) = tapped().await;
    let login = h.login(&h.app).await;
    h.change_client(&h.app, |policy| policy.signing_alg = Some(SigningAlg::Rs256))
        .await;
    let before = h.footprint().await;
    let token = login.text("refresh_token");
    for _ in 0..3 {
        h.refresh(&h.app, &token).await.assert_error(500, "server_error");
        h.clock.advance(std::time::Duration::from_secs(60));
    }
    h.login(&h.app).await.assert_error(500, "server_error");
    h.client_credentials(&h.app)
        .await
        .assert_error(500, "server_error");
    assert_eq!(h.footprint().await, before);
    h.change_client(&h.app, |policy| policy.signing_alg = None).await;
    h.clock.advance(symbolon_core::revocation::LEASE);
    h.refresh(&h.app, &token).await.ok();
}
